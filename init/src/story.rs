//! The phases of a boot: timed, told, and survived.

use std::error::Error;

use bedplate_contract::{control::PhaseTime, event::name};
use bedplate_sys::clock;

use crate::{console, stage1::chain, watchdog};

/// The phases so far.
#[derive(Debug, Default)]
pub struct Story {
    phases: Vec<PhaseTime>,
}

impl Story {
    /// Runs one phase; a failure is told, and the boot goes on without its result.
    pub fn phase<T, E: Error>(
        &mut self,
        phase: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Option<T> {
        watchdog::pet();
        let begin = clock::since_boot_ms();
        let result = work();
        let ms = clock::since_boot_ms().saturating_sub(begin);
        let error = result.as_ref().err().map(|error| chain(error));
        let line = match &error {
            None => console::event(name::PHASE)
                .with("phase", phase)
                .with("ms", ms),
            Some(error) => console::event(name::PHASE_FAILED)
                .with("phase", phase)
                .with("error", error),
        };
        console::emit(&line);
        self.phases.push(PhaseTime {
            phase: phase.to_owned(),
            ms,
            error,
        });
        result.ok()
    }

    /// Why the phase called `phase` failed, if it did.
    pub fn failure(&self, phase: &str) -> Option<&str> {
        let mut phases = self.phases.iter();
        phases.find(|p| p.phase == phase)?.error.as_deref()
    }

    /// All phases, in their order.
    pub fn into_phases(self) -> Vec<PhaseTime> {
        self.phases
    }
}

/// Several failures as one.
#[derive(Debug, thiserror::Error)]
#[error("{}", texts.join("; "))]
pub struct Failures {
    texts: Vec<String>,
}

impl Failures {
    /// Joins the failures of a phase that goes on after each.
    pub fn of<E: Error>(errors: Vec<E>) -> Self {
        let texts = errors.iter().map(|error| chain(error)).collect();
        Self { texts }
    }

    /// A failure that is words already.
    pub fn text(text: String) -> Self {
        let texts = vec![text];
        Self { texts }
    }

    /// A failure of any kind, with its causes.
    pub fn one(error: &dyn Error) -> Self {
        let texts = vec![chain(error)];
        Self { texts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_failed_phase_is_kept_with_its_causes() {
        let mut story = Story::default();
        assert_eq!(story.phase("a", || Ok::<_, io::Error>(1)), Some(1));
        let failed = || Err::<(), _>(io::Error::other("broken"));
        assert_eq!(story.phase("b", failed), None);
        assert_eq!(story.failure("a"), None);
        assert_eq!(story.failure("b"), Some("broken"));
        assert_eq!(story.into_phases().len(), 2);
    }
}
