//! Runs that an operator asks for: one at a time per service, answered when they have ended.
//!
//! A run may need others out of its way: they, and all that require them, are stopped before it
//! begins, in the reverse of their order, and started again after it, whatever it came to.

use bedplate_contract::service::Kind;

use super::{
    Action, ServiceId, State, TransitionError, Turn,
    down::refuse,
    service::{Phase, Unit},
    stop::Then,
    waiting::Blocker,
};

/// What a run is given besides its service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Added to the program's arguments.
    pub arguments: Vec<String>,
    /// Services that do not run meanwhile, nor what requires them.
    pub stops: Vec<String>,
}

/// A run that was asked for and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub client: u64,
    pub work: Work,
}

impl State {
    /// Runs a service now, or says why not.
    pub(super) fn run_now(
        &mut self,
        id: ServiceId,
        (work, client): (Work, u64),
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let unit = self.unit(id)?;
        let own = unit.cannot_run();
        let refused = self.cannot_turn().map(str::to_owned).or(own);
        let unit = &self.units[id.0];
        let refused = refused
            .or_else(|| self.blocker(unit).map(|blocker| blocker.to_string()))
            .or_else(|| self.stops_its_own(unit, &work));
        if let Some(reason) = refused {
            let reply = refuse(&reason);
            turn.act(Action::Reply { client, reply });
            return Ok(());
        }
        let unit = self.unit(id)?;
        unit.job = Some(Job { client, work });
        unit.renew();
        Ok(())
    }

    /// Why a run would wait for ever: it needs what it would stop.
    fn stops_its_own(&self, unit: &Unit, work: &Work) -> Option<String> {
        let mut required = unit.spec.requires.iter();
        let stopped = required.find(|name| self.leads_to(name, &work.stops))?;
        Some(format!("it requires `{stopped}`, which it would stop"))
    }

    /// Whether `name` is one of `stops` or requires one. The graph has no cycle, so this ends.
    fn leads_to(&self, name: &str, stops: &[String]) -> bool {
        let named = |unit: &&Unit| unit.spec.name == name;
        let mut required = self
            .units
            .iter()
            .filter(named)
            .flat_map(|u| &u.spec.requires);
        stops.iter().any(|stop| stop == name) || required.any(|other| self.leads_to(other, stops))
    }

    /// The unit whose run needs `unit` out of the way.
    pub(super) fn holder(&self, unit: &Unit) -> Option<&Unit> {
        self.units.iter().find(|other| {
            let stops = other.job.as_ref().map(|job| &job.work.stops);
            let stops = stops.filter(|stops| !stops.is_empty() && other.id != unit.id);
            stops.is_some_and(|stops| self.leads_to(&unit.spec.name, stops))
        })
    }

    /// What keeps `unit` from starting because of a run: its own, or another's.
    pub(super) fn held(&self, unit: &Unit) -> Option<Blocker> {
        let holder = self.holder(unit);
        let clearing = || {
            let stops = &unit.job.as_ref()?.work.stops;
            let mut others = self.units.iter().filter(|other| other.id != unit.id);
            others.find(|o| o.is_alive() && self.leads_to(&o.spec.name, stops))
        };
        let on = holder.or_else(clearing)?;
        Some(Blocker::new(&on.spec.name, Some(on)))
    }

    /// Stops what a run needs out of the way, dependants first.
    pub(super) fn step_holds(&mut self, turn: &mut Turn) {
        for at in 0..self.units.len() {
            let unit = &self.units[at];
            let runs = unit.run.is_some() && !matches!(unit.phase, Phase::Stopping(_));
            if runs && self.holder(unit).is_some() && !self.has_live_requirer(unit) {
                self.units[at].stop(Then::StartAfresh, turn);
            }
        }
    }

    fn has_live_requirer(&self, unit: &Unit) -> bool {
        let name = &unit.spec.name;
        let mut alive = self.units.iter().filter(|other| other.is_alive());
        alive.any(|other| other.spec.requires.contains(name))
    }
}

impl Unit {
    /// Why it cannot be run now, as far as it is up to it.
    fn cannot_run(&self) -> Option<String> {
        let name = &self.spec.name;
        let reason = match self.phase {
            _ if self.spec.kind == Kind::Daemon => {
                return Some(format!("`{name}` is a daemon: it runs until it is stopped"));
            }
            Phase::Failed if self.spec.kind == Kind::Scheduled => "its process cannot be killed",
            Phase::Stopped if self.spec.kind == Kind::Scheduled => "it is stopped: start it first",
            Phase::Scheduled | Phase::Done | Phase::Failed | Phase::Stopped => return None,
            Phase::Waiting => self.because.as_deref().unwrap_or("it is about to run"),
            Phase::Starting | Phase::Ready | Phase::Unready => "it runs already",
            Phase::Backoff(_) => "it runs already: it failed and is tried again",
            Phase::Stopping(_) => "it is stopping",
        };
        Some(reason.to_owned())
    }

    /// Its run is over: noted, and told to whoever asked for it.
    pub(super) fn conclude_run(&mut self, good: bool, result: &str, turn: &mut Turn) {
        if self.spec.kind == Kind::Scheduled {
            self.note_run(good, result, turn);
        }
        self.answer(good, result, turn);
    }

    /// Tells whoever asked for the run.
    pub(super) fn answer(&mut self, good: bool, result: &str, turn: &mut Turn) {
        if let Some(job) = self.job.take() {
            turn.act(Action::Ran {
                service: self.id,
                client: job.client,
                good,
                result: result.to_owned(),
            });
        }
    }
}
