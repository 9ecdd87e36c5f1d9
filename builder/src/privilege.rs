//! What the process must be before it builds: root of its user namespace, with mounts of its own.

use std::io;

/// The process cannot become what a build needs.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// No mount namespace.
    #[error("cannot get mounts of its own; run as root, or allow user namespaces")]
    Mounts(#[source] io::Error),
}

/// Acquires what building takes. Call it first, while the process has one thread.
///
/// # Errors
/// The host does not allow it; the message says what to change.
pub fn acquire() -> Result<(), PrivilegeError> {
    bedplate_sys::namespace::own_mounts().map_err(PrivilegeError::Mounts)
}
