//! A directory tree that is written as if it were `/`: nothing in it leads outside.
//!
//! Paths are resolved with `openat2(RESOLVE_IN_ROOT)`, so a symbolic link that an earlier entry
//! planted, absolute or with `..`, ends inside the tree. Overwrites files and links, never
//! replaces a directory by something else.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid},
    io::Errno,
};

/// An entry that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A path with `..`, or the root itself.
    #[error("expected a path inside the tree, found `{}`", .0.display())]
    Escape(PathBuf),
    /// A system call failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// Path inside the tree.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Mode, owner and time of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// A tree that is written.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

/// A place in the tree: an open directory and a name in it.
#[derive(Debug)]
struct Place {
    parent: OwnedFd,
    name: OsString,
    path: PathBuf,
}

impl Metadata {
    /// Owned by root, with the time every build gives.
    pub const fn root(mode: u32) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
            mtime: super::EPOCH,
        }
    }
}

impl Tree {
    /// The tree at `path`, which is there.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, TreeError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|e| fail("open the tree", path, e))?;
        Ok(Self { root })
    }

    /// Writes the file `path` with the bytes of `content`.
    ///
    /// # Errors
    /// A directory is there, or a system call fails.
    pub fn file(
        &self,
        path: &Path,
        content: &mut dyn Read,
        metadata: Metadata,
    ) -> Result<(), TreeError> {
        let place = self.place(path)?;
        place.clear()?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(
            &place.parent,
            &place.name,
            flags,
            Mode::from_raw_mode(0o600),
        )
        .map_err(|e| fail("create", path, e))?;
        let mut file = fs::File::from(fd);
        io::copy(content, &mut file).map_err(|e| fail("write", path, e))?;
        let apply = || {
            rustix::fs::fchown(&file, owner(metadata), group(metadata))?;
            // After the owner, for a change of owner clears setuid.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(metadata.mode))?;
            rustix::fs::futimens(&file, &times(metadata))
        };
        apply().map_err(|e| fail("set the metadata of", path, e))
    }

    /// Makes the directory `path`; one that is there, or a link to one, stays as it is.
    ///
    /// # Errors
    /// Something else is there, or a system call fails.
    pub fn directory(&self, path: &Path, metadata: Metadata) -> Result<(), TreeError> {
        let place = self.place(path)?;
        match rustix::fs::mkdirat(&place.parent, &place.name, Mode::from_raw_mode(0o700)) {
            Ok(()) => place.apply(metadata),
            Err(Errno::EXIST) => self.open_directory(path).map(drop),
            Err(errno) => Err(fail("make the directory", path, errno)),
        }
    }

    /// Gives an existing `path`, which is no symbolic link, the metadata.
    ///
    /// # Errors
    /// A system call fails.
    pub fn set(&self, path: &Path, metadata: Metadata) -> Result<(), TreeError> {
        self.place(path)?.apply(metadata)
    }

    /// Makes the symbolic link `path`; its text is stored, never followed.
    ///
    /// # Errors
    /// A directory is there, or a system call fails.
    pub fn symlink(&self, path: &Path, text: &Path, metadata: Metadata) -> Result<(), TreeError> {
        let place = self.place(path)?;
        place.clear()?;
        let make = || {
            rustix::fs::symlinkat(text, &place.parent, &place.name)?;
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(
                &place.parent,
                &place.name,
                owner(metadata),
                group(metadata),
                flags,
            )?;
            rustix::fs::utimensat(&place.parent, &place.name, &times(metadata), flags)
        };
        make().map_err(|e| fail("make the symbolic link", path, e))
    }

    /// Makes `path` another name of the file `existing` of the tree.
    ///
    /// # Errors
    /// `existing` is not there, a directory is in the way, or a system call fails.
    pub fn hard_link(&self, path: &Path, existing: &Path) -> Result<(), TreeError> {
        let (from, to) = (self.place(existing)?, self.place(path)?);
        to.clear()?;
        rustix::fs::linkat(
            &from.parent,
            &from.name,
            &to.parent,
            &to.name,
            AtFlags::empty(),
        )
        .map_err(|e| fail("make the hard link", path, e))
    }

    fn place(&self, path: &Path) -> Result<Place, TreeError> {
        let path = inside(path)?;
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(TreeError::Escape(path));
        };
        let parent = match self.open_directory(parent) {
            Err(TreeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.directory(parent, Metadata::root(0o755))?;
                self.open_directory(parent)?
            }
            other => other?,
        };
        Ok(Place {
            parent,
            name: name.to_owned(),
            path,
        })
    }

    fn open_directory(&self, path: &Path) -> Result<OwnedFd, TreeError> {
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = path.strip_prefix("/").unwrap_or(path);
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
            .map_err(|e| fail("open the directory", path, e))
    }
}

impl Place {
    /// Removes a file or link that is in the way.
    fn clear(&self) -> Result<(), TreeError> {
        match rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(fail("replace", &self.path, errno)),
        }
    }

    fn apply(&self, metadata: Metadata) -> Result<(), TreeError> {
        let (parent, name): (_, &OsStr) = (&self.parent, &self.name);
        let apply = || {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let entry = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            rustix::fs::fchown(&entry, owner(metadata), group(metadata))?;
            rustix::fs::fchmod(&entry, Mode::from_raw_mode(metadata.mode))?;
            rustix::fs::futimens(&entry, &times(metadata))
        };
        apply().map_err(|e| fail("set the metadata of", &self.path, e))
    }
}

/// The path relative to the root: `.` and a leading `/` are dropped, `..` is refused.
fn inside(path: &Path) -> Result<PathBuf, TreeError> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(TreeError::Escape(path.to_owned()));
            }
        }
    }
    Ok(clean)
}

fn owner(metadata: Metadata) -> Option<Uid> {
    Some(Uid::from_raw(metadata.uid))
}

fn group(metadata: Metadata) -> Option<Gid> {
    Some(Gid::from_raw(metadata.gid))
}

fn times(metadata: Metadata) -> Timestamps {
    let time = Timespec {
        tv_sec: metadata.mtime,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

fn fail(action: &'static str, path: &Path, source: impl Into<io::Error>) -> TreeError {
    TreeError::Io {
        action,
        path: path.to_owned(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_or_refused() {
        for (path, wanted) in [
            ("./usr/bin/x", Some("usr/bin/x")),
            ("/etc/x", Some("etc/x")),
            ("a/./b/", Some("a/b")),
            ("../x", None),
            ("a/../../x", None),
        ] {
            assert_eq!(
                inside(Path::new(path)).ok().as_deref(),
                wanted.map(Path::new)
            );
        }
    }

    #[test]
    fn a_planted_link_ends_inside_the_tree() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir(outer.path().join("etc")).unwrap();
        let tree = Tree::open(&root).unwrap();
        let metadata = Metadata {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            ..Metadata::root(0o644)
        };
        for text in ["../../etc", "/etc", "/../../../etc"] {
            tree.symlink(Path::new("trap"), Path::new(text), metadata)
                .unwrap();
            tree.file(Path::new("trap/x"), &mut &b"x"[..], metadata)
                .unwrap();
            assert!(root.join("etc/x").exists() && !outer.path().join("etc/x").exists());
            fs::remove_file(root.join("etc/x")).unwrap();
        }
    }
}
