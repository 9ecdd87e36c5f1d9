//! A world in which every action is noted and answered as told.

use std::rc::Rc;

use bedplate_contract::{Digest, control::Reply, service::Service};

use crate::decide::{
    Action, Checked, Entry, Event, Exit, Facts, Fallback, ProbeKind, ServiceId, Soundness, State,
    TransitionError, decide, fixture,
};

/// The core with a clock; processes are made as asked, blessing works.
pub(super) struct World {
    pub state: State,
    pub now: u64,
    /// What the wall clock shows, in milliseconds; it goes on with `now`.
    pub wall: u64,
    /// Why the ESP cannot be written, if it cannot.
    pub esp: Result<(), String>,
    /// What a look at the other slot says at once, if it does.
    pub other: Option<Soundness>,
    /// All actions since the last [`World::take`].
    pub actions: Vec<Action>,
    next_pid: u32,
}

impl World {
    pub fn new(services: Vec<Service>) -> Self {
        let appliance = Rc::new(fixture::appliance(services));
        Self {
            state: State::new(appliance, 0, 1),
            now: 0,
            wall: 0,
            esp: Ok(()),
            other: Some(Soundness::Sound),
            actions: Vec::new(),
            next_pid: 100,
        }
    }

    /// A world in which the services of a machine on trial were begun.
    pub fn begun(services: Vec<Service>, fallback: Fallback) -> Self {
        let mut world = Self::new(services);
        world.begin(fallback);
        world
    }

    /// Begins the services of a machine on trial.
    pub fn begin(&mut self, fallback: Fallback) {
        self.send(Event::Begin(Facts {
            entry: Entry::Trial,
            root: Some(Digest::of(b"own")),
            fallback,
            ..Facts::default()
        }));
    }

    pub fn try_send(&mut self, event: Event) -> Result<(), TransitionError> {
        let actions = decide(&mut self.state, self.now, event)?;
        for action in actions {
            self.actions.push(action.clone());
            if let Some(answer) = self.answer(&action) {
                self.try_send(answer)?;
            }
        }
        Ok(())
    }

    pub fn send(&mut self, event: Event) {
        self.try_send(event).unwrap();
    }

    fn answer(&mut self, action: &Action) -> Option<Event> {
        match action {
            Action::Start { service, .. } => {
                self.next_pid += 1;
                Some(Event::Started {
                    service: *service,
                    pid: self.next_pid,
                })
            }
            Action::ReadClock => Some(Event::Clock(self.wall)),
            Action::Bless => Some(Event::Blessed(self.rename("test_1.efi"))),
            Action::CheckOther => self.other.clone().map(Event::OtherChecked),
            Action::MarkOtherBad => Some(Event::OtherMarkedBad(self.rename("test_0+0.efi"))),
            Action::MarkBad => Some(Event::MarkedBad(self.rename("test_1+0-1.efi"))),
            _ => None,
        }
    }

    fn rename(&self, name: &str) -> Result<String, String> {
        self.esp.clone().map(|()| name.to_owned())
    }

    /// Lets time pass, with a tick whenever the core asked for one.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(due) = self.state.next_deadline().filter(|due| *due <= end) {
            self.go_to(self.now.max(due));
            self.send(Event::Tick);
        }
        self.go_to(end);
    }

    fn go_to(&mut self, now: u64) {
        self.wall += now - self.now;
        self.now = now;
    }

    pub fn exit(&mut self, service: usize, status: i32) {
        self.send(Event::Exited {
            service: ServiceId(service),
            exit: Exit::Status(status),
        });
    }

    /// Answers a check of run `run`.
    pub fn check(&mut self, service: usize, of: (u32, ProbeKind), good: bool) {
        self.try_check(service, of, good).unwrap();
    }

    pub fn try_check(
        &mut self,
        service: usize,
        (run, probe): (u32, ProbeKind),
        good: bool,
    ) -> Result<(), TransitionError> {
        let outcome = if good { Ok(()) } else { Err("no".to_owned()) };
        self.try_send(Event::Probed {
            service: ServiceId(service),
            run,
            check: Checked { probe, outcome },
        })
    }

    pub fn state_of(&self, service: usize) -> String {
        self.state.services()[service].state.clone()
    }

    /// The actions so far in short words, which are then forgotten; looks at the clock are no news.
    pub fn take(&mut self) -> Vec<String> {
        let told = |action: &Action| *action != Action::ReadClock;
        let actions = self.actions.drain(..).filter(told);
        actions.map(|action| word(&action)).collect()
    }
}

fn word(action: &Action) -> String {
    match action {
        Action::Start {
            service,
            run,
            arguments,
        } => {
            let words = format!("start {} {run} {}", service.0, arguments.join(" "));
            words.trim_end().to_owned()
        }
        Action::Signal { service, signal } => format!("signal {} {signal}", service.0),
        Action::Kill { service } => format!("kill {}", service.0),
        Action::PostStop { service, .. } => format!("post {}", service.0),
        Action::Probe { service, probe, .. } => format!("{} {}", probe.word(), service.0),
        Action::Await {
            service, condition, ..
        } => format!("await {} {condition}", service.0),
        Action::CancelProbes { service } => format!("cancel {}", service.0),
        Action::Emit(line) => format!("!{}", line.name),
        Action::Bless => "bless".to_owned(),
        Action::MarkBad => "mark bad".to_owned(),
        Action::CheckOther => "check other".to_owned(),
        Action::KillCheck => "kill check".to_owned(),
        Action::MarkOtherBad => "mark other bad".to_owned(),
        Action::Report(verdict) => {
            let quarantine = if verdict.quarantine {
                " quarantine"
            } else {
                ""
            };
            format!("report {}{quarantine}", verdict.outcome.word())
        }
        Action::Upgrade(order) => format!("upgrade {:?}", order.step),
        Action::KillUpgrade => "kill upgrade".to_owned(),
        Action::ReadClock => String::new(),
        Action::Ran {
            client,
            good,
            result,
            ..
        } => format!("ran {client} {good} {result}"),
        Action::Reply { client, reply } => match reply {
            Reply::Done => format!("done {client}"),
            Reply::Refused { reason } => format!("refused {client} {reason}"),
            other => format!("{other:?}"),
        },
        Action::End(how) => format!("end {how}"),
    }
}
