//! Leaving the running version for the other one.

use bedplate_contract::{
    control::{BootState, Reply},
    event::name,
    meta::Outcome,
};

use super::{Action, Entry, Fallback, How, State, Turn, down::refuse};

/// Why the entry's tries are being taken away; the machine leaves once they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leaving {
    /// The gate failed for this reason.
    Failed(String),
    /// An operator wants the other version.
    Rollback {
        /// Who waits for the answer.
        client: u64,
    },
}

impl State {
    /// Begins to leave for the other blessed version, or says why not.
    ///
    /// The tries are taken first, for they alone make the loader choose the other entry. Power cut
    /// before: nothing has happened. After: the other version runs, without a report of why.
    pub(super) fn roll_back(&mut self, client: u64, turn: &mut Turn) {
        if let Some(reason) = self.cannot_roll_back() {
            let reply = refuse(reason);
            return turn.act(Action::Reply { client, reply });
        }
        self.leaving = Some(Leaving::Rollback { client });
        turn.act(Action::MarkBad);
    }

    fn cannot_roll_back(&self) -> Option<&'static str> {
        match (self.boot, self.facts.fallback) {
            _ if self.facts.entry == Entry::Container => Some("a container has one version only"),
            (BootState::Starting, _) => Some("the services are not started yet"),
            (BootState::Stopping, _) => Some("the machine goes down"),
            _ if self.leaving.is_some() => Some("the machine goes down"),
            _ if self.upgrade.is_some() => Some("an upgrade is running; cancel it or wait"),
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
