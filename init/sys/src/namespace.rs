//! A mount namespace for the calling process.

use std::io;

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

/// Gives the calling thread, and all threads and processes it starts from now on, mounts of their
/// own: what they mount is unseen by others and goes away with the last of them.
///
/// Must be called while the process has one thread, for the others would stay behind
/// (unshare(2), mount_namespaces(7)).
///
/// # Errors
/// No `CAP_SYS_ADMIN` in the user namespace.
pub fn own_mounts() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // Mounts of the host still arrive here; ours never go there.
    let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?;
    Ok(())
}
