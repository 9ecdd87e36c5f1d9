//! What an operator asks of one service: restart, stop, start.

use bedplate_contract::{
    control::{BootState, Reply},
    service::Kind,
};

use super::{
    Action, ServiceId, State, TransitionError, Turn, down::refuse, service::Phase, stop::Then,
};

impl State {
    /// Stops and starts a service for an operator.
    pub(super) fn restart(
        &mut self,
        id: ServiceId,
        client: u64,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let refused = self.cannot_turn();
        let unit = self.unit(id)?;
        let reply = match (refused, &unit.phase) {
            (Some(reason), _) => refuse(reason),
            (None, _) if unit.spec.kind == Kind::Scheduled => {
                refuse("it is scheduled: run it instead")
            }
            (None, Phase::Waiting) => refuse(unit.because.as_deref().unwrap_or("it is waiting")),
            (None, Phase::Stopping(_)) => refuse("it is stopping"),
            (None, _) if unit.run.is_some() => {
                unit.stop(Then::StartAfresh, turn);
                Reply::Done
            }
            (None, _) => {
                unit.renew();
                Reply::Done
            }
        };
        turn.act(Action::Reply { client, reply });
        Ok(())
    }

    /// Why no service is turned on or off.
    pub(super) const fn cannot_turn(&self) -> Option<&'static str> {
        match self.boot {
            BootState::Starting => Some("the services are not started yet"),
            BootState::Stopping => Some("the machine goes down"),
            BootState::Gating | BootState::Healthy | BootState::Failing | BootState::Degraded => {
                None
            }
        }
    }

    /// Stops a service for an operator; what needs it goes on as far as it can.
    ///
    /// Not before the gate has decided: a version that somebody stopped is neither good nor bad.
    pub(super) fn stop(
        &mut self,
        id: ServiceId,
        client: u64,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let refused = match self.boot {
            BootState::Gating => Some("the gate has not decided yet"),
            _ => self.cannot_turn(),
        };
        let unit = self.unit(id)?;
        let reply = match (refused, &unit.phase) {
            (Some(reason), _) => refuse(reason),
            (None, Phase::Stopping(_)) => refuse("it is stopping"),
            (None, Phase::Starting) if unit.run.is_none() => refuse("it is being started"),
            (None, _) if unit.run.is_some() => {
                unit.stop(Then::Stay, turn);
                Reply::Done
            }
            (None, _) => {
                unit.retire(turn);
                Reply::Done
            }
        };
        turn.act(Action::Reply { client, reply });
        Ok(())
    }

    /// Starts a service that is not running for an operator, with a full budget; one that is scheduled
    /// waits for its next time again.
    pub(super) fn start(
        &mut self,
        id: ServiceId,
        client: u64,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let refused = self.cannot_turn();
        let unit = self.unit(id)?;
        let reply = match (refused, &unit.phase) {
            (Some(reason), _) => refuse(reason),
            (None, Phase::Stopped) if unit.spec.kind == Kind::Scheduled => {
                unit.phase = Phase::Scheduled;
                Reply::Done
            }
            (None, Phase::Failed | Phase::Backoff(_)) if unit.spec.kind == Kind::Scheduled => {
                refuse("it is scheduled: run it instead")
            }
            (None, Phase::Stopped | Phase::Failed | Phase::Done | Phase::Backoff(_)) => {
                unit.renew();
                Reply::Done
            }
            (None, _) => refuse(&format!("it is {}", unit.word())),
        };
        turn.act(Action::Reply { client, reply });
        Ok(())
    }
}
