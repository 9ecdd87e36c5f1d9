//! Mounts.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use nix::{errno::Errno, libc};
pub use rustix::mount::MountFlags;
use rustix::{
    fs::{CWD, StatVfsMountFlags},
    mount::{
        self, FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
        OpenTreeFlags, UnmountFlags,
    },
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

/// Shows the tree at `source` on the open directory `target` with these flags; no path is looked up again,
/// so nobody can lead the mount elsewhere.
///
/// # Errors
/// As open_tree(2), mount_setattr(2) and move_mount(2).
pub fn bind_to(source: &Path, target: &File, flags: MountFlags) -> io::Result<()> {
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = mount::open_tree(CWD, source, clone)?;
    restrict_tree(&tree, flags)?;
    attach(&tree, target)
}

/// Mounts an empty tmpfs on the open directory `target`, with these flags and these options of its file
/// system, as names and values.
///
/// # Errors
/// As fsopen(2), fsconfig(2), fsmount(2) and move_mount(2): `EPERM` without `CAP_SYS_ADMIN`.
pub fn memory_on(target: &File, flags: MountFlags, options: &[(&str, String)]) -> io::Result<()> {
    let memory = mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        mount::fsconfig_set_string(&memory, *name, value.as_str())?;
    }
    mount::fsconfig_create(&memory)?;
    let none = MountAttrFlags::empty();
    let tree = mount::fsmount(&memory, FsMountFlags::FSMOUNT_CLOEXEC, none)?;
    restrict_tree(&tree, flags)?;
    attach(&tree, target)
}

fn attach(tree: &OwnedFd, target: &File) -> io::Result<()> {
    let by_descriptor =
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(mount::move_mount(tree, "", target, "", by_descriptor)?)
}

/// `struct mount_attr` (linux/mount.h), whose first four attributes have the bits of `MS_*`.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

fn restrict_tree(tree: &OwnedFd, flags: MountFlags) -> io::Result<()> {
    let attributes = Attributes {
        set: u64::from(flags.bits()),
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: the path is a string with its NUL, and the kernel reads as many bytes of the attributes
    // as they have.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    Errno::result(result)?;
    Ok(())
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

/// Whether the mount that `path` is on is read-only.
///
/// # Errors
/// As statvfs(3).
pub fn is_read_only(path: &Path) -> io::Result<bool> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_flag.contains(StatVfsMountFlags::RDONLY))
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
