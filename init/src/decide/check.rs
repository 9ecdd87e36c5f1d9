//! Checks of a service: asked once it is ready and again after each period. None restarts it or
//! makes it unready; those of the gate hold the boot back until they hold.

use bedplate_contract::{control::CheckStatus, event::name};

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

    /// Takes the answer to the check at `at`.
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
        let line = |name| {
            turn.line(name)
                .with("name", &self.spec.name)
                .with("check", &check.name)
        };
        let told = match (finding, outcome, &*standing) {
            (Finding::Good, _, Standing::Open | Standing::Bad(_)) => {
                *standing = Standing::Good;
                line(name::CHECK_PASSED)
            }
            (Finding::Bad, Err(reason), before) => {
                let is_news = !matches!(before, Standing::Bad(_));
                *standing = Standing::Bad(reason.clone());
                if !is_news {
                    return;
                }
                line(name::CHECK_FAILED).with("reason", reason)
            }
            _ => return,
        };
        turn.emit(told);
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
        let standings = self.checks.iter().chain(std::iter::repeat(&Standing::Open));
        self.spec
            .checks
            .iter()
            .zip(standings)
            .map(|(check, standing)| CheckStatus {
                name: check.name.clone(),
                gate: check.gate,
                good: match standing {
                    Standing::Open => None,
                    Standing::Good => Some(true),
                    Standing::Bad(_) => Some(false),
                },
                because: match standing {
                    Standing::Bad(reason) => Some(reason.clone()),
                    Standing::Open | Standing::Good => None,
                },
            })
    }
}
