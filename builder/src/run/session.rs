//! One machine from start to end.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    time::{Duration, Instant},
};

use bedplate_contract::{
    control::Reply,
    event::{Event, name},
};

use super::{
    Outcome, RunError, RunRequest, Until, accelerator,
    accelerator::Choice,
    bundle, console,
    console::Message,
    link::{self, End, Link, UserNetwork},
    machine::{self, MachineFiles},
    qemu::{self, Accelerator, Machine},
    request::{self, Offer},
    secret,
    transcript::Transcript,
    verdict::{Judge, Next},
};
use crate::tool::Tools;

/// Firmware in the tools root (Debian's `ovmf`).
const FIRMWARE: &str = "usr/share/OVMF/OVMF_CODE_4M.fd";
/// Its variables, copied for each machine.
const VARIABLES: &str = "usr/share/OVMF/OVMF_VARS_4M.fd";
/// How long a guest may take to power off when asked; stop timeouts of services are below it.
const POWER_OFF: Duration = Duration::from_secs(60);

/// Boots the machine and follows it until `request.until`.
///
/// # Errors
/// Files, QEMU or console; never the guest's own trouble, which is an [`Outcome`].
pub fn run(request: &RunRequest, tools: &Tools) -> Result<Outcome, RunError> {
    let variables = tools.root().join(VARIABLES);
    let control = request.control.as_deref();
    let files = machine::lay_out(&request.artifact, &variables, &request.disk, control)?;
    if let Some(record) = &request.record {
        begin_record(record)?;
    }
    let end = request.link.as_deref().map(End::join).transpose()?;
    let log = request.serial_log.as_deref();
    let mut transcript = Transcript::open(request.show, log).map_err(RunError::Follow)?;
    let link = end.as_ref().map(|end| end.connect(files.scratch()));
    let link = link.transpose()?;
    let mut session = begin(request, (&files, link), tools, &mut transcript)?;
    match session.follow(request, &files.control, &mut transcript) {
        outcome @ (Outcome::Ended | Outcome::NoVerdict) => session.ended(outcome),
        outcome => {
            let end = session.end(&files.control, &mut transcript);
            end.map_err(RunError::Follow).map(|()| outcome)
        }
    }
}

/// An empty file: QEMU writes to one that is there, and makes none.
fn begin_record(path: &Path) -> Result<(), RunError> {
    let made = File::create(path).map(drop);
    made.map_err(|source| RunError::Record {
        path: path.to_owned(),
        source,
    })
}

/// Starts the machine; under [`Choice::Auto`] KVM must prove itself or gives way to TCG.
fn begin(
    request: &RunRequest,
    (files, link): (&MachineFiles, Option<Link>),
    tools: &Tools,
    transcript: &mut Transcript,
) -> Result<Session, RunError> {
    let first = request.accelerator.first(&request.memory);
    let attached = attached(request, files)?;
    let network = link::user_network(&request.network, link.is_some())?;
    let machine = Machine {
        network,
        link,
        ..machine(request, files, (attached, tools), first)
    };
    if first == Accelerator::Kvm && request.accelerator == Choice::Auto {
        // Whatever QEMU has against KVM is no news: TCG is next.
        let mut session = Session::start(&machine, tools, Stdio::null())?;
        if session.proves_itself(transcript) {
            return Ok(session);
        }
        session.kill().map_err(RunError::Follow)?;
        accelerator::disprove_kvm(&request.memory);
        eprintln!("run: nothing booted with KVM in time; using TCG");
        let accelerator = Accelerator::Tcg;
        return Session::start(
            &Machine {
                accelerator,
                ..machine
            },
            tools,
            Stdio::inherit(),
        );
    }
    Session::start(&machine, tools, Stdio::inherit())
}

/// The bundle first, so that the guest finds it where it is told to look; the secrets last, for they
/// are found by their label.
fn attached(request: &RunRequest, files: &MachineFiles) -> Result<Vec<PathBuf>, RunError> {
    let bundle = request.upgrade.as_ref();
    let bundle = bundle.map(|bundle| bundle::as_file(bundle, files.scratch()));
    let bundle = bundle.transpose()?;
    let secrets = secret::medium(&request.secrets, files.scratch())?;
    let attached = bundle.into_iter().chain(request.attached.clone());
    Ok(attached.chain(secrets).collect())
}

fn machine(
    request: &RunRequest,
    files: &MachineFiles,
    (attached, tools): (Vec<PathBuf>, &Tools),
    accelerator: Accelerator,
) -> Machine {
    Machine {
        disk: files.disk.clone(),
        attached,
        record: request.record.clone(),
        variables: files.variables.clone(),
        firmware: tools.root().join(FIRMWARE),
        control: files.control.clone(),
        memory_mib: request.memory_mib,
        cpus: request.cpus,
        forwards: request.forwards.clone(),
        network: UserNetwork::Dhcp,
        link: None,
        accelerator,
    }
}

/// A running QEMU and its console.
#[derive(Debug)]
struct Session {
    child: Child,
    messages: Receiver<Message>,
    replies: Sender<Message>,
    offer: Option<Offer>,
    /// A message that was taken while KVM proved itself and still has to be followed.
    early: Option<Message>,
}

impl Session {
    fn start(machine: &Machine, tools: &Tools, errors: Stdio) -> Result<Self, RunError> {
        let program = tools
            .command("qemu-system-x86_64")
            .map_err(RunError::Start)?;
        // A group of its own: a Ctrl-C on the terminal reaches us, and we power the guest off.
        let configure = |command: &mut Command| {
            command
                .stdout(Stdio::piped())
                .stderr(errors)
                .process_group(0);
        };
        let tool = program.args(qemu::arguments(machine));
        let mut child = tool.spawn(configure).map_err(RunError::Start)?;
        let serial = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe.into());
        let listening = serial.and_then(console::listen);
        let (replies, messages) = listening.map_err(RunError::Follow)?;
        Ok(Self {
            child,
            messages,
            replies,
            offer: None,
            early: None,
        })
    }

    /// Shows lines until the first event of the guest, which is kept to be followed.
    ///
    /// False when none comes in time, or QEMU ends.
    fn proves_itself(&mut self, transcript: &mut Transcript) -> bool {
        let deadline = Instant::now() + accelerator::PROOF;
        loop {
            match receive(&self.messages, Some(deadline)) {
                Ok(Message::Line(text)) if Event::parse(&text).is_none() => {
                    transcript.line(&text);
                }
                Ok(Message::Closed) | Err(_) => return false,
                Ok(event_or_interrupt) => {
                    self.early = Some(event_or_interrupt);
                    return true;
                }
            }
        }
    }

    /// Reads the console until something decides.
    fn follow(
        &mut self,
        request: &RunRequest,
        control: &Path,
        transcript: &mut Transcript,
    ) -> Outcome {
        let judged = request.until == Until::Verdict;
        let deadline = judged.then(|| Instant::now() + request.timeout);
        let mut judge = Judge::new(request.upgrade.is_some());
        loop {
            let next = match self.next(deadline) {
                Ok(Message::Line(text)) => self.take(transcript.line(&text), &mut judge),
                Ok(Message::Reply(reply)) => self.take_reply(reply),
                Ok(Message::Interrupted) => return Outcome::Interrupted,
                Ok(Message::Closed) | Err(RecvTimeoutError::Disconnected) if judged => {
                    return Outcome::NoVerdict;
                }
                Ok(Message::Closed) | Err(RecvTimeoutError::Disconnected) => return Outcome::Ended,
                Err(RecvTimeoutError::Timeout) => return Outcome::TimedOut,
            };
            let next = match next {
                Next::Offer => self.offer_upgrade(control),
                other => other,
            };
            match next {
                Next::End(outcome) if judged => return outcome,
                _ => {}
            }
        }
    }

    fn next(&mut self, deadline: Option<Instant>) -> Result<Message, RecvTimeoutError> {
        let early = self.early.take().map(Ok);
        early.unwrap_or_else(|| receive(&self.messages, deadline))
    }

    fn offer_upgrade(&mut self, control: &Path) -> Next {
        match Offer::make(control, self.replies.clone()) {
            Ok(offer) => {
                self.offer = Some(offer);
                Next::Follow
            }
            Err(error) => {
                let reason = format!("the control port takes no request: {error}");
                Next::End(Outcome::Refused(reason))
            }
        }
    }

    fn take(&mut self, event: Option<Event>, judge: &mut Judge) -> Next {
        let Some(event) = event else {
            return Next::Follow;
        };
        if reboots(&event) {
            // Whatever the machine still owes, it does not pay after this.
            self.offer = None;
        }
        judge.take(&event)
    }

    fn take_reply(&mut self, reply: Reply) -> Next {
        self.offer = None;
        match reply {
            Reply::Refused { reason } => Next::End(Outcome::Refused(reason)),
            _ => Next::Follow,
        }
    }

    /// QEMU closed the console, so it is about to end by itself: with 0 when its guest powered off.
    fn ended(mut self, outcome: Outcome) -> Result<Outcome, RunError> {
        let status = self.child.wait().map_err(RunError::Follow)?;
        match status.success() {
            true => Ok(outcome),
            false => Err(RunError::Qemu(status)),
        }
    }

    /// Powers the guest off, so that what it wrote is whole; a second Ctrl-C, a guest that reboots
    /// or a deaf one ends QEMU.
    fn end(mut self, control: &Path, transcript: &mut Transcript) -> io::Result<()> {
        self.offer = None;
        let asked = self.child.try_wait()?.is_none() && request::power_off(control).is_ok();
        let deadline = Instant::now() + if asked { POWER_OFF } else { Duration::ZERO };
        loop {
            let text = match receive(&self.messages, Some(deadline)) {
                Ok(Message::Line(text)) => text,
                Ok(Message::Reply(_)) => continue,
                Ok(Message::Closed | Message::Interrupted) | Err(_) => break,
            };
            if transcript.line(&text).is_some_and(|event| reboots(&event)) {
                break;
            }
        }
        self.kill()
    }

    /// Ends QEMU if it has not ended.
    fn kill(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_none() {
            self.child.kill()?;
            self.child.wait()?;
        }
        Ok(())
    }
}

fn reboots(event: &Event) -> bool {
    event.name == name::SHUTDOWN && event.field("how") == Some("reboot")
}

fn receive(
    messages: &Receiver<Message>,
    deadline: Option<Instant>,
) -> Result<Message, RecvTimeoutError> {
    match deadline {
        None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(at) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
    }
}
