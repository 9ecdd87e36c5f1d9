//! The machine as a whole: its name, its root, its disks' caches.

use std::{fs::File, io, os::fd::AsFd, os::unix::fs::chroot, path::Path};

/// Sets the host name.
///
/// # Errors
/// As sethostname(2); `EINVAL` past 64 bytes.
pub fn set_name(name: &str) -> io::Result<()> {
    Ok(rustix::system::sethostname(name.as_bytes())?)
}

/// Makes the mount at `root` the root of this process and of every later mount namespace.
///
/// What was the root is hidden below it; a caller that wants its memory back empties it first.
///
/// # Errors
/// As chdir(2), mount(2) with `MS_MOVE`, chroot(2).
pub fn switch_root(root: &Path) -> io::Result<()> {
    std::env::set_current_dir(root)?;
    crate::mount::move_to(Path::new("."), Path::new("/"))?;
    chroot(".")?;
    std::env::set_current_dir("/")
}

/// Writes everything that the kernel holds back for any disk.
pub fn sync() {
    rustix::fs::sync();
}

/// Writes everything that the kernel holds back for the file system of `file`.
///
/// # Errors
/// As syncfs(2).
pub fn sync_file_system(file: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(file.as_fd())?)
}
