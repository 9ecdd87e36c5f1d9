//! The pure core of PID 1: what happened goes in, what is to be done comes out.
//!
//! [`decide`] does no I/O, reads no clock and rolls no dice: the same state, time and event give
//! the same actions. Time is in milliseconds since the kernel started. The rules are those of
//! DESIGN 5 and 6 and of the field comments in `contract/service.rs`.

mod action;
mod backoff;
mod check;
mod condition;
mod down;
mod event;
mod failing;
#[cfg(test)]
pub(crate) mod fixture;
mod gate;
mod health;
mod job;
mod operator;
mod probe;
mod rollback;
mod schedule;
mod service;
mod status;
mod stop;
#[cfg(test)]
mod tests;
mod upgrade;
mod waiting;

use std::rc::Rc;

use bedplate_contract::{Appliance, control::BootState, event as line};

pub use action::{Action, Subject, Verdict};
pub use event::{Checked, Entry, Event, Exit, Facts, Fallback, How, Order, Other, Soundness};
pub use failing::ROW_MS;
pub use job::Work;
pub use probe::ProbeKind;

use down::Down;
use failing::Shortfall;
use gate::{Gate, Unblessed};
use rollback::{Check, Leaving};
use schedule::Clock;
use service::Unit;
use upgrade::Upgrade;

/// A service, by its place in the appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub usize);

/// An event that cannot happen in the state; it is logged and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} in state `{state}`")]
pub struct TransitionError {
    /// The event, in words.
    pub what: String,
    /// The state that does not know it.
    pub state: &'static str,
}

/// Everything that PID 1 knows of the appliance.
#[derive(Debug, Clone)]
pub struct State {
    appliance: Rc<Appliance>,
    units: Vec<Unit>,
    boot: BootState,
    gate: Gate,
    facts: Facts,
    down: Option<Down>,
    /// When PID 1 started.
    born: u64,
    /// Where jitter comes from.
    seed: u64,
    /// Why the entry still has its counter, and when blessing is tried again.
    unblessed: Option<Unblessed>,
    /// The check of the other slot that runs.
    check: Option<Check>,
    /// Why the entry's tries are being taken away.
    leaving: Option<Leaving>,
    /// What a boot that was healthy lacks now.
    shortfall: Option<Shortfall>,
    /// Whether an essential service has given up since the gate passed.
    has_failed: bool,
    /// Why the boot is degraded.
    degraded: Option<String>,
    /// The upgrade that runs.
    upgrade: Option<Upgrade>,
    /// The wall clock.
    clock: Clock,
}

/// One step of the core: its time, and the actions so far.
struct Turn {
    now: u64,
    /// What the wall clock shows, when it is known.
    wall_ms: Option<u64>,
    /// Where jitter comes from.
    seed: u64,
    /// Whether the machine goes down, so that nothing is started again.
    ending: bool,
    actions: Vec<Action>,
}

impl Turn {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// An event line of this moment.
    fn line(&self, name: &str) -> line::Event {
        line::Event::new(self.now, name)
    }

    fn emit(&mut self, line: line::Event) {
        self.act(Action::Emit(line));
    }
}

/// Takes one event into the state and says what is to be done, in this order.
///
/// # Errors
/// An event that cannot happen now; the state is as before.
pub fn decide(state: &mut State, now: u64, event: Event) -> Result<Vec<Action>, TransitionError> {
    let mut turn = Turn {
        now,
        wall_ms: state.clock.wall_ms(now),
        seed: state.seed,
        ending: state.down.is_some(),
        actions: Vec::new(),
    };
    state.apply(event, &mut turn)?;
    state.settle(&mut turn);
    Ok(turn.actions)
}

impl State {
    /// The state of an appliance whose PID 1 started at `born`; `seed` decides all jitter.
    pub fn new(appliance: Rc<Appliance>, born: u64, seed: u64) -> Self {
        let services = appliance.services.iter().cloned().enumerate();
        let units = services
            .map(|(at, spec)| Unit::new(ServiceId(at), spec))
            .collect();
        Self {
            appliance,
            units,
            boot: BootState::Starting,
            gate: Gate::Pending,
            facts: Facts::default(),
            down: None,
            born,
            seed,
            unblessed: None,
            check: None,
            leaving: None,
            shortfall: None,
            has_failed: false,
            degraded: None,
            upgrade: None,
            clock: Clock::default(),
        }
    }

    /// Where the boot stands.
    pub const fn boot(&self) -> BootState {
        self.boot
    }

    /// The appliance that is run.
    pub const fn appliance(&self) -> &Rc<Appliance> {
        &self.appliance
    }

    /// The service called `name`.
    pub fn find(&self, name: &str) -> Option<ServiceId> {
        let mut services = self.appliance.services.iter();
        services.position(|s| s.name == name).map(ServiceId)
    }

    /// When [`Event::Tick`] is next needed, if nothing else happens.
    pub fn next_deadline(&self) -> Option<u64> {
        let units = self.units.iter().filter_map(Unit::deadline);
        let gate = self.gate_deadline();
        let upgrade = self.upgrade.as_ref().and_then(Upgrade::deadline);
        let unblessed = self.unblessed.as_ref().and_then(Unblessed::deadline);
        let check = self.check.as_ref().map(Check::deadline);
        let all = units.chain(gate).chain(unblessed).chain(check);
        all.chain(upgrade).chain(self.clock.deadline()).min()
    }

    fn apply(&mut self, event: Event, turn: &mut Turn) -> Result<(), TransitionError> {
        match event {
            Event::Begin(facts) => return self.begin(facts, turn),
            Event::Tick => self.tick(turn),
            Event::Started { service, pid } => self.unit(service)?.started(pid, turn)?,
            Event::StartFailed { service, reason } => {
                self.unit(service)?.start_failed(&reason, turn)?;
            }
            Event::Exited { service, exit } => self.unit(service)?.exited(exit, turn)?,
            Event::Probed {
                service,
                run,
                check,
            } => self.unit(service)?.probed(run, check, turn)?,
            Event::Awaited {
                service,
                run,
                condition,
                outcome,
            } => self
                .unit(service)?
                .awaited((run, condition), outcome, turn)?,
            Event::StopPosted {
                service,
                run,
                outcome,
            } => self.unit(service)?.stop_posted(run, outcome, turn)?,
            Event::Blessed(outcome) => self.blessed(outcome, turn)?,
            Event::MarkedBad(outcome) => self.marked_bad(outcome, turn),
            Event::OtherChecked(soundness) => self.other_checked(soundness, turn)?,
            Event::OtherMarkedBad(outcome) => self.other_marked_bad(outcome, turn),
            Event::Restart { service, client } => self.restart(service, client, turn)?,
            Event::Stop { service, client } => self.stop(service, client, turn)?,
            Event::Start { service, client } => self.start(service, client, turn)?,
            Event::Run {
                service,
                work,
                client,
            } => self.run_now(service, (work, client), turn)?,
            Event::Clock(wall_ms) => self.clock_read(wall_ms, turn),
            Event::Rollback { client } => self.roll_back(client, turn),
            Event::Upgrade { order, client } => self.begin_upgrade(order, client, turn),
            Event::UpgradeEnded(outcome) => self.upgrade_ended(outcome, turn)?,
            Event::Rescanned(fallback) => self.facts.fallback = fallback,
            Event::Addressed(addressed) => self.facts.addressed = addressed,
            Event::Down(how) => {
                self.note_stop(turn);
                self.go_down(how, turn);
            }
        }
        Ok(())
    }

    fn unit(&mut self, id: ServiceId) -> Result<&mut Unit, TransitionError> {
        self.units.get_mut(id.0).ok_or_else(|| TransitionError {
            what: format!("event of service {}", id.0),
            state: "unknown",
        })
    }

    fn begin(&mut self, facts: Facts, turn: &mut Turn) -> Result<(), TransitionError> {
        if self.boot != BootState::Starting {
            return Err(TransitionError {
                what: "second begin".to_owned(),
                state: status::boot_word(self.boot),
            });
        }
        self.facts = facts;
        self.boot = BootState::Gating;
        self.note_crash(turn);
        self.begin_schedules(turn);
        Ok(())
    }

    /// Does what follows from the state alone, whatever event led to it.
    ///
    /// The gate is asked before anything is started, so that a failed one starts nothing.
    fn settle(&mut self, turn: &mut Turn) {
        // What is to come depends on the answer that the host owes.
        if !self.is_leaving() {
            self.step_gate(turn);
            self.step_health(turn);
        }
        match self.boot {
            _ if self.is_leaving() => {}
            BootState::Starting => {}
            BootState::Stopping => self.step_down(turn),
            BootState::Gating | BootState::Healthy | BootState::Failing | BootState::Degraded => {
                self.step_holds(turn);
                self.step_waiting(turn);
            }
        }
    }

    fn tick(&mut self, turn: &mut Turn) {
        for unit in &mut self.units {
            unit.tick(turn);
        }
        self.bless_late(turn);
        self.press_check(turn);
        self.press_upgrade(turn);
        self.look_at_clock(turn);
    }
}
