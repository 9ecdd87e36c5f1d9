//! One machine from start to end.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use bedplate_contract::{
    control::{Reply, Request},
    event::{Event, name},
};

use super::{
    Outcome, RunError, RunRequest, Until, accelerator,
    accelerator::Choice,
    console,
    console::Message,
    machine::{self, MachineFiles},
    qemu::{self, Accelerator, Machine},
    story::{self, Verdict},
    transcript::Transcript,
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
    let log = request.serial_log.as_deref();
    let mut transcript = Transcript::open(request.show, log).map_err(RunError::Follow)?;
    let mut session = begin(request, &files, tools, &mut transcript)?;
    let outcome = session.follow(request, &mut transcript);
    session
        .end(&files.control, &mut transcript)
        .map_err(RunError::Follow)?;
    Ok(outcome)
}

/// Starts the machine; under [`Choice::Auto`] KVM must prove itself or gives way to TCG.
fn begin(
    request: &RunRequest,
    files: &MachineFiles,
    tools: &Tools,
    transcript: &mut Transcript,
) -> Result<Session, RunError> {
    let first = request.accelerator.first(&request.memory);
    let machine = machine(request, files, tools, first);
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

fn machine(
    request: &RunRequest,
    files: &MachineFiles,
    tools: &Tools,
    accelerator: Accelerator,
) -> Machine {
    Machine {
        disk: files.disk.clone(),
        variables: files.variables.clone(),
        firmware: tools.root().join(FIRMWARE),
        control: files.control.clone(),
        memory_mib: request.memory_mib,
        cpus: request.cpus,
        forwards: request.forwards.clone(),
        accelerator,
    }
}

/// A running QEMU and its console.
#[derive(Debug)]
struct Session {
    child: Child,
    messages: Receiver<Message>,
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
        let messages = serial.and_then(console::listen).map_err(RunError::Follow)?;
        Ok(Self {
            child,
            messages,
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
    fn follow(&mut self, request: &RunRequest, transcript: &mut Transcript) -> Outcome {
        let judged = request.until == Until::Verdict;
        let deadline = judged.then(|| Instant::now() + request.timeout);
        loop {
            let early = self.early.take().map(Ok);
            match early.unwrap_or_else(|| receive(&self.messages, deadline)) {
                Ok(Message::Line(text)) => {
                    let verdict = transcript.line(&text).as_ref().and_then(story::verdict);
                    match verdict.filter(|_| judged) {
                        Some(Verdict::Healthy) => return Outcome::Healthy,
                        Some(Verdict::Unhealthy(reason)) => return Outcome::Unhealthy(reason),
                        None => {}
                    }
                }
                Ok(Message::Interrupted) => return Outcome::Interrupted,
                Ok(Message::Closed) | Err(RecvTimeoutError::Disconnected) => {
                    return if judged {
                        Outcome::NoVerdict
                    } else {
                        Outcome::Ended
                    };
                }
                Err(RecvTimeoutError::Timeout) => return Outcome::TimedOut,
            }
        }
    }

    /// Powers the guest off, so that what it wrote is whole; a second Ctrl-C, a guest that reboots
    /// or a deaf one ends QEMU.
    fn end(mut self, control: &Path, transcript: &mut Transcript) -> io::Result<()> {
        let asked = self.child.try_wait()?.is_none() && ask_power_off(control).is_ok();
        let deadline = Instant::now() + if asked { POWER_OFF } else { Duration::ZERO };
        while let Ok(Message::Line(text)) = receive(&self.messages, Some(deadline)) {
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

fn ask_power_off(control: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(control)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = serde_json::to_string(&Request::Poweroff)?;
    writeln!(stream, "{request}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match serde_json::from_str(&answer)? {
        Reply::Done => Ok(()),
        other => Err(io::Error::other(format!(
            "expected `done`, found {other:?}"
        ))),
    }
}
