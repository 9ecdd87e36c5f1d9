//! When a boot is good, and what follows when it is not (DESIGN 6).

use bedplate_contract::{control::BootState, event::name, meta::Outcome, service::Kind};

use super::{
    Action, Entry, Fallback, How, State, Subject, TransitionError, Turn, Verdict,
    rollback::Asked,
    service::{Phase, Unit},
    status,
};

/// Milliseconds after which a failed blessing is tried again; doubled with each failure.
///
/// Long enough for an ESP that is checked or full to be seen to, short against the next reboot.
const BLESS_AGAIN_MS: u64 = 30_000;
/// The longest time between two: an hour.
const BLESS_AGAIN_MOST_MS: u64 = 3_600_000;

/// A version that passed its gate, and whose entry could not be renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unblessed {
    error: String,
    /// Until the next try.
    wait_ms: u64,
    /// When it is; `None` while one is under way.
    again: Option<u64>,
}

impl Unblessed {
    /// When it next needs a tick.
    pub const fn deadline(&self) -> Option<u64> {
        self.again
    }
}

/// Where the gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Some essential service is not ready.
    Pending,
    /// All essential services are ready since this time.
    Stable(u64),
    /// They stayed so; never left again.
    Passed,
    /// They did not; never left again.
    Failed,
}

/// Why the gate fails.
struct Failure {
    reason: String,
    /// Services at fault.
    services: Vec<String>,
}

impl State {
    /// When the gate next needs a tick.
    pub(super) fn gate_deadline(&self) -> Option<u64> {
        if self.boot != BootState::Gating {
            return None;
        }
        match self.gate {
            Gate::Pending => Some(self.gate_end()),
            Gate::Stable(since) => Some(self.gate_end().min(self.stable_at(since))),
            Gate::Passed | Gate::Failed => None,
        }
    }

    fn gate_end(&self) -> u64 {
        self.born.saturating_add(self.appliance.gate.deadline_ms)
    }

    fn stable_at(&self, since: u64) -> u64 {
        since.saturating_add(self.appliance.gate.stable_for_ms)
    }

    /// Asks the gate, while it is open.
    pub(super) fn step_gate(&mut self, turn: &mut Turn) {
        if self.boot != BootState::Gating || matches!(self.gate, Gate::Passed | Gate::Failed) {
            return;
        }
        let good = self.all_essential_good() && !self.network_holds();
        self.gate = match (good, self.gate) {
            (true, Gate::Stable(since)) => Gate::Stable(since),
            (true, _) => Gate::Stable(turn.now),
            (false, _) => Gate::Pending,
        };
        let stable_at = match self.gate {
            Gate::Stable(since) => Some(self.stable_at(since)),
            _ => None,
        };
        if let Some(failure) = self.fault() {
            self.fail_gate(failure, turn);
        } else if stable_at.is_some_and(|at| at <= turn.now && at <= self.gate_end()) {
            self.pass_gate(turn);
        } else if self.gate_end() <= turn.now {
            self.fail_gate(self.overdue(), turn);
        }
    }

    fn all_essential_good(&self) -> bool {
        let mut essential = self.units.iter().filter(|unit| unit.spec.essential);
        essential.all(|unit| unit.is_good() && unit.holds())
    }

    /// What makes it pointless to wait for the deadline.
    fn fault(&self) -> Option<Failure> {
        if let Some(fault) = self.facts.faults.first() {
            return Some(Failure {
                reason: fault.clone(),
                services: Vec::new(),
            });
        }
        let lost = self.given_up()?;
        let name = &lost.spec.name;
        let because = lost.because.as_deref().unwrap_or("it was stopped");
        Some(Failure {
            reason: format!("service `{name}` failed: {because}"),
            services: vec![name.clone()],
        })
    }

    /// The first essential service that is given up, or the one for whose sake it is.
    pub(super) fn given_up(&self) -> Option<&Unit> {
        let mut essential = self.units.iter().filter(|unit| unit.spec.essential);
        let unit = essential.find(|unit| self.is_given_up(unit))?;
        Some(self.given_up_requirement(unit).unwrap_or(unit))
    }

    /// Whether a version on trial has yet to get the address that its gate asks for. One that had it
    /// before is not at fault when a switch comes up late.
    fn network_holds(&self) -> bool {
        self.facts.entry == Entry::Trial && !self.facts.proven && !self.has_network()
    }

    /// Whether the machine has the address that its gate asks for.
    pub(super) fn has_network(&self) -> bool {
        let wanted = self.appliance.gate.network && self.facts.entry != Entry::Container;
        !wanted || self.facts.addressed
    }

    fn overdue(&self) -> Failure {
        let essential = self.units.iter().filter(|unit| unit.spec.essential);
        let late: Vec<&Unit> = essential
            .filter(|unit| !unit.is_good() || !unit.holds())
            .collect();
        let services: Vec<_> = late.iter().map(|unit| unit.spec.name.clone()).collect();
        let seconds = self.appliance.gate.deadline_ms as f64 / 1000.0;
        let what = match services.as_slice() {
            [] if self.network_holds() => "the machine has no address".to_owned(),
            [] => "the services did not stay ready long enough".to_owned(),
            names => format!("not ready: {}", names.join(", ")),
        };
        let why = late.iter().find_map(|unit| own_reason(unit));
        let why = why.map(|why| format!("; {why}")).unwrap_or_default();
        Failure {
            reason: format!("{what} within {seconds} s{why}"),
            services,
        }
    }

    fn pass_gate(&mut self, turn: &mut Turn) {
        self.gate = Gate::Passed;
        let ms = turn.now.saturating_sub(self.born);
        turn.emit(turn.line(name::GATE_PASSED).with("ms", ms));
        match self.facts.entry {
            Entry::Trial => turn.act(Action::Bless),
            Entry::Blessed | Entry::Container => self.become_healthy(turn),
        }
    }

    /// The rename on the ESP alone decides; the record is a diary. Power that is cut between the two
    /// leaves a blessed entry and a `Pending` boot: the next boot passes its gate and notes it, and
    /// one boot in a row is far from [`crate::course::CHECK_FROM`].
    fn become_healthy(&mut self, turn: &mut Turn) {
        self.boot = BootState::Healthy;
        turn.act(Action::Report(self.verdict(Outcome::Blessed, None)));
        let line = turn.line(name::HEALTHY);
        let line = line.with("version", &self.appliance.version);
        turn.emit(line.with("ms", turn.now));
    }

    /// Takes the news of the blessing; one that failed is tried again.
    pub(super) fn blessed(
        &mut self,
        outcome: Result<String, String>,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        if self.gate != Gate::Passed || self.facts.entry != Entry::Trial {
            return Err(TransitionError {
                what: "unasked blessing".to_owned(),
                state: status::boot_word(self.boot),
            });
        }
        match outcome {
            Ok(entry) => {
                self.facts.entry = Entry::Blessed;
                self.unblessed = None;
                turn.emit(turn.line(name::BLESSED).with("entry", entry));
                if self.boot == BootState::Gating {
                    self.become_healthy(turn);
                }
            }
            Err(error) => self.not_blessed(error, turn),
        }
        Ok(())
    }

    /// The record's blessing counts where the loader's entry cannot be renamed: the machine is healthy,
    /// and says that the loader goes on counting.
    fn not_blessed(&mut self, error: String, turn: &mut Turn) {
        let line = turn.line(name::PHASE_FAILED).with("phase", "bless");
        turn.emit(line.with("error", &error));
        let before = self.unblessed.as_ref().map(|before| before.wait_ms);
        let wait_ms = before.map_or(BLESS_AGAIN_MS, |ms| ms.saturating_mul(2));
        let wait_ms = wait_ms.min(BLESS_AGAIN_MOST_MS);
        self.unblessed = Some(Unblessed {
            error,
            wait_ms,
            again: Some(turn.now.saturating_add(wait_ms)),
        });
        if self.boot == BootState::Gating {
            self.become_healthy(turn);
        }
    }

    /// What an operator must know of an entry that is not blessed although its version is.
    pub fn warning(&self) -> Option<String> {
        let error = &self.unblessed.as_ref()?.error;
        Some(format!(
            "the loader's entry could not be renamed, so that the loader may go on counting its tries, \
             though the boot record has it as blessed: {error}"
        ))
    }

    /// A machine that goes down renames nothing any more.
    pub(super) fn stop_blessing(&mut self) {
        self.unblessed = None;
    }

    /// Tries a failed blessing again when its time has come.
    pub(super) fn bless_late(&mut self, turn: &mut Turn) {
        if let Some(unblessed) = &mut self.unblessed
            && unblessed.again.is_some_and(|at| at <= turn.now)
        {
            unblessed.again = None;
            turn.act(Action::Bless);
        }
    }

    /// Leaves if there is somewhere to go; what that is worth is looked at first.
    fn fail_gate(&mut self, failure: Failure, turn: &mut Turn) {
        self.gate = Gate::Failed;
        let line = turn.line(name::GATE_FAILED).with("reason", &failure.reason);
        turn.emit(line.with("services", failure.services.join(",")));
        match (self.facts.entry, self.facts.fallback) {
            (Entry::Container, _) => self.go_down(How::Exit(1), turn),
            (Entry::Trial, _) if self.facts.proven => self.degrade(&failure.reason, turn),
            (Entry::Trial, Fallback::Trial | Fallback::Blessed) => {
                self.check_other(Asked::Gate(failure.reason), turn);
            }
            (Entry::Trial, Fallback::Absent) => {
                self.degrade(&failure.reason, turn);
                turn.act(Action::MarkBad);
            }
            // The loader would choose the same entry again: a reboot could only loop.
            (Entry::Blessed, _) => self.degrade(&failure.reason, turn),
        }
    }

    /// Stays, with what is healthy; a version on trial is quarantined.
    pub(super) fn degrade(&mut self, reason: &str, turn: &mut Turn) {
        self.boot = BootState::Degraded;
        self.degraded = Some(reason.to_owned());
        self.condemn(Outcome::Degraded, reason, turn);
        turn.emit(turn.line(name::DEGRADED).with("reason", reason));
    }

    pub(super) fn condemn(&mut self, outcome: Outcome, reason: &str, turn: &mut Turn) {
        let verdict = self.verdict(outcome, Some(reason));
        self.report_quarantined(verdict, reason, turn);
    }

    /// Keeps a report, and tells of the quarantine if it brings one.
    pub(super) fn report_quarantined(&self, verdict: Verdict, reason: &str, turn: &mut Turn) {
        let quarantine = verdict.quarantine;
        turn.act(Action::Report(verdict));
        if let Some(root) = self.facts.root.filter(|_| quarantine) {
            let line = turn.line(name::QUARANTINED);
            let line = line.with("version", &self.appliance.version);
            turn.emit(line.with("roothash", root.hex()).with("reason", reason));
        }
    }

    /// Notes that the version in the other slot spent its tries without a word.
    ///
    /// Power cut before the record is written: the next boot notes it again.
    pub(super) fn note_crash(&mut self, turn: &mut Turn) {
        let Some(other) = self.facts.other.clone() else {
            return;
        };
        let Some(tries) = other.crashed() else { return };
        let what = "panic, hang, reset or power cut before the gate";
        let reason = format!("{what}, {tries} times");
        let line = turn.line(name::QUARANTINED);
        let line = line.with("version", &other.entry.version);
        let line = line.with("roothash", other.root.hex());
        turn.act(Action::Report(Verdict {
            subject: Subject::Other(other),
            outcome: Outcome::Crashed,
            reason: Some(reason.clone()),
            services: Vec::new(),
            quarantine: true,
        }));
        turn.emit(line.with("reason", reason));
    }

    /// Notes that the boot ends before the gate has decided; that says nothing against the version.
    pub(super) fn note_stop(&mut self, turn: &mut Turn) {
        let open = self.boot == BootState::Gating && self.gate != Gate::Failed;
        if open && self.facts.entry != Entry::Container {
            let reason = "the machine was shut down before the gate had decided";
            turn.act(Action::Report(self.verdict(Outcome::Stopped, Some(reason))));
        }
    }

    /// The verdict on this boot; a version on trial that fails is quarantined, a blessed one never.
    pub(super) fn verdict(&self, outcome: Outcome, reason: Option<&str>) -> Verdict {
        let units = self.units.iter();
        let counts =
            |unit: &&Unit| unit.phase != Phase::Stopped && unit.spec.kind != Kind::Scheduled;
        let bad = units.filter(|unit| !unit.is_good() || unit.has_failed_check());
        let bad = bad.filter(counts);
        let failed = matches!(outcome, Outcome::GateFailed | Outcome::Degraded);
        Verdict {
            subject: Subject::Own,
            outcome,
            reason: reason.map(str::to_owned),
            services: bad.map(Unit::status).collect(),
            quarantine: failed && self.facts.entry == Entry::Trial && !self.facts.proven,
        }
    }
}

/// Why a service is not ready, unless it only waits for another.
fn own_reason(unit: &Unit) -> Option<String> {
    let because = match unit.is_good() {
        true => unit.open_check()?,
        false => unit.because.clone()?,
    };
    let name = &unit.spec.name;
    (unit.phase != Phase::Waiting).then(|| format!("{name}: {because}"))
}
