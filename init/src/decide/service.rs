//! The life of one service: start, exit, restart.

use bedplate_contract::{
    control::LastRun,
    event::name,
    service::{Kind, RestartWhen, Service},
};

use super::{
    Action, Exit, ServiceId, TransitionError, Turn,
    backoff::{Backoff, Exhaustion},
    check::Standing,
    condition::Conditions,
    job::Job,
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
    /// What it waits for besides services.
    pub conditions: Conditions,
    /// Why it is not ready.
    pub because: Option<String>,
    /// What it waits for, as last told.
    pub blocker: Option<Blocker>,
    /// When a scheduled one is due, in seconds since the start of 1970.
    pub next: Option<u64>,
    /// How a scheduled one ran last.
    pub last: Option<LastRun>,
    /// Milliseconds that the last process ran.
    pub ran: u64,
    /// What its checks have come to in this run, by their places.
    pub checks: Vec<Standing>,
    /// The run that an operator asked for.
    pub job: Option<Job>,
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
    /// What is scheduled waits for its time, however its last run ended.
    Scheduled,
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
            phase: match spec.kind {
                Kind::Daemon | Kind::Oneshot => Phase::Waiting,
                Kind::Scheduled => Phase::Scheduled,
            },
            spec,
            run: None,
            starts: 0,
            backoff: Backoff::default(),
            conditions: Conditions::default(),
            because: None,
            blocker: None,
            next: None,
            last: None,
            ran: 0,
            checks: Vec::new(),
            job: None,
        }
    }

    /// Whether dependants may start and the gate counts it.
    pub const fn is_good(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Done | Phase::Scheduled)
    }

    /// Whether a process runs or is being made.
    pub fn is_alive(&self) -> bool {
        self.run.is_some() || self.phase == Phase::Starting
    }

    /// When the unit next needs a tick.
    pub fn deadline(&self) -> Option<u64> {
        match &self.phase {
            Phase::Waiting => self.conditions.deadline(),
            Phase::Backoff(until) => Some(*until),
            Phase::Stopping(stopping) => Some(stopping.deadline),
            _ => self.run.as_ref().and_then(|run| run.probes.deadline()),
        }
    }

    /// Does whatever is due.
    pub fn tick(&mut self, turn: &mut Turn) {
        match &self.phase {
            Phase::Waiting => self.ask_again(turn),
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
        self.conditions = Conditions::default();
        self.forget_checks();
        turn.act(Action::Start {
            service: self.id,
            run: self.starts,
            arguments: self
                .job
                .as_ref()
                .map(|job| job.work.arguments.clone())
                .unwrap_or_default(),
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
        self.ran = ran;
        match &self.phase {
            Phase::Stopping(stopping) => {
                let then = stopping.then.clone();
                self.stopped(then, ran, turn);
            }
            _ if self.spec.kind != Kind::Daemon && exit.is_clean() => self.finish(exit, turn),
            _ => self.again_or_fail(&Ending::of(exit, ran), turn),
        }
        Ok(())
    }

    /// A run that was to end has ended well.
    fn finish(&mut self, exit: Exit, turn: &mut Turn) {
        self.phase = match self.spec.kind {
            Kind::Scheduled => Phase::Scheduled,
            Kind::Daemon | Kind::Oneshot => Phase::Done,
        };
        self.conclude_run(true, &exit.to_string(), turn);
    }

    /// It is not started again, unless an operator says so.
    pub fn retire(&mut self, turn: &mut Turn) {
        self.forget_conditions(turn);
        self.phase = Phase::Stopped;
        self.answer(false, cut_short(turn), turn);
    }

    /// Its process was ended before it had done what it was to do.
    fn interrupt(&mut self, turn: &mut Turn) {
        self.phase = Phase::Stopped;
        self.conclude_run(false, cut_short(turn), turn);
    }

    /// What follows once a process that was asked to end has ended.
    fn stopped(&mut self, then: Then, ran: u64, turn: &mut Turn) {
        match then {
            _ if turn.ending => self.interrupt(turn),
            Then::Stay => self.interrupt(turn),
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
            self.interrupt(turn);
        } else if !self.is_restarted_after(ending) {
            self.fail(self.not_restarted(&ending.reason), turn);
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

    /// Nobody expects a scheduled service to be restarted.
    fn not_restarted(&self, reason: &str) -> String {
        match self.spec.kind {
            Kind::Scheduled => reason.to_owned(),
            Kind::Daemon | Kind::Oneshot => format!("{reason}; it is not restarted"),
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

    /// Gives the service up, or this run of what is scheduled.
    pub fn fail(&mut self, reason: String, turn: &mut Turn) {
        let line = turn.line(name::SERVICE_FAILED);
        turn.emit(line.with("name", &self.spec.name).with("reason", &reason));
        self.phase = match self.spec.kind {
            Kind::Daemon | Kind::Oneshot => Phase::Failed,
            Kind::Scheduled => Phase::Scheduled,
        };
        self.conclude_run(false, &reason, turn);
        self.because = Some(reason);
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

/// Why a run ends that did not end by itself.
const fn cut_short(turn: &Turn) -> &'static str {
    if turn.ending {
        "the machine goes down"
    } else {
        "it was stopped"
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
