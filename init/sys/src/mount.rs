//! Mounts.

use std::{ffi::CString, io, path::Path};

pub use rustix::mount::MountFlags;
use rustix::{
    mount::{self, MountPropagationFlags, UnmountFlags},
    thread::UnshareFlags,
};

/// What is mounted where.
#[derive(Debug, Clone, Copy)]
pub struct Mount<'a> {
    /// Device, or any word for a file system without one.
    pub source: &'a Path,
    /// Directory that it covers.
    pub target: &'a Path,
    /// Type as in `/proc/filesystems`.
    pub kind: &'a str,
    /// `MS_*`.
    pub flags: MountFlags,
    /// Options of the file system, comma-separated; may be empty.
    pub options: &'a str,
}

impl Mount<'_> {
    /// Mounts it.
    ///
    /// # Errors
    /// As mount(2); `InvalidInput` for options with a NUL.
    pub fn mount(&self) -> io::Result<()> {
        let options = CString::new(self.options)?;
        let options = Some(options.as_c_str()).filter(|text| !text.is_empty());
        Ok(mount::mount(
            self.source,
            self.target,
            self.kind,
            self.flags,
            options,
        )?)
    }
}

/// Shows the tree at `source` at `target` too.
///
/// # Errors
/// As mount(2) with `MS_BIND`.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    Ok(mount::mount_bind(source, target)?)
}

/// Sets the flags of the mount at `target`, not those of its file system.
///
/// # Errors
/// As mount(2) with `MS_BIND | MS_REMOUNT`.
pub fn restrict(target: &Path, flags: MountFlags) -> io::Result<()> {
    let flags = flags | MountFlags::BIND;
    Ok(mount::mount_remount(target, flags, "")?)
}

/// Remounts the file system at `target` read-only.
///
/// # Errors
/// As mount(2) with `MS_REMOUNT | MS_RDONLY`; `EBUSY` while files are open for writing.
pub fn remount_read_only(target: &Path) -> io::Result<()> {
    Ok(mount::mount_remount(target, MountFlags::RDONLY, "")?)
}

/// Moves the mount at `source` to `target`.
///
/// # Errors
/// As mount(2) with `MS_MOVE`.
pub fn move_to(source: &Path, target: &Path) -> io::Result<()> {
    Ok(mount::mount_move(source, target)?)
}

/// Takes the mount at `target` away.
///
/// # Errors
/// As umount2(2); `EBUSY` while something uses it.
pub fn unmount(target: &Path) -> io::Result<()> {
    Ok(mount::unmount(target, UnmountFlags::NOFOLLOW)?)
}

/// Hides the mount at `target` now and ends it when its last user is gone.
///
/// # Errors
/// As umount2(2) with `MNT_DETACH`.
pub fn detach(target: &Path) -> io::Result<()> {
    let flags = UnmountFlags::NOFOLLOW | UnmountFlags::DETACH;
    Ok(mount::unmount(target, flags)?)
}

/// Gives this thread, and those that it starts, mounts of their own: what they mount from now on
/// nobody else sees, and it is unmounted when the last of them ends, however it ends.
///
/// # Errors
/// As unshare(2) with `CLONE_NEWNS`: `EPERM` for other users than root.
pub fn own_namespace() -> io::Result<()> {
    // SAFETY: the flags do not unshare file descriptors, the one case that breaks I/O safety.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    Ok(mount::mount_change("/", private)?)
}

/// Lets mount namespaces that are made later see what is mounted and unmounted in this one.
///
/// # Errors
/// As mount(2) with `MS_SHARED | MS_REC`.
pub fn share_all() -> io::Result<()> {
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    Ok(mount::mount_change("/", shared)?)
}

/// Whether a mount begins at `path`: its device differs from that of its parent.
///
/// A bind mount within one file system is not seen.
///
/// # Errors
/// As stat(2).
pub fn is_mount_point(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let here = std::fs::metadata(path)?;
    let above = std::fs::metadata(path.join(".."))?;
    Ok(here.dev() != above.dev() || here.ino() == above.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_known() {
        for (path, expected) in [("/proc", true), ("/", true), ("/usr/bin", false)] {
            assert_eq!(is_mount_point(Path::new(path)).unwrap(), expected, "{path}");
        }
        assert!(is_mount_point(Path::new("/no/such")).is_err());
    }
}
