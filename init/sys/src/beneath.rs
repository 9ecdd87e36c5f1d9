//! Files in directories that somebody else may write to.
//!
//! Every component is opened by its own name and never as a link, so that whoever owns a directory
//! on the way cannot lead the caller, who is root, anywhere else.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path},
};

use rustix::{
    fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid},
    io::Errno,
};

/// Whose a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Puts `bytes` at `path` below `top`, whole or not at all, with these permission bits and owner.
///
/// Directories on the way are made, of the same owner and open to all. Nothing is synchronised: it
/// is meant for file systems in memory.
///
/// # Errors
/// As openat(2), `ELOOP` or `ENOTDIR` for a link on the way, and write(2); `InvalidInput` for a path
/// with other components than names.
pub fn write(
    (top, path): (&Path, &Path),
    bytes: &[u8],
    (mode, owner): (u32, Owner),
) -> io::Result<()> {
    let (directory, name) = open_parent((top, path), Some(owner))?;
    let mut fresh = OsStr::new(".").to_owned();
    fresh.push(name);
    fresh.push(".new");
    // A leftover, or something that is not the caller's: made anew, so that it is.
    unless_absent(rustix::fs::unlinkat(&directory, &fresh, AtFlags::empty()))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Nobody else's until it is whole.
    let made = rustix::fs::openat(&directory, &fresh, flags, Mode::from_raw_mode(0o600))?;
    let mut file = File::from(made);
    file.write_all(bytes)?;
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    rustix::fs::fchown(&file, Some(uid), Some(gid))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(rustix::fs::renameat(&directory, &fresh, &directory, name)?)
}

/// Removes the file at `path` below `top`.
///
/// # Errors
/// As [`write`], and unlinkat(2).
pub fn remove(top: &Path, path: &Path) -> io::Result<()> {
    let (directory, name) = open_parent((top, path), None)?;
    Ok(rustix::fs::unlinkat(&directory, name, AtFlags::empty())?)
}

/// The directory of `path`, and its last name; what is missing on the way is made for an owner.
fn open_parent<'a>(
    (top, path): (&Path, &'a Path),
    owner: Option<Owner>,
) -> io::Result<(OwnedFd, &'a OsStr)> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
    let mut directory = rustix::fs::openat(CWD, top, DIRECTORY, Mode::empty())?;
    for name in names {
        if let Some(owner) = owner {
            make_directory(directory.as_fd(), name, owner)?;
        }
        directory = rustix::fs::openat(&directory, name, DIRECTORY, Mode::empty())?;
    }
    Ok((directory, last))
}

fn make_directory(parent: impl AsFd, name: &OsStr, owner: Owner) -> io::Result<()> {
    match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    Ok(rustix::fs::chownat(
        parent,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

fn unless_absent(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, symlink},
    };

    use super::*;

    struct Top(std::path::PathBuf);

    impl Top {
        fn new(name: &str) -> Self {
            let name = format!("bedplate-beneath-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            // Left by a run that was killed.
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn owner(&self) -> Owner {
            let own = fs::metadata(&self.0).unwrap();
            let (uid, gid) = (own.uid(), own.gid());
            Owner { uid, gid }
        }

        fn write(&self, path: &str, text: &str) -> io::Result<()> {
            let at = (self.0.as_path(), Path::new(path));
            write(at, text.as_bytes(), (0o400, self.owner()))
        }
    }

    impl Drop for Top {
        fn drop(&mut self) {
            // The test has ended; what stays is in the system's temporary directory.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_and_removed() {
        let top = Top::new("file");
        for text in ["one", "two"] {
            top.write("a/b/c", text).unwrap();
            let path = top.0.join("a/b/c");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o400);
        }
        assert_eq!(fs::read_dir(top.0.join("a/b")).unwrap().count(), 1);
        remove(&top.0, Path::new("a/b/c")).unwrap();
        assert!(remove(&top.0, Path::new("a/b/c")).is_err());
    }

    #[test]
    fn no_link_is_followed() {
        let top = Top::new("link");
        let victim = top.0.join("victim");
        fs::write(&victim, "old").unwrap();
        fs::create_dir(top.0.join("a")).unwrap();
        symlink(&victim, top.0.join("a/.c.new")).unwrap();
        symlink(&victim, top.0.join("a/c")).unwrap();
        top.write("a/c", "new").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "old");
        assert!(
            !fs::symlink_metadata(top.0.join("a/c"))
                .unwrap()
                .is_symlink()
        );
        symlink(&top.0, top.0.join("b")).unwrap();
        assert!(top.write("b/c", "new").is_err());
        assert!(!top.0.join("c").exists());
        for path in ["../c", "/c", "", "a/../c"] {
            assert!(top.write(path, "new").is_err(), "{path}");
        }
    }
}
