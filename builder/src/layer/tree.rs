//! A directory tree that is written as if it were `/`: nothing in it leads outside.
//!
//! Paths are resolved with `openat2(RESOLVE_IN_ROOT)`, so a symbolic link that an earlier entry
//! planted, absolute or with `..`, ends inside the tree. Overwrites files and links, never
//! replaces a directory by something else.

mod change;
mod look;

use std::{
    ffi::{CString, OsStr, OsString},
    fs,
    io::{self, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid},
    io::Errno,
};

pub use look::Found;

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

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A pipe or socket.
    Channel,
    /// A device; a whiteout of an overlay is one.
    Other,
}

impl Kind {
    fn of(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Directory,
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Link,
            FileType::Fifo | FileType::Socket => Self::Channel,
            _ => Self::Other,
        }
    }
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

    /// What is at `path`, a link itself; `None` when nothing is. Makes the directories on the way, as all that
    /// writes does; [`Self::look`] does not.
    ///
    /// # Errors
    /// A system call fails.
    pub fn kind(&self, path: &Path) -> Result<Option<Kind>, TreeError> {
        let place = self.place(path)?;
        let found = rustix::fs::statat(&place.parent, &place.name, AtFlags::SYMLINK_NOFOLLOW);
        match found.map(|found| FileType::from_raw_mode(found.st_mode)) {
            Ok(kind) => Ok(Some(Kind::of(kind))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(fail("look at", path, errno)),
        }
    }

    /// Whether `path` is a directory, and no link to one.
    ///
    /// # Errors
    /// A system call fails.
    pub fn is_directory(&self, path: &Path) -> Result<bool, TreeError> {
        Ok(self.kind(path)? == Some(Kind::Directory))
    }

    /// Removes `path`, and all below it; a link itself, never what it leads to.
    ///
    /// # Errors
    /// A system call fails; nothing at `path` is no error.
    pub fn remove(&self, path: &Path) -> Result<(), TreeError> {
        if self.is_directory(path)? {
            for name in self.names(path)? {
                self.remove(&path.join(name))?;
            }
            let place = self.place(path)?;
            return rustix::fs::unlinkat(&place.parent, &place.name, AtFlags::REMOVEDIR)
                .map_err(|e| fail("remove", path, e));
        }
        self.place(path)?.clear()
    }

    /// The names in the directory `path`, sorted.
    ///
    /// # Errors
    /// It is no directory, or cannot be read.
    pub fn names(&self, path: &Path) -> Result<Vec<OsString>, TreeError> {
        let directory = self.open_directory(&inside(path)?)?;
        let read = || -> Result<Vec<OsString>, Errno> {
            // An open path alone cannot be read.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let readable = rustix::fs::openat(&directory, ".", flags, Mode::empty())?;
            let entries = rustix::fs::Dir::new(readable)?;
            let names = entries.map(|entry| Ok(entry?.file_name().to_owned()));
            let names: Vec<CString> = names.collect::<Result<_, Errno>>()?;
            let names = names.into_iter().map(CString::into_bytes);
            let names = names.filter(|name| name != b"." && name != b"..");
            Ok(names.map(OsString::from_vec).collect())
        };
        let mut names = read().map_err(|e| fail("list", path, e))?;
        names.sort();
        Ok(names)
    }

    /// Where the directory `path` is, relative to the root, with all links followed within it.
    ///
    /// # Errors
    /// It is no directory.
    #[expect(
        clippy::disallowed_methods,
        reason = "asks the kernel where a descriptor leads"
    )]
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, TreeError> {
        let named = |fd: &OwnedFd| fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        let found = self.open_directory(&inside(path)?)?;
        let top = self.open_directory(Path::new(""))?;
        let names = named(&found).and_then(|found| Ok((found, named(&top)?)));
        let (found, top) = names.map_err(|e| fail("resolve", path, e))?;
        let relative = found.strip_prefix(&top).map(Path::to_owned);
        relative.map_err(|_| TreeError::Escape(path.to_owned()))
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
        let path = path.strip_prefix("/").unwrap_or(path);
        self.open_at(
            path,
            OFlags::PATH | OFlags::DIRECTORY,
            ResolveFlags::empty(),
        )
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
pub(super) fn inside(path: &Path) -> Result<PathBuf, TreeError> {
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
    times_of(metadata.mtime)
}

fn times_of(mtime: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime,
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
