//! What a service waits for, and why.

use std::fmt;

use bedplate_contract::{
    event::name,
    service::{Condition, Kind},
};

use super::{
    State, Turn,
    service::{Phase, Unit},
};

/// What holds a service back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocker {
    /// A service, a secret or a condition.
    on: String,
    /// What that is doing, or why it does not hold.
    why: Why,
}

/// Why something is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// It is in this state.
    Is(String),
    /// This went wrong.
    Failed(String),
}

impl Why {
    fn text(&self) -> &str {
        match self {
            Self::Is(text) | Self::Failed(text) => text,
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it_is = match self.why {
            Why::Is(_) => "it is ",
            Why::Failed(_) => "",
        };
        write!(
            f,
            "waiting for {} because {it_is}{}",
            self.on,
            self.why.text()
        )
    }
}

impl State {
    /// Starts what may start; tells of what may not, once per change.
    pub(super) fn step_waiting(&mut self, turn: &mut Turn) {
        for at in 0..self.units.len() {
            if self.units[at].phase != Phase::Waiting {
                continue;
            }
            let blocker = self.blocker(&self.units[at]);
            let unit = &mut self.units[at];
            match blocker {
                Some(blocker) => {
                    // What held may not hold any more once the service may start.
                    unit.forget_conditions(turn);
                    unit.hold(blocker, turn);
                }
                None if unit.conditions_hold(turn) => unit.start(turn),
                None => {}
            }
        }
    }

    pub(super) fn blocker(&self, unit: &Unit) -> Option<Blocker> {
        self.held(unit)
            .or_else(|| self.missing_secret(unit))
            .or_else(|| self.not_ready(unit))
            .or_else(|| self.not_started(unit))
    }

    fn missing_secret(&self, unit: &Unit) -> Option<Blocker> {
        let mut needed = unit.spec.needed_secrets();
        let name = needed.find(|name| self.facts.missing_secrets.contains(*name))?;
        Some(Blocker {
            on: format!("secret {name}"),
            why: Why::Is("not provisioned".to_owned()),
        })
    }

    fn not_ready(&self, unit: &Unit) -> Option<Blocker> {
        let mut required = unit.spec.requires.iter();
        required.find_map(|name| {
            let other = self.named(name);
            let good = other.is_some_and(Unit::is_good);
            (!good).then(|| Blocker::new(name, other))
        })
    }

    fn not_started(&self, unit: &Unit) -> Option<Blocker> {
        let mut earlier = unit.spec.after.iter().filter_map(|name| self.named(name));
        earlier
            .find(|other| !other.has_been_started() && !self.is_given_up(other))
            .map(|other| Blocker::new(&other.spec.name, Some(other)))
    }

    /// Whether nothing but an operator can make the service ready.
    pub(super) fn is_given_up(&self, unit: &Unit) -> bool {
        match unit.phase {
            Phase::Failed | Phase::Stopped => true,
            // The graph has no cycle, so this ends.
            Phase::Waiting => self.given_up_requirement(unit).is_some(),
            _ => false,
        }
    }

    /// The first required service that is given up.
    pub(super) fn given_up_requirement<'a>(&'a self, unit: &'a Unit) -> Option<&'a Unit> {
        let mut required = unit
            .spec
            .requires
            .iter()
            .filter_map(|name| self.named(name));
        required.find(|other| self.is_given_up(other))
    }

    fn named(&self, name: &str) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.spec.name == name)
    }
}

impl Blocker {
    pub(super) fn new(name: &str, unit: Option<&Unit>) -> Self {
        Self {
            on: name.to_owned(),
            why: Why::Is(unit.map_or("unknown", Unit::word).to_owned()),
        }
    }

    /// A condition that does not hold.
    pub(super) fn condition(condition: &Condition, why: String) -> Self {
        Self {
            on: condition.to_string(),
            why: Why::Failed(why),
        }
    }
}

impl Unit {
    /// What is scheduled may not start for a week, and holds nobody back.
    fn has_been_started(&self) -> bool {
        self.starts > 0 || self.spec.kind == Kind::Scheduled
    }

    /// Notes what holds the service back; tells it when it is something else than before.
    pub(super) fn hold(&mut self, blocker: Blocker, turn: &mut Turn) {
        if self.blocker.as_ref() == Some(&blocker) {
            return;
        }
        let line = turn.line(name::SERVICE_WAITING);
        let line = line.with("name", &self.spec.name).with("for", &blocker.on);
        turn.emit(line.with("because", blocker.why.text()));
        self.because = Some(blocker.to_string());
        self.blocker = Some(blocker);
    }
}
