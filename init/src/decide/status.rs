//! The state in the words of the control protocol.

use bedplate_contract::{
    control::{BootState, ServiceStatus},
    service::Kind,
};

use super::{
    State,
    service::{Phase, Unit},
};

impl State {
    /// Every service as it is now, in start order.
    pub fn services(&self) -> Vec<ServiceStatus> {
        self.units.iter().map(Unit::status).collect()
    }
}

impl Unit {
    /// The state in one word.
    pub(super) const fn word(&self) -> &'static str {
        match self.phase {
            Phase::Waiting => "waiting",
            Phase::Starting if self.is_scheduled_run() => "running",
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::Unready => "unready",
            Phase::Backoff(_) => "backoff",
            Phase::Scheduled => "scheduled",
            Phase::Done => "done",
            Phase::Failed => "failed",
            Phase::Stopping(_) => "stopping",
            Phase::Stopped => "stopped",
        }
    }

    /// It has nothing to become ready for.
    const fn is_scheduled_run(&self) -> bool {
        matches!(self.spec.kind, Kind::Scheduled) && self.run.is_some()
    }

    pub(super) fn status(&self) -> ServiceStatus {
        ServiceStatus {
            name: self.spec.name.clone(),
            state: self.word().to_owned(),
            essential: self.spec.essential,
            pid: self.run.as_ref().map(|run| run.pid),
            restarts: self.starts.saturating_sub(1),
            because: self.because.clone(),
            schedule: self.schedule_status(),
            checks: self.statuses().collect(),
        }
    }
}

/// The word for where a boot stands.
pub(super) const fn boot_word(boot: BootState) -> &'static str {
    match boot {
        BootState::Starting => "starting",
        BootState::Gating => "gating",
        BootState::Healthy => "healthy",
        BootState::Failing => "failing",
        BootState::Degraded => "degraded",
        BootState::Stopping => "stopping",
    }
}
