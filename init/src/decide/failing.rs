//! A machine that passed its gate and no longer does what it promised.
//!
//! It says so for as long as it is so, and does what `on_failure` of its gate asks for, at most once in
//! a boot: a machine that has done it and is failing again stays for a person to look at.

use bedplate_contract::{appliance::OnFailure, control::BootState, event::name, meta::Outcome};

use super::{Action, Entry, Fallback, How, State, Turn, rollback::Asked, service::Phase};

/// Milliseconds since the start after which a failure is no part of a row of restarts.
pub const ROW_MS: u64 = 3_600_000;

/// What the machine lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// In words.
    reason: String,
    /// The service, if it is one.
    service: Option<String>,
    /// Whether it is a failure: what an operator stopped is none, and a cable comes back.
    failure: bool,
}

impl State {
    /// Compares what is there with what the gate asked for, whatever has happened.
    pub(super) fn step_health(&mut self, turn: &mut Turn) {
        if !matches!(self.boot, BootState::Healthy | BootState::Failing) {
            return;
        }
        let found = self.find_shortfall();
        if found == self.shortfall {
            return;
        }
        self.shortfall.clone_from(&found);
        match found {
            Some(shortfall) => self.fall_short(shortfall, turn),
            None => self.recover(turn),
        }
    }

    /// Why the boot is not healthy, when it is degraded or failing.
    pub fn reason(&self) -> Option<&str> {
        let shortfall = self.shortfall.as_ref();
        shortfall.map_or(self.degraded.as_deref(), |found| Some(&found.reason))
    }

    fn find_shortfall(&self) -> Option<Shortfall> {
        if let Some(unit) = self.given_up() {
            let name = unit.spec.name.clone();
            let failure = unit.phase == Phase::Failed;
            let reason = match &unit.because {
                Some(because) if failure => format!("service `{name}` failed: {because}"),
                _ => format!("service `{name}` was stopped"),
            };
            let service = Some(name);
            return Some(Shortfall {
                reason,
                service,
                failure,
            });
        }
        (!self.has_network()).then(|| Shortfall {
            reason: "the machine has no address".to_owned(),
            service: None,
            failure: false,
        })
    }

    fn fall_short(&mut self, shortfall: Shortfall, turn: &mut Turn) {
        self.boot = BootState::Failing;
        let line = turn.line(name::FAILING).with("reason", &shortfall.reason);
        turn.emit(line.with("services", shortfall.service.unwrap_or_default()));
        if shortfall.failure && !self.has_failed {
            self.has_failed = true;
            self.follow_failure(&shortfall.reason, turn);
        }
    }

    fn recover(&mut self, turn: &mut Turn) {
        self.boot = BootState::Healthy;
        turn.emit(turn.line(name::RECOVERED));
    }

    /// The report comes first: what follows is counted by it. Power cut before it: the restart is
    /// not counted, which costs one more.
    fn follow_failure(&mut self, reason: &str, turn: &mut Turn) {
        let verdict = self.verdict(Outcome::Failing, Some(reason));
        turn.act(Action::Report(verdict));
        match self.appliance.gate.on_failure {
            OnFailure::Restart { attempts } if self.restarts(turn.now) < attempts => {
                let how = match self.facts.entry {
                    Entry::Container => How::Exit(1),
                    Entry::Trial | Entry::Blessed => How::Reboot,
                };
                self.go_down(how, turn);
            }
            OnFailure::Rollback if self.facts.fallback == Fallback::Blessed => {
                self.check_other(Asked::Failure(reason.to_owned()), turn);
            }
            OnFailure::Stay | OnFailure::Restart { .. } | OnFailure::Rollback => {}
        }
    }

    /// Restarts for a failure in a row before this one.
    fn restarts(&self, now: u64) -> u32 {
        let healthy_ms = now.saturating_sub(self.born);
        if healthy_ms < ROW_MS {
            self.facts.restarts
        } else {
            0
        }
    }
}
