//! The end: everything is stopped in the reverse of its order, then the machine goes.

use bedplate_contract::{
    control::{BootState, Reply},
    event::name,
};

use super::{
    Action, How, State, Turn,
    service::{Phase, Unit},
    stop::Then,
};

/// A machine that goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Down {
    /// Services are being stopped.
    Stopping(How),
    /// The last action was given.
    Ended,
}

impl State {
    /// Begins the end; a second request changes nothing.
    pub(super) fn go_down(&mut self, how: How, turn: &mut Turn) {
        if self.down.is_some() {
            return;
        }
        self.boot = BootState::Stopping;
        self.down = Some(Down::Stopping(how));
        turn.ending = true;
        self.stop_blessing();
        self.clock.stop();
        self.hurry_upgrade(turn);
        turn.emit(turn.line(name::SHUTDOWN).with("how", how));
        for unit in &mut self.units {
            if matches!(unit.phase, Phase::Waiting | Phase::Backoff(_)) {
                unit.retire(turn);
            }
        }
    }

    /// Stops what nothing alive depends on; ends when nothing is alive.
    pub(super) fn step_down(&mut self, turn: &mut Turn) {
        let Some(Down::Stopping(how)) = self.down else {
            return;
        };
        if !self.units.iter().any(Unit::is_alive) && self.upgrade.is_none() {
            self.down = Some(Down::Ended);
            return turn.act(Action::End(how));
        }
        for at in 0..self.units.len() {
            if self.may_stop(&self.units[at]) {
                self.units[at].stop(Then::Stay, turn);
            }
        }
    }

    fn may_stop(&self, unit: &Unit) -> bool {
        let asked = matches!(unit.phase, Phase::Stopping(_));
        unit.run.is_some() && !asked && !self.has_live_dependant(&unit.spec.name)
    }

    fn has_live_dependant(&self, name: &str) -> bool {
        self.units.iter().any(|unit| {
            let mut earlier = unit.spec.requires.iter().chain(&unit.spec.after);
            unit.is_alive() && earlier.any(|other| other == name)
        })
    }
}

/// The answer to what is not done.
pub(super) fn refuse(reason: &str) -> Reply {
    Reply::Refused {
        reason: reason.to_owned(),
    }
}
