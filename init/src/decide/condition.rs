//! What a service waits for besides services: one question after another, until each was answered
//! well once.

use bedplate_contract::service::Wait;

use super::{
    Action, TransitionError, Turn,
    service::{Phase, Unit},
    waiting::Blocker,
};

/// The conditions of the start to come, as far as they were asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    /// How many hold, from the first.
    held: usize,
    asked: Asked,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Asked {
    /// Something else holds the service back.
    #[default]
    NotYet,
    /// A question that began at this time is in flight.
    Since(u64),
    /// It did not hold, and is asked again at this time.
    AgainAt(u64),
}

impl Conditions {
    /// When the next question is due.
    pub const fn deadline(&self) -> Option<u64> {
        match self.asked {
            Asked::AgainAt(due) => Some(due),
            Asked::NotYet | Asked::Since(_) => None,
        }
    }
}

impl Unit {
    fn condition(&self) -> Option<&Wait> {
        self.spec.wait.get(self.conditions.held)
    }

    /// Whether all conditions hold; begins to ask for them if none was asked for yet.
    pub(super) fn conditions_hold(&mut self, turn: &mut Turn) -> bool {
        let Some(wait) = self.condition() else {
            return true;
        };
        if self.conditions.asked == Asked::NotYet {
            let on = wait.condition.to_string();
            self.because = Some(format!("waiting for {on}, which is being asked"));
            self.blocker = None;
            self.ask(turn);
        }
        false
    }

    /// Asks again once it is time.
    pub(super) fn ask_again(&mut self, turn: &mut Turn) {
        if self
            .conditions
            .deadline()
            .is_some_and(|due| due <= turn.now)
        {
            self.ask(turn);
        }
    }

    fn ask(&mut self, turn: &mut Turn) {
        self.conditions.asked = Asked::Since(turn.now);
        turn.act(Action::Await {
            service: self.id,
            run: self.next_run(),
            condition: self.conditions.held,
        });
    }

    /// Takes the answer to a condition of the run to come.
    pub(super) fn awaited(
        &mut self,
        (run, condition): (u32, usize),
        outcome: Result<(), String>,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let expected = self.phase == Phase::Waiting
            && (run, condition) == (self.next_run(), self.conditions.held);
        let (true, Asked::Since(began), Some(wait)) =
            (expected, self.conditions.asked, self.condition())
        else {
            return Err(self.refuse("stale answer to a condition"));
        };
        match outcome {
            Ok(()) => {
                self.conditions.held += 1;
                self.conditions.asked = Asked::NotYet;
            }
            Err(why) => {
                let again = began.saturating_add(wait.period_ms).max(turn.now);
                let blocker = Blocker::condition(&wait.condition, why);
                self.conditions.asked = Asked::AgainAt(again);
                self.hold(blocker, turn);
            }
        }
        Ok(())
    }

    /// Begins anew when something else holds the service back, or it is not to start at all.
    pub(super) fn forget_conditions(&mut self, turn: &mut Turn) {
        if matches!(self.conditions.asked, Asked::Since(_)) {
            turn.act(Action::CancelProbes { service: self.id });
        }
        self.conditions = Conditions::default();
    }

    const fn next_run(&self) -> u32 {
        self.starts.saturating_add(1)
    }
}
