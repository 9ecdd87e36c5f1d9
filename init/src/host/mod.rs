//! The effects that PID 1 can have, and the one place where decisions become effects.
//!
//! [`drive`] hands an event to the core ([`crate::decide`]), performs the actions in their order on
//! a [`Host`] and feeds back what they answer. [`Linux`] is the real host; tests have their own.

mod config;
mod linux;
mod process;
mod root;
mod view;

use std::collections::VecDeque;

use bedplate_contract::{control::Reply, event};

use crate::decide::{
    Action, Event, How, Order, ProbeKind, ServiceId, Soundness, State, Verdict, decide,
};

pub use linux::Linux;

/// Event of something that could not have happened: `error`.
pub const IGNORED: &str = "event.ignored";

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// What ran.
    pub service: ServiceId,
    /// Whether it did what it was to do.
    pub good: bool,
    /// How it ended, in words.
    pub result: String,
}

/// What PID 1 does to the world. Nothing here may block without a deadline.
pub trait Host {
    /// Milliseconds since the kernel started.
    fn now(&self) -> u64;
    /// What the wall clock shows, in milliseconds since the start of 1970.
    fn wall_ms(&self) -> u64;
    /// Makes the process of a service, with more arguments than its own; returns its id.
    ///
    /// # Errors
    /// The step that failed, in words.
    fn start(&mut self, service: ServiceId, arguments: &[String]) -> Result<u32, String>;
    /// Sends a signal to the process of a service.
    fn signal(&mut self, service: ServiceId, signal: i32);
    /// Kills everything that a service made.
    fn kill(&mut self, service: ServiceId);
    /// Asks a service's stop endpoint; an answer that is known at once is returned.
    fn post_stop(&mut self, service: ServiceId, run: u32) -> Option<Event>;
    /// Begins a check; an outcome that is known at once is returned.
    fn probe(&mut self, service: ServiceId, run: u32, probe: ProbeKind) -> Option<Event>;
    /// Asks for a condition of a service; an answer that is known at once is returned.
    fn await_condition(&mut self, service: ServiceId, run: u32, condition: usize) -> Option<Event>;
    /// Ends the checks of a service without an answer.
    fn cancel_probes(&mut self, service: ServiceId);
    /// Tells an event on the console.
    fn emit(&mut self, line: &event::Event);
    /// Drops the counter of the running entry; returns the entry's new name.
    ///
    /// # Errors
    /// Why it kept it, in words.
    fn bless(&mut self) -> Result<String, String>;
    /// Takes the tries of the running entry away; returns the entry's new name.
    ///
    /// # Errors
    /// Why it kept them, in words.
    fn mark_bad(&mut self) -> Result<String, String>;
    /// Begins to read the other slot against its hash tree; an outcome that is known at once is returned.
    fn check_other(&mut self) -> Option<Soundness>;
    /// Kills the check of the other slot; it has no outcome any more.
    fn kill_check(&mut self);
    /// Takes the tries of the other entry away; returns the entry's new name.
    ///
    /// # Errors
    /// Why it kept them, in words.
    fn mark_other_bad(&mut self) -> Result<String, String>;
    /// Keeps a report, then notes the outcome in the record.
    fn report(&mut self, verdict: &Verdict);
    /// Runs an upgrade.
    ///
    /// # Errors
    /// The step that failed, in words.
    fn upgrade(&mut self, order: &Order) -> Result<(), String>;
    /// Kills the upgrade that runs.
    fn kill_upgrade(&mut self);
    /// Answers a client whose run has ended, with the last lines of its output.
    fn ran(&mut self, client: u64, ran: &Ran);
    /// Answers a client.
    fn reply(&mut self, client: u64, reply: &Reply);
    /// Leaves the event loop for good.
    fn end(&mut self, how: How);
}

/// Takes `event` and everything that follows from it at once.
pub fn drive(state: &mut State, host: &mut impl Host, event: Event) {
    let mut events = VecDeque::from([event]);
    while let Some(event) = events.pop_front() {
        let now = host.now();
        match decide(state, now, event) {
            Ok(actions) => events.extend(actions.into_iter().filter_map(|a| perform(host, a))),
            Err(error) => host.emit(&event::Event::new(now, IGNORED).with("error", error)),
        }
    }
}

fn perform(host: &mut impl Host, action: Action) -> Option<Event> {
    match action {
        Action::Start {
            service, arguments, ..
        } => {
            return Some(match host.start(service, &arguments) {
                Ok(pid) => Event::Started { service, pid },
                Err(reason) => Event::StartFailed { service, reason },
            });
        }
        Action::Probe {
            service,
            run,
            probe,
        } => return host.probe(service, run, probe),
        Action::Await {
            service,
            run,
            condition,
        } => return host.await_condition(service, run, condition),
        Action::PostStop { service, run } => return host.post_stop(service, run),
        Action::Bless => return Some(Event::Blessed(host.bless())),
        Action::MarkBad => return Some(Event::MarkedBad(host.mark_bad())),
        Action::CheckOther => return host.check_other().map(Event::OtherChecked),
        Action::KillCheck => host.kill_check(),
        Action::MarkOtherBad => return Some(Event::OtherMarkedBad(host.mark_other_bad())),
        Action::Signal { service, signal } => host.signal(service, signal),
        Action::Kill { service } => host.kill(service),
        Action::CancelProbes { service } => host.cancel_probes(service),
        Action::Emit(line) => host.emit(&line),
        Action::Report(verdict) => host.report(&verdict),
        Action::Upgrade(order) => {
            let started = host.upgrade(&order);
            return started.err().map(|why| Event::UpgradeEnded(Err(why)));
        }
        Action::KillUpgrade => host.kill_upgrade(),
        Action::ReadClock => return Some(Event::Clock(host.wall_ms())),
        Action::Ran {
            service,
            client,
            good,
            result,
        } => {
            let ran = Ran {
                service,
                good,
                result,
            };
            host.ran(client, &ran);
        }
        Action::Reply { client, reply } => host.reply(client, &reply),
        Action::End(how) => host.end(how),
    }
    None
}
