//! Leaving the running version for the other one.

use bedplate_contract::{
    control::{BootState, Reply},
    event::name,
    meta::Outcome,
};

use super::{
    Action, Entry, Fallback, How, Soundness, State, TransitionError, Turn, down::refuse, status,
};

/// Milliseconds in which the other slot is read whole: some GiB from a slow disk.
const CHECK_MS: u64 = 600_000;

/// Why the entry's tries are being taken away; the machine leaves once they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leaving {
    /// The gate failed for this reason.
    Failed(String),
    /// The gate passed, and then a service gave up for this reason.
    Failing(String),
    /// An operator wants the other version.
    Rollback {
        /// Who waits for the answer.
        client: u64,
    },
}

/// Who wants to leave for the other slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// The gate, which failed for this reason.
    Gate(String),
    /// What the definition asks for when a service gives up, as it did for this reason.
    Failure(String),
    /// An operator, who waits for the answer.
    Client(u64),
}

/// A check of the other slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Check {
    failed: Option<String>,
    failing: Option<String>,
    client: Option<u64>,
    until: u64,
}

impl Check {
    /// When it is given up.
    pub const fn deadline(&self) -> u64 {
        self.until
    }
}

impl State {
    /// Begins to leave for the other blessed version, or says why not.
    ///
    /// The other slot is read whole first, while everything goes on: a roll back to a rotten one would
    /// leave a machine that serves for one that does not boot. Then the tries are taken, for they alone
    /// make the loader choose the other entry. Power cut before: nothing has happened. After: the other
    /// version runs, without a report of why.
    pub(super) fn roll_back(&mut self, client: u64, turn: &mut Turn) {
        if let Some(reason) = self.cannot_roll_back() {
            let reply = refuse(reason);
            return turn.act(Action::Reply { client, reply });
        }
        self.check_other(Asked::Client(client), turn);
    }

    /// Whether nothing is started any more, for what follows depends on the other slot or on the ESP.
    pub(super) fn is_leaving(&self) -> bool {
        let failed = |check: &Check| check.failed.is_some();
        self.leaving.is_some() || self.check.as_ref().is_some_and(failed)
    }

    /// Has the other slot read, unless it is being read already.
    pub(super) fn check_other(&mut self, asked: Asked, turn: &mut Turn) {
        let check = self.check.get_or_insert_with(|| {
            turn.act(Action::CheckOther);
            Check {
                until: turn.now.saturating_add(CHECK_MS),
                ..Check::default()
            }
        });
        match asked {
            Asked::Gate(reason) => check.failed = Some(reason),
            Asked::Failure(reason) => check.failing = Some(reason),
            Asked::Client(client) => check.client = Some(client),
        }
    }

    /// Gives up a check whose time is over: a disk that does not answer.
    pub(super) fn press_check(&mut self, turn: &mut Turn) {
        let late = |check: &mut Check| check.until <= turn.now;
        if let Some(check) = self.check.take_if(late) {
            turn.act(Action::KillCheck);
            let seconds = CHECK_MS / 1000;
            let late = format!("it was not read within {seconds} s");
            self.checked(check, Soundness::Unknown(late), turn);
        }
    }

    /// Takes the news of the other slot.
    pub(super) fn other_checked(
        &mut self,
        soundness: Soundness,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let check = self.check.take().ok_or_else(|| TransitionError {
            what: "unasked check of the other slot".to_owned(),
            state: status::boot_word(self.boot),
        })?;
        self.checked(check, soundness, turn);
        Ok(())
    }

    fn checked(&mut self, check: Check, soundness: Soundness, turn: &mut Turn) {
        if let Soundness::Rotten(_) = soundness {
            turn.act(Action::MarkOtherBad);
            self.facts.fallback = Fallback::Absent;
        }
        match (check.failed, check.client) {
            (Some(reason), client) => {
                let left = self.checked_after_gate(reason, &soundness, turn);
                let reply = match left {
                    true => Reply::Done,
                    false => refuse("the machine stays: the other slot is corrupt or gone"),
                };
                if let Some(client) = client {
                    turn.act(Action::Reply { client, reply });
                }
            }
            (None, Some(client)) => self.checked_for(client, &soundness, turn),
            (None, None) => {}
        }
        if let Some(reason) = check.failing.filter(|_| !self.is_leaving()) {
            self.checked_after_failure(reason, &soundness, turn);
        }
    }

    /// A failing machine serves something: it leaves for a version that is sound for sure, or stays.
    fn checked_after_failure(&mut self, reason: String, soundness: &Soundness, turn: &mut Turn) {
        let obstacle = match (self.cannot_roll_back(), soundness) {
            (Some(obstacle), _) => obstacle,
            (None, Soundness::Rotten(why) | Soundness::Unknown(why)) => why,
            (None, Soundness::Sound) => {
                self.leaving = Some(Leaving::Failing(reason));
                return turn.act(Action::MarkBad);
            }
        };
        let line = turn.line(name::PHASE_FAILED).with("phase", "roll-back");
        turn.emit(line.with("error", obstacle));
    }

    /// An operator's roll back needs a slot that is sound for sure: nothing drives them.
    fn checked_for(&mut self, client: u64, soundness: &Soundness, turn: &mut Turn) {
        let refusal = match (self.cannot_roll_back(), soundness) {
            (_, Soundness::Rotten(reason)) => format!("the other slot is corrupt: {reason}"),
            (Some(reason), _) => reason.to_owned(),
            (None, Soundness::Unknown(reason)) => {
                format!("the other slot could not be verified: {reason}")
            }
            (None, Soundness::Sound) => {
                self.leaving = Some(Leaving::Rollback { client });
                return turn.act(Action::MarkBad);
            }
        };
        let reply = refuse(&refusal);
        turn.act(Action::Reply { client, reply });
    }

    /// Whether the failed version is left. It stays only where the other slot is known to be rotten, or
    /// gone meanwhile. One that could not be read is left for: that may be the failed version's own
    /// doing, and stage 1 looks again.
    ///
    /// The report is written first. Power cut before it: the boot counts as one without a verdict.
    /// After it: the version is quarantined, and the loader spends its tries or the next boot of it
    /// fails again. After the tries are taken: the loader takes the other entry.
    fn checked_after_gate(
        &mut self,
        reason: String,
        soundness: &Soundness,
        turn: &mut Turn,
    ) -> bool {
        if self.down.is_some() {
            // Somebody ended the machine meanwhile: nothing is left to be chosen.
            self.condemn(Outcome::GateFailed, &reason, turn);
            return true;
        }
        match (self.facts.fallback, soundness) {
            // Its entry keeps its tries, for the other one's are gone: the loader comes back here.
            (_, Soundness::Rotten(rot)) => {
                self.degrade(&format!("{reason}; the other slot is corrupt: {rot}"), turn);
                false
            }
            (Fallback::Absent, _) => {
                self.degrade(&reason, turn);
                turn.act(Action::MarkBad);
                false
            }
            (Fallback::Trial | Fallback::Blessed, _) => {
                self.condemn(Outcome::GateFailed, &reason, turn);
                self.leaving = Some(Leaving::Failed(reason));
                turn.act(Action::MarkBad);
                true
            }
        }
    }

    /// Takes the news of the other entry: told, and that is all, for the slot is none that is left for.
    pub(super) fn other_marked_bad(&self, outcome: Result<String, String>, turn: &mut Turn) {
        turn.emit(match &outcome {
            Ok(entry) => turn.line(name::MARKED_BAD).with("entry", entry),
            Err(error) => turn
                .line(name::PHASE_FAILED)
                .with("phase", "mark-other-bad")
                .with("error", error),
        });
    }

    fn cannot_roll_back(&self) -> Option<&'static str> {
        match (self.boot, self.facts.fallback) {
            _ if self.facts.entry == Entry::Container => Some("a container has one version only"),
            (BootState::Starting, _) => Some("the services are not started yet"),
            (BootState::Stopping, _) => Some("the machine goes down"),
            _ if self.is_leaving() => Some("the machine goes down"),
            _ if self.upgrade.is_some() => Some("an upgrade is running; cancel it or wait"),
            _ if self.check.is_some() => Some("the other slot is being verified"),
            (_, Fallback::Blessed) => None,
            (_, Fallback::Trial | Fallback::Absent) => {
                Some("there is no other version that has passed its gate")
            }
        }
    }

    /// Takes the news of the tries that were taken away.
    pub(super) fn marked_bad(&mut self, outcome: Result<String, String>, turn: &mut Turn) {
        turn.emit(match &outcome {
            Ok(entry) => turn.line(name::MARKED_BAD).with("entry", entry),
            Err(error) => turn
                .line(name::PHASE_FAILED)
                .with("phase", "mark-bad")
                .with("error", error),
        });
        match self.leaving.take() {
            None => {}
            Some(Leaving::Failed(reason)) => self.leave_failed(&reason, outcome, turn),
            Some(Leaving::Failing(reason)) => self.leave_failing(&reason, &outcome, turn),
            Some(Leaving::Rollback { client }) => self.leave_asked(client, outcome, turn),
        }
    }

    /// An entry that keeps its tries is left only to a loader that is seen to count them: any other
    /// would start it again, for ever.
    fn leave_failed(&mut self, reason: &str, outcome: Result<String, String>, turn: &mut Turn) {
        if outcome.is_ok() || self.facts.counted {
            self.go_down(How::Reboot, turn);
        } else {
            self.degrade(reason, turn);
        }
    }

    /// The version is not taken again: it passed its gate, and would pass it again. Power cut before the
    /// report: the other version runs, and nothing is held against this one.
    fn leave_failing(&mut self, reason: &str, outcome: &Result<String, String>, turn: &mut Turn) {
        if outcome.is_ok() {
            let mut verdict = self.verdict(Outcome::RolledBack, Some(reason));
            verdict.quarantine = true;
            self.report_quarantined(verdict, reason, turn);
            self.go_down(How::Reboot, turn);
        }
    }

    fn leave_asked(&mut self, client: u64, outcome: Result<String, String>, turn: &mut Turn) {
        let reply = match outcome {
            Err(error) => refuse(&format!("the running version keeps its entry: {error}")),
            Ok(_) => {
                let reason = "an operator went back to the other version";
                let verdict = self.verdict(Outcome::RolledBack, Some(reason));
                turn.act(Action::Report(verdict));
                Reply::Done
            }
        };
        let leaves = reply == Reply::Done;
        turn.act(Action::Reply { client, reply });
        if leaves {
            self.go_down(How::Reboot, turn);
        }
    }
}
