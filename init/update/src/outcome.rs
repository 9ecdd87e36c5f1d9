//! Exit status: what a script learns without reading text.

use std::process::ExitCode;

use bedplate_contract::control::{BootState, Reply};

use crate::cli::Verb;

/// How the program ends; usage errors (2) are clap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 0: done; for `status`, healthy.
    Done,
    /// 1: failed or refused.
    Failed,
    /// 4: `status` of a degraded machine.
    Degraded,
    /// 6: `status` of a machine that was healthy and is so no more.
    Failing,
    /// 5: `status` of a machine that is on its way up or down.
    Unsettled,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Degraded => 4,
            Outcome::Unsettled => 5,
            Outcome::Failing => 6,
        })
    }
}

/// What `reply` to `verb` means to a script. Only `status` speaks of the boot: a script that lists
/// services or reads logs of a degraded machine was served well.
pub fn of(verb: &Verb, reply: &Reply) -> Outcome {
    match (verb, reply) {
        (_, Reply::Refused { .. } | Reply::Ran { good: false, .. }) => Outcome::Failed,
        (Verb::Status, Reply::Status(status)) => of_boot(status.boot),
        _ => Outcome::Done,
    }
}

fn of_boot(boot: BootState) -> Outcome {
    match boot {
        BootState::Healthy => Outcome::Done,
        BootState::Failing => Outcome::Failing,
        BootState::Degraded => Outcome::Degraded,
        BootState::Starting | BootState::Gating | BootState::Stopping => Outcome::Unsettled,
    }
}
