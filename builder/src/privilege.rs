//! What the process must be before it builds: root of its user namespace, with mounts of its own.

use bedplate_sys::userns::{self, UsernsError};

/// Acquires what building takes: an ordinary user becomes root over subordinate ids, and what is
/// mounted from now on goes away with the process. Call it first, while there is one thread.
///
/// # Errors
/// The host does not allow it; the message says what to change.
pub fn acquire() -> Result<(), UsernsError> {
    // What is made is the same for everybody who builds; keys and secrets have modes of their own.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    userns::enter().map(drop)
}
