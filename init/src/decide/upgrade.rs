//! The upgrade that an operator asks for: `bedplatectl` in a process of its own, one at a time.

use bedplate_contract::{
    control::{BootState, Reply},
    event::name,
};

use super::{Action, Entry, Order, State, TransitionError, Turn, down::refuse, status};

/// Milliseconds that an upgrade has to end by itself once the machine goes down: the one that asked
/// for the reboot only has to hear the answer.
const END_MS: u64 = 2000;

/// Milliseconds in which a killed one must be gone; past them it is left to the kernel.
const KILL_MS: u64 = 10_000;

/// An upgrade that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upgrade {
    /// Who waits for its end.
    client: u64,
    end: End,
}

/// How an upgrade is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It takes its time.
    Open,
    /// It is killed at this time.
    Until(u64),
    /// It was killed and is given up at this time.
    Killed(u64),
}

impl Upgrade {
    /// When it next needs a tick.
    pub fn deadline(&self) -> Option<u64> {
        match self.end {
            End::Open => None,
            End::Until(at) | End::Killed(at) => Some(at),
        }
    }
}

impl State {
    /// Runs an upgrade, or says why not.
    pub(super) fn begin_upgrade(&mut self, order: Order, client: u64, turn: &mut Turn) {
        if let Some(reason) = self.cannot_upgrade() {
            let reply = refuse(reason);
            return turn.act(Action::Reply { client, reply });
        }
        let end = End::Open;
        self.upgrade = Some(Upgrade { client, end });
        turn.act(Action::Upgrade(order));
    }

    fn cannot_upgrade(&self) -> Option<&'static str> {
        match self.boot {
            _ if self.facts.entry == Entry::Container => {
                Some("a container is upgraded by whoever runs it")
            }
            BootState::Starting => Some("the services are not started yet"),
            BootState::Stopping => Some("the machine goes down"),
            _ if self.is_leaving() => Some("the machine goes down"),
            _ if self.upgrade.is_some() => Some("an upgrade is running"),
            _ if self.check.is_some() => Some("the other slot is being verified"),
            BootState::Gating | BootState::Healthy | BootState::Failing | BootState::Degraded => {
                None
            }
        }
    }

    /// Takes the end of the upgrade and answers whoever asked for it.
    pub(super) fn upgrade_ended(
        &mut self,
        outcome: Result<(), String>,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let upgrade = self.upgrade.take().ok_or_else(|| TransitionError {
            what: "end of an upgrade".to_owned(),
            state: status::boot_word(self.boot),
        })?;
        self.answer_upgrade(&upgrade, outcome, turn);
        Ok(())
    }

    fn answer_upgrade(&self, upgrade: &Upgrade, outcome: Result<(), String>, turn: &mut Turn) {
        let line = turn.line(name::UPGRADE_ENDED);
        let (line, reply) = match outcome {
            Ok(()) => (line.with("outcome", "done"), Reply::Done),
            Err(reason) => (
                line.with("outcome", "refused").with("reason", &reason),
                refuse(&reason),
            ),
        };
        turn.emit(line);
        turn.act(Action::Reply {
            client: upgrade.client,
            reply,
        });
    }

    /// Gives the upgrade a last moment, for the machine goes down.
    pub(super) fn hurry_upgrade(&mut self, turn: &Turn) {
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.end = End::Until(turn.now.saturating_add(END_MS));
        }
    }

    /// Kills the upgrade whose moment is over. What it wrote is no entry yet, or a whole one: it may
    /// be cut short anywhere, as by a power cut.
    pub(super) fn press_upgrade(&mut self, turn: &mut Turn) {
        let Some(upgrade) = &mut self.upgrade else {
            return;
        };
        match upgrade.end {
            End::Until(at) if at <= turn.now => {
                upgrade.end = End::Killed(turn.now.saturating_add(KILL_MS));
                turn.act(Action::KillUpgrade);
            }
            End::Killed(at) if at <= turn.now => {
                if let Some(upgrade) = self.upgrade.take() {
                    self.answer_upgrade(&upgrade, Err("it cannot be killed".to_owned()), turn);
                }
            }
            End::Open | End::Until(_) | End::Killed(_) => {}
        }
    }
}
