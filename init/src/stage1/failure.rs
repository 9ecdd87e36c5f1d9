//! What is left to do when the root is not entered.

use std::{thread, time::Duration};

use bedplate_contract::Digest;
use bedplate_sys::{
    host,
    reboot::{self, Down},
};

use super::{EXEC, FAILED, Stage1Error, chain, read_identity};
use crate::{
    attempt::Attempt,
    console,
    course::{self, Course},
    rescue::{Ending, Rescue},
    watchdog,
};

/// How long a failure stays on the console before the machine starts again.
const PAUSE: Duration = Duration::from_secs(10);

/// Why the root is not entered, and what was chosen where that is known already.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: Stage1Error,
    pub course: Option<Course>,
}

impl From<Stage1Error> for Failure {
    fn from(error: Stage1Error) -> Self {
        let course = None;
        Self { error, course }
    }
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The slot that was missing is there: the root is looked for again.
    Again,
    /// The machine was to end, and the kernel refuses.
    Over,
}

/// Says why stage 1 failed and does what is left to do.
pub(super) fn follow(failure: &Failure, attempt: Option<Attempt>) -> Next {
    let reason = chain(&failure.error);
    console::emit(&console::event(FAILED).with("error", &reason));
    let identity = read_identity().ok();
    let missing = match &failure.error {
        Stage1Error::NoSlot { .. } => identity.as_ref().map(|identity| identity.root),
        _ => None,
    };
    let mut attempt = attempt.or_else(|| Attempt::without_slot(identity?));
    let course = failure.course.or_else(|| {
        let chances = attempt.as_mut()?.chances();
        Some(course::without_root(&chances))
    });
    match (course, &mut attempt) {
        (Some(Course::Leave), Some(attempt)) => match attempt.leave(&reason) {
            Ok(()) => restart(),
            Err(error) => stay(Some(attempt), &format!("{reason}; {error}"), missing),
        },
        (Some(Course::Stay), attempt) => stay(attempt.as_mut(), &reason, missing),
        _ => restart(),
    }
}

/// Waits so that the console can be read, then starts the machine again.
fn restart() -> Next {
    watchdog::pet();
    thread::sleep(PAUSE);
    end(Down::Reboot)
}

fn stay(attempt: Option<&mut Attempt>, reason: &str, missing: Option<Digest>) -> Next {
    let attempt = attempt.map(|attempt| {
        attempt.stay(reason);
        &*attempt
    });
    match Rescue::new(attempt, reason, missing).run() {
        Ending::Asked(down) => end(down),
        Ending::Came => Next::Again,
    }
}

fn end(how: Down) -> Next {
    console::drain(EXEC);
    host::sync();
    if how == Down::Poweroff {
        // Told by nobody: the machine is off, or started again by its watchdog.
        let _ = watchdog::disarm();
    }
    // Nothing is left to be done with an error; the kernel's panic would follow.
    let _ = reboot::go_down(how);
    Next::Over
}
