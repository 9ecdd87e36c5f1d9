//! Checks of a service: asked once it is ready and again after each period. None restarts it or
//! makes it unready; those of the gate hold the boot back until they hold.

use std::{iter, mem};

use bedplate_contract::{control::CheckStatus, event::name, service::NamedCheck};

use super::{Turn, probe::Finding, service::Unit};

/// What is known of one check in this run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Neither threshold was reached yet.
    #[default]
    Open,
    /// It holds.
    Good,
    /// It does not, for this reason.
    Bad(String),
}

impl Standing {
    /// What it is after one more answer.
    fn after(self, finding: Finding, outcome: Result<(), String>) -> Self {
        match (finding, outcome) {
            (Finding::Good, _) => Self::Good,
            (Finding::Bad, Err(reason)) => Self::Bad(reason),
            _ => self,
        }
    }

    fn status(&self, check: &NamedCheck) -> CheckStatus {
        let (good, because) = match self {
            Self::Open => (None, None),
            Self::Good => (Some(true), None),
            Self::Bad(reason) => (Some(false), Some(reason.clone())),
        };
        CheckStatus {
            name: check.name.clone(),
            gate: check.gate,
            good,
            because,
        }
    }
}

impl Unit {
    /// Forgets what an earlier run came to.
    pub(super) fn forget_checks(&mut self) {
        self.checks = vec![Standing::Open; self.spec.checks.len()];
    }

    /// Plans the checks of a run that has just become ready.
    pub(super) fn begin_asking(&mut self, turn: &Turn) {
        if let Some(run) = &mut self.run {
            run.probes.plan_checks(&self.spec, turn.now);
        }
    }

    /// Takes the answer to the check at `at`; told when it is another than before.
    pub(super) fn checked(
        &mut self,
        at: usize,
        (finding, outcome): (Finding, Result<(), String>),
        turn: &mut Turn,
    ) {
        let (Some(check), Some(standing)) = (self.spec.checks.get(at), self.checks.get_mut(at))
        else {
            return;
        };
        let before = mem::discriminant(standing);
        *standing = mem::take(standing).after(finding, outcome);
        if before == mem::discriminant(standing) {
            return;
        }
        let line = |event| turn.line(event).with("name", &self.spec.name);
        match standing {
            Standing::Open => {}
            Standing::Good => turn.emit(line(name::CHECK_PASSED).with("check", &check.name)),
            Standing::Bad(reason) => {
                let line = line(name::CHECK_FAILED).with("check", &check.name);
                turn.emit(line.with("reason", reason));
            }
        }
    }

    /// Whether all checks hold that the gate waits for.
    pub(super) fn holds(&self) -> bool {
        self.statuses()
            .all(|check| !check.gate || check.good == Some(true))
    }

    /// Whether any check does not hold.
    pub(super) fn has_failed_check(&self) -> bool {
        self.checks
            .iter()
            .any(|standing| matches!(standing, Standing::Bad(_)))
    }

    /// The first check that the gate waits for, with its reason.
    pub(super) fn open_check(&self) -> Option<String> {
        let open = self
            .statuses()
            .find(|check| check.gate && check.good != Some(true))?;
        let because = open
            .because
            .unwrap_or_else(|| "not answered yet".to_owned());
        Some(format!("check `{}`: {because}", open.name))
    }

    /// Every check as it is now.
    pub(super) fn statuses(&self) -> impl Iterator<Item = CheckStatus> {
        let standings = self.checks.iter().chain(iter::repeat(&Standing::Open));
        iter::zip(&self.spec.checks, standings).map(|(check, standing)| standing.status(check))
    }
}
