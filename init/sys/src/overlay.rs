//! Overlay mounts: directories seen as one tree.
//!
//! Source: kernel documentation, filesystems/overlayfs. Always with `userxattr`, so that what root
//! wrote reads the same in a user namespace: opaque directories carry `user.overlay.opaque`.

use std::{
    ffi::{CString, OsString},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags};

/// Extended attribute whose value `y` makes a directory hide what lies below it.
pub const OPAQUE: &str = "user.overlay.opaque";
/// Prefix of every attribute that overlayfs keeps for itself.
pub const PREFIX: &str = "user.overlay.";

/// `f_type` of an overlay (`OVERLAYFS_SUPER_MAGIC`, linux/magic.h).
const OVERLAY_MAGIC: u64 = 0x794c_7630;

/// Why an overlay could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// The writable side lies on an overlay, which cannot hold another's deletions.
    #[error(
        "expected a file system that is no overlay itself at `{}`, found an overlay",
        .0.display()
    )]
    Nested(PathBuf),
    /// The kernel refuses.
    #[error("cannot mount {layers} directories as an overlay on `{}`", target.display())]
    Mount {
        /// Directories below the writable one.
        layers: usize,
        /// Where it was to be mounted.
        target: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// The writable side of an overlay: both on one file system that is no overlay itself.
#[derive(Debug, Clone, Copy)]
pub struct Upper<'a> {
    /// Where changes go.
    pub directory: &'a Path,
    /// An empty directory for overlayfs.
    pub work: &'a Path,
}

/// A mounted tree; unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    target: PathBuf,
}

impl Mounted {
    /// The root of the tree.
    pub fn path(&self) -> &Path {
        &self.target
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The mount vanishes with the process's mount namespace at the latest.
        let _busy = rustix::mount::unmount(&self.target, UnmountFlags::DETACH);
    }
}

/// Mounts `lowers`, the topmost first, on `target`; read-only without an `upper`.
///
/// # Errors
/// No layer at all, options past a page, or the mount is refused.
pub fn mount(
    lowers: &[&Path],
    upper: Option<Upper<'_>>,
    target: &Path,
) -> Result<Mounted, OverlayError> {
    let result = match (lowers, upper) {
        ([], _) => Err(io::ErrorKind::InvalidInput.into()),
        // Overlayfs wants two directories at least.
        ([only], None) => bind_read_only(only, target),
        _ => mount_overlay(&options(lowers, upper), target),
    };
    let target = target.to_owned();
    match result {
        Ok(()) => Ok(Mounted { target }),
        Err(_) if upper.is_some_and(is_overlay) => Err(OverlayError::Nested(target)),
        Err(source) => Err(OverlayError::Mount {
            layers: lowers.len(),
            target,
            source,
        }),
    }
}

fn is_overlay(upper: Upper<'_>) -> bool {
    let found = rustix::fs::statfs(upper.directory);
    found.is_ok_and(|found| u64::try_from(found.f_type) == Ok(OVERLAY_MAGIC))
}

fn bind_read_only(directory: &Path, target: &Path) -> io::Result<()> {
    rustix::mount::mount_bind(directory, target)?;
    let flags = MountFlags::BIND | MountFlags::RDONLY;
    match rustix::mount::mount_remount(target, flags, c"") {
        // A user namespace may not drop flags that the host set; nobody writes here anyway.
        Err(rustix::io::Errno::PERM) => Ok(()),
        other => Ok(other?),
    }
}

fn mount_overlay(options: &OsString, target: &Path) -> io::Result<()> {
    // The mount system call takes one page of options and cuts the rest off silently.
    if options.len() >= 4096 {
        return Err(io::ErrorKind::ArgumentListTooLong.into());
    }
    let options = CString::new(options.as_bytes())?;
    Ok(rustix::mount::mount(
        c"overlay",
        target,
        c"overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )?)
}

fn options(lowers: &[&Path], upper: Option<Upper<'_>>) -> OsString {
    let mut text = b"userxattr,lowerdir=".to_vec();
    let lowers: Vec<Vec<u8>> = lowers.iter().map(|path| escape(path)).collect();
    text.extend(lowers.join(&b':'));
    if let Some(upper) = upper {
        text.extend(b",upperdir=");
        text.extend(escape(upper.directory));
        text.extend(b",workdir=");
        text.extend(escape(upper.work));
    }
    OsString::from_vec(text)
}

fn escape(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_paths_are_escaped() {
        for (path, wanted) in [("/a", "/a"), ("/a:b", "/a\\:b"), ("/a,b\\", "/a\\,b\\\\")] {
            assert_eq!(escape(Path::new(path)), wanted.as_bytes());
        }
    }

    #[test]
    fn the_topmost_layer_comes_first() {
        let upper = Upper {
            directory: Path::new("/u"),
            work: Path::new("/w"),
        };
        let text = options(&[Path::new("/b"), Path::new("/a")], Some(upper));
        assert_eq!(text, "userxattr,lowerdir=/b:/a,upperdir=/u,workdir=/w");
    }
}
