//! Files and directories in places that somebody else may change.
//!
//! The caller is root and the owner of a place is not, so nothing here follows a link or opens what
//! lies there already: every component is opened by its own name, a new file is made exclusively,
//! and owner and mode are set through the descriptor. What the caller names as `top` it trusts.
//!
//! The walk is one openat(2) a component and not one openat2(2), which some container engines lack;
//! directories are made on the way, so it stops at each of them anyway.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
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

impl Owner {
    /// The user of this process and its group: of whoever may read what root writes.
    pub fn own(gid: Option<u32>) -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: gid.unwrap_or_else(|| rustix::process::getegid().as_raw()),
        }
    }

    fn set(self, file: impl AsFd) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        Ok(rustix::fs::fchown(file, Some(uid), Some(gid))?)
    }
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
    owner.set(&file)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(rustix::fs::renameat(&directory, &fresh, &directory, name)?)
}

/// Makes the directory at `path` below `top`, unless it is there, gives it this mode and owner, and
/// opens it.
///
/// Directories on the way that are missing are the caller's own and open to all.
///
/// # Errors
/// As [`write`]; `EEXIST` and `ENOTDIR` for something else in its place.
pub fn directory((top, path): (&Path, &Path), (mode, owner): (u32, Owner)) -> io::Result<File> {
    let (parent, name) = open_parent((top, path), Some(Owner::own(None)))?;
    // Nobody else's until it has its owner.
    match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let directory = rustix::fs::openat(&parent, name, DIRECTORY, Mode::empty())?;
    owner.set(&directory)?;
    rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))?;
    Ok(File::from(directory))
}

/// Opens the directory at `path` below `top`.
///
/// # Errors
/// As openat(2), `ELOOP` or `ENOTDIR` for a link anywhere below `top`.
pub fn open_directory((top, path): (&Path, &Path)) -> io::Result<File> {
    let (parent, name) = open_parent((top, path), None)?;
    let directory = rustix::fs::openat(&parent, name, DIRECTORY, Mode::empty())?;
    Ok(File::from(directory))
}

/// Opens the file at `path` below `top` to be appended to, made where it is missing, with this mode and
/// owner whatever it had.
///
/// # Errors
/// As [`write`]; `ELOOP` for a link in its place, `InvalidInput` for what is no file or has another name.
pub fn append((top, path): (&Path, &Path), (mode, owner): (u32, Owner)) -> io::Result<File> {
    let (directory, name) = open_parent((top, path), None)?;
    // Nothing is waited for, as at a pipe that lies in its place.
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
    let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&directory, name, flags, Mode::from_raw_mode(0o600))?;
    let file = File::from(opened);
    let found = file.metadata()?;
    // A second name would be somebody else's file.
    if !found.is_file() || found.nlink() != 1 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    owner.set(&file)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(file)
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
        directory = match owner {
            Some(owner) => enter(directory.as_fd(), name, owner)?,
            None => rustix::fs::openat(&directory, name, DIRECTORY, Mode::empty())?,
        };
    }
    Ok((directory, last))
}

/// Opens the directory `name`, which is made for `owner` where it is missing.
fn enter(parent: impl AsFd, name: &OsStr, owner: Owner) -> io::Result<OwnedFd> {
    let made = match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno.into()),
    };
    let directory = rustix::fs::openat(&parent, name, DIRECTORY, Mode::empty())?;
    if made {
        owner.set(&directory)?;
    }
    Ok(directory)
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
        os::unix::fs::{PermissionsExt, symlink},
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

    #[test]
    fn a_directory_is_made_with_its_mode_and_is_no_link() {
        let top = Top::new("directory");
        let make = |path: &str, mode| directory((&top.0, Path::new(path)), (mode, top.owner()));
        let mode = |path: &str| fs::metadata(top.0.join(path)).unwrap().mode() & 0o7777;
        for wanted in [0o750, 0o500] {
            make("a/b", wanted).unwrap();
            assert_eq!((mode("a"), mode("a/b")), (0o755, wanted));
        }
        let victim = top.0.join("victim");
        fs::create_dir(&victim).unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&victim, top.0.join("a/c")).unwrap();
        symlink(&victim, top.0.join("d")).unwrap();
        for path in ["a/c", "d", "d/e", "../f", "/a"] {
            assert!(make(path, 0o777).is_err(), "{path}");
            assert!(open_directory((&top.0, Path::new(path))).is_err(), "{path}");
        }
        assert_eq!(mode("victim"), 0o700);
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_appended_to_and_is_no_link() {
        let top = Top::new("append");
        let open = |path: &str| append((&top.0, Path::new(path)), (0o640, top.owner()));
        for text in ["one", "two"] {
            open("log").unwrap().write_all(text.as_bytes()).unwrap();
            let open = fs::Permissions::from_mode(0o666);
            let found = fs::metadata(top.0.join("log")).unwrap().mode() & 0o7777;
            assert_eq!(found, 0o640);
            fs::set_permissions(top.0.join("log"), open).unwrap();
        }
        assert_eq!(fs::read_to_string(top.0.join("log")).unwrap(), "onetwo");
        symlink(top.0.join("log"), top.0.join("link")).unwrap();
        fs::hard_link(top.0.join("log"), top.0.join("again")).unwrap();
        for path in ["link", "again", "no/such"] {
            assert!(open(path).is_err(), "{path}");
        }
    }
}
