//! The life of one service: start, exit, restart.

use bedplate_contract::{
    event::name,
    service::{Kind, RestartWhen, Service},
};

use super::{
    Action, Exit, ServiceId, TransitionError, Turn,
    backoff::{Backoff, Exhaustion},
    probe::Probes,
    stop::{Stopping, Then},
    waiting::Blocker,
};

/// One service as the core sees it.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub id: ServiceId,
    pub spec: Service,
    pub phase: Phase,
    /// The process, until it is reaped.
    pub run: Option<Run>,
    /// Processes asked for since boot; the number of the last run.
    pub starts: u32,
    backoff: Backoff,
    /// Why it is not ready.
    pub because: Option<String>,
    /// What it waits for, as last told.
    pub blocker: Option<Blocker>,
}

/// Where a service stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Something must happen before it may start.
    Waiting,
    /// Its process is made, or runs and is not ready yet.
    Starting,
    /// It runs and is ready.
    Ready,
    /// It was ready, runs, and is not any more.
    Unready,
    /// It ended and is started again at this time.
    Backoff(u64),
    /// A oneshot that ended well.
    Done,
    /// It ended and is not started again.
    Failed,
    /// It is asked to end.
    Stopping(Stopping),
    /// It was stopped and stays so.
    Stopped,
}

/// A process that has not been reaped.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub pid: u32,
    /// When it was started.
    pub since: u64,
    pub probes: Probes,
}

impl Unit {
    pub fn new(id: ServiceId, spec: Service) -> Self {
        Self {
            id,
            spec,
            phase: Phase::Waiting,
            run: None,
            starts: 0,
            backoff: Backoff::default(),
            because: None,
            blocker: None,
        }
    }

    /// Whether dependants may start and the gate counts it.
    pub const fn is_good(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Done)
    }

    /// Whether a process runs or is being made.
    pub fn is_alive(&self) -> bool {
        self.run.is_some() || self.phase == Phase::Starting
    }

    /// When the unit next needs a tick.
    pub fn deadline(&self) -> Option<u64> {
        match &self.phase {
            Phase::Backoff(until) => Some(*until),
            Phase::Stopping(stopping) => Some(stopping.deadline),
            _ => self.run.as_ref().and_then(|run| run.probes.deadline()),
        }
    }

    /// Does whatever is due.
    pub fn tick(&mut self, turn: &mut Turn) {
        match &self.phase {
            // It may have to wait again: what it requires may have ended meanwhile.
            Phase::Backoff(until) if *until <= turn.now => self.phase = Phase::Waiting,
            Phase::Stopping(stopping) if stopping.deadline <= turn.now => self.press_stop(turn),
            _ => self.begin_checks(turn),
        }
    }

    /// Asks for a process.
    pub fn start(&mut self, turn: &mut Turn) {
        self.phase = Phase::Starting;
        self.starts = self.starts.saturating_add(1);
        self.because = None;
        self.blocker = None;
        turn.act(Action::Start {
            service: self.id,
            run: self.starts,
        });
    }

    /// Takes the news that the process runs.
    pub fn started(&mut self, pid: u32, turn: &mut Turn) -> Result<(), TransitionError> {
        self.expect_no_process("started")?;
        let probes = Probes::begin(&self.spec, turn.now);
        let since = turn.now;
        self.run = Some(Run { pid, since, probes });
        let line = turn.line(name::SERVICE_STARTED);
        turn.emit(line.with("name", &self.spec.name).with("pid", pid));
        let probed = self.spec.startup.is_some() || self.spec.ready.is_some();
        if self.spec.kind == Kind::Daemon && !probed {
            self.become_ready(turn);
        }
        Ok(())
    }

    /// Takes the news that no process could be made.
    pub fn start_failed(&mut self, reason: &str, turn: &mut Turn) -> Result<(), TransitionError> {
        self.expect_no_process("start failed")?;
        let reason = format!("it cannot be started: {reason}");
        self.again_or_fail(&Ending::failure(reason, 0), turn);
        Ok(())
    }

    /// Takes the end of the process; whatever else it made is killed.
    pub fn exited(&mut self, exit: Exit, turn: &mut Turn) -> Result<(), TransitionError> {
        let run = self.run.take().ok_or_else(|| self.refuse("exit"))?;
        turn.act(Action::CancelProbes { service: self.id });
        turn.act(Action::Kill { service: self.id });
        let line = turn.line(name::SERVICE_EXITED);
        turn.emit(line.with("name", &self.spec.name).with("status", exit));
        let ran = turn.now.saturating_sub(run.since);
        match &self.phase {
            Phase::Stopping(stopping) => {
                let then = stopping.then.clone();
                self.stopped(then, ran, turn);
            }
            _ if self.spec.kind == Kind::Oneshot && exit.is_clean() => self.phase = Phase::Done,
            _ => self.again_or_fail(&Ending::of(exit, ran), turn),
        }
        Ok(())
    }

    /// What follows once a process that was asked to end has ended.
    fn stopped(&mut self, then: Then, ran: u64, turn: &mut Turn) {
        match then {
            _ if turn.ending => self.phase = Phase::Stopped,
            Then::Stay => self.phase = Phase::Stopped,
            Then::StartAfresh => self.renew(),
            Then::Policy(reason) => self.again_or_fail(&Ending::failure(reason, ran), turn),
        }
    }

    /// Waits to be started with a full budget.
    pub fn renew(&mut self) {
        self.phase = Phase::Waiting;
        self.backoff = Backoff::default();
    }

    fn again_or_fail(&mut self, ending: &Ending, turn: &mut Turn) {
        self.because = Some(ending.reason.clone());
        if turn.ending {
            self.phase = Phase::Stopped;
        } else if !self.is_restarted_after(ending) {
            self.fail(format!("{}; it is not restarted", ending.reason), turn);
        } else if let Some(delay) = self
            .backoff
            .delay(&self.spec.restart, self.exhaustion(ending, turn))
        {
            self.phase = Phase::Backoff(turn.now.saturating_add(delay));
        } else {
            let spent = format!("; {} restarts did not help", self.spec.restart.budget);
            self.fail(format!("{}{spent}", ending.reason), turn);
        }
    }

    const fn is_restarted_after(&self, ending: &Ending) -> bool {
        match self.spec.restart.when {
            RestartWhen::Always => true,
            RestartWhen::OnFailure => !ending.clean,
            RestartWhen::Never => false,
        }
    }

    fn exhaustion(&self, ending: &Ending, turn: &Turn) -> Exhaustion {
        let own = ((self.id.0 as u64) << 32) | u64::from(self.starts);
        Exhaustion {
            now: turn.now,
            ran: ending.ran,
            dice: turn.seed ^ own,
        }
    }

    /// Gives the service up.
    pub fn fail(&mut self, reason: String, turn: &mut Turn) {
        let line = turn.line(name::SERVICE_FAILED);
        turn.emit(line.with("name", &self.spec.name).with("reason", &reason));
        self.because = Some(reason);
        self.phase = Phase::Failed;
    }

    fn expect_no_process(&self, what: &str) -> Result<(), TransitionError> {
        let expected = self.phase == Phase::Starting && self.run.is_none();
        expected.then_some(()).ok_or_else(|| self.refuse(what))
    }

    /// The error for an event that cannot happen now.
    pub fn refuse(&self, what: &str) -> TransitionError {
        TransitionError {
            what: format!("{what} of service `{}`", self.spec.name),
            state: self.word(),
        }
    }
}

/// How a run ended, for the restart policy.
struct Ending {
    /// Why, in words.
    reason: String,
    /// Whether it returned 0 unasked.
    clean: bool,
    /// Milliseconds that the process ran.
    ran: u64,
}

impl Ending {
    fn of(exit: Exit, ran: u64) -> Self {
        Self {
            reason: format!("it ended with {exit}"),
            clean: exit.is_clean(),
            ran,
        }
    }

    const fn failure(reason: String, ran: u64) -> Self {
        Self {
            reason,
            clean: false,
            ran,
        }
    }
}
