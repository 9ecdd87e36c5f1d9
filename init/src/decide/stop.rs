//! How a service is asked to end: endpoint, then signal, then the kill of all it made.

use super::{
    Action, TransitionError, Turn,
    service::{Phase, Unit},
};

/// Milliseconds after `SIGKILL` in which a process must be gone.
///
/// Only a process that the kernel holds (state `D`) takes longer; nothing can be done about it, so
/// it is given up and what waits for it goes on.
const KILL_MS: u64 = 10_000;

/// A service that is asked to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stopping {
    /// What was done last.
    pub stage: Stage,
    /// When the next stage begins.
    pub deadline: u64,
    /// What follows its end.
    pub then: Then,
}

/// The last thing that was done to end a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its endpoint was asked.
    Endpoint,
    /// It got its signal.
    Signal,
    /// Everything it made was killed.
    Kill,
}

/// What follows the end of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    Stay,
    /// A start with a full budget.
    StartAfresh,
    /// What the restart policy says of this failure.
    Policy(String),
}

impl Unit {
    /// Asks the service to end, by its endpoint if it has one.
    pub(super) fn stop(&mut self, then: Then, turn: &mut Turn) {
        if self.spec.stop.http.is_none() {
            return self.stop_by_signal(then, turn);
        }
        turn.act(Action::CancelProbes { service: self.id });
        turn.act(Action::PostStop {
            service: self.id,
            run: self.starts,
        });
        self.enter(
            Stage::Endpoint,
            then,
            turn.now.saturating_add(self.spec.stop.timeout_ms),
        );
    }

    /// Asks the service to end by its signal at once.
    pub(super) fn stop_by_signal(&mut self, then: Then, turn: &mut Turn) {
        turn.act(Action::CancelProbes { service: self.id });
        turn.act(Action::Signal {
            service: self.id,
            signal: self.spec.stop.signal,
        });
        self.enter(
            Stage::Signal,
            then,
            turn.now.saturating_add(self.spec.stop.timeout_ms),
        );
    }

    fn enter(&mut self, stage: Stage, then: Then, deadline: u64) {
        self.phase = Phase::Stopping(Stopping {
            stage,
            deadline,
            then,
        });
    }

    /// Goes on to the next stage.
    pub(super) fn press_stop(&mut self, turn: &mut Turn) {
        let Phase::Stopping(stopping) = self.phase.clone() else {
            return;
        };
        match stopping.stage {
            Stage::Endpoint => self.stop_by_signal(stopping.then, turn),
            Stage::Signal => {
                turn.act(Action::Kill { service: self.id });
                self.enter(Stage::Kill, stopping.then, turn.now.saturating_add(KILL_MS));
            }
            Stage::Kill => self.give_up(turn),
        }
    }

    /// Takes the answer of the stop endpoint; one that failed is not waited for.
    pub(super) fn stop_posted(
        &mut self,
        run: u32,
        outcome: Result<(), String>,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let asked = matches!(&self.phase, Phase::Stopping(s) if s.stage == Stage::Endpoint);
        if !asked || run != self.starts {
            return Err(self.refuse("stale answer of the stop endpoint"));
        }
        if outcome.is_err() {
            self.press_stop(turn);
        }
        Ok(())
    }

    /// Leaves a process behind that `SIGKILL` does not end.
    fn give_up(&mut self, turn: &mut Turn) {
        self.run = None;
        self.fail("it cannot be killed".to_owned(), turn);
        // Whatever its kind: a second process must not meet the first.
        self.phase = Phase::Failed;
    }
}
