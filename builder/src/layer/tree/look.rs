//! What is in a tree: nothing outside of it is ever read, whatever links a package planted.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use super::{Kind, Metadata, Place, Tree, TreeError, fail, inside};

/// Most bytes of the names of the extended attributes of one file (xattr(7), `XATTR_LIST_MAX`).
const MOST_ATTRIBUTES: usize = 65_536;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Mode, owner and time.
    pub metadata: Metadata,
}

impl Tree {
    /// The bytes of the file `path`, links on the way and at its end followed within the tree; `None`
    /// when nothing is there.
    ///
    /// # Errors
    /// It is no regular file, or a system call fails.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, TreeError> {
        // A pipe would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Some(fd) = self.open_if_there(path, flags)? else {
            return Ok(None);
        };
        let read = || -> io::Result<Vec<u8>> {
            let mut file = fs::File::from(fd);
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is no regular file"));
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map(Some).map_err(|e| fail("read", path, e))
    }

    /// As [`Self::read`], as text.
    ///
    /// # Errors
    /// As [`Self::read`]; bytes that are no UTF-8.
    pub fn read_text(&self, path: &Path) -> Result<Option<String>, TreeError> {
        let text = self.read(path)?.map(String::from_utf8).transpose();
        text.map_err(|error| fail("read", path, io::Error::other(error)))
    }

    /// Whether something is at `path`, links followed within the tree.
    ///
    /// # Errors
    /// A system call fails.
    pub fn exists(&self, path: &Path) -> Result<bool, TreeError> {
        let found = self.open_if_there(path, OFlags::PATH | OFlags::CLOEXEC)?;
        Ok(found.is_some())
    }

    /// What is at `path`, a link itself; `None` when nothing is. Makes nothing, unlike [`Self::kind`].
    ///
    /// # Errors
    /// A system call fails.
    pub fn look(&self, path: &Path) -> Result<Option<Found>, TreeError> {
        match self.there(path)? {
            Some(place) => place.look(),
            None => Ok(None),
        }
    }

    /// As [`Self::look`], where nothing is behind a link on the way.
    ///
    /// # Errors
    /// A system call fails.
    pub fn look_without_links(&self, path: &Path) -> Result<Option<Found>, TreeError> {
        match self.place_without_links(path)? {
            Some(place) => place.look(),
            None => Ok(None),
        }
    }

    /// When `path` was last changed, a link itself, in seconds since 1970; the top for an empty path.
    ///
    /// # Errors
    /// A system call fails.
    pub fn time(&self, path: &Path) -> Result<i64, TreeError> {
        let found = rustix::fs::lstat(self.handle(path)?.path());
        let found = found.map_err(|e| fail("look at", path, e))?;
        Ok(found.st_mtime)
    }

    /// The text of the link `path`; `None` when there is no link.
    ///
    /// # Errors
    /// A system call fails.
    pub fn link_text(&self, path: &Path) -> Result<Option<PathBuf>, TreeError> {
        let Some(place) = self.there(path)? else {
            return Ok(None);
        };
        match rustix::fs::readlinkat(&place.parent, &place.name, Vec::new()) {
            Ok(text) => Ok(Some(OsString::from_vec(text.into_bytes()).into())),
            Err(Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(errno) => Err(fail("read the link", path, errno)),
        }
    }

    /// What is in the directory `path`, sorted by name; nothing when there is no directory, or a link.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn entries(&self, path: &Path) -> Result<Vec<(PathBuf, Kind)>, TreeError> {
        let path = inside(path)?;
        let is_top = path.as_os_str().is_empty();
        let is_directory = |found: Found| found.kind == Kind::Directory;
        if !is_top && !self.look(&path)?.is_some_and(is_directory) {
            return Ok(Vec::new());
        }
        let entries = self.names(&path)?.into_iter().filter_map(|name| {
            let path = path.join(name);
            let found = self.look(&path).transpose()?;
            Some(found.map(|found| (path, found.kind)))
        });
        entries.collect()
    }

    /// The names of the extended attributes of `path`, a link itself; sorted. A file system without
    /// attributes has none.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn attributes(&self, path: &Path) -> Result<Vec<Vec<u8>>, TreeError> {
        let mut names = vec![0_u8; MOST_ATTRIBUTES];
        let length = match rustix::fs::llistxattr(self.handle(path)?.path(), &mut names[..]) {
            Err(Errno::OPNOTSUPP) => 0,
            other => other.map_err(|e| fail("list the attributes of", path, e))?,
        };
        let split = names[..length].split(|&byte| byte == 0);
        let split = split.filter(|name| !name.is_empty());
        let mut found: Vec<Vec<u8>> = split.map(<[u8]>::to_vec).collect();
        found.sort();
        Ok(found)
    }

    /// The place of `path` when its directory is there; with no link on the way to it, for a walk that
    /// goes down real directories alone meets none, and what a package names by a link is not its own.
    pub(super) fn place_without_links(&self, path: &Path) -> Result<Option<Place>, TreeError> {
        self.find(path, ResolveFlags::NO_SYMLINKS)
    }

    fn there(&self, path: &Path) -> Result<Option<Place>, TreeError> {
        self.find(path, ResolveFlags::empty())
    }

    fn find(&self, path: &Path, more: ResolveFlags) -> Result<Option<Place>, TreeError> {
        let path = inside(path)?;
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(TreeError::Escape(path));
        };
        match self.open_at(parent, OFlags::PATH | OFlags::DIRECTORY, more) {
            Ok(parent) => Ok(Some(Place {
                parent,
                name: name.to_owned(),
                path,
            })),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(fail("open the directory", parent, errno)),
        }
    }

    fn open_if_there(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>, TreeError> {
        match self.open_at(&inside(path)?, flags, ResolveFlags::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(fail("open", path, errno)),
        }
    }

    pub(super) fn open_at(
        &self,
        path: &Path,
        flags: OFlags,
        more: ResolveFlags,
    ) -> Result<OwnedFd, Errno> {
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    /// A path of this process that leads to `path` and to nothing else.
    pub(super) fn handle(&self, path: &Path) -> Result<Handle, TreeError> {
        let path = inside(path)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        Ok(Handle {
            directory: self.open_directory(parent)?,
            name: path.file_name().unwrap_or_default().to_owned(),
        })
    }
}

/// An open directory and a name in it, for system calls that take nothing but a path.
#[derive(Debug)]
pub(super) struct Handle {
    directory: OwnedFd,
    name: OsString,
}

impl Handle {
    pub(super) fn path(&self) -> PathBuf {
        let directory = format!("/proc/self/fd/{}", self.directory.as_raw_fd());
        match self.name.is_empty() {
            // Links are not followed at the end of a path, and this one is a link.
            true => Path::new(&directory).join("."),
            false => Path::new(&directory).join(&self.name),
        }
    }
}

impl Place {
    fn look(&self) -> Result<Option<Found>, TreeError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let found = match rustix::fs::statat(&self.parent, &self.name, flags) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(fail("look at", &self.path, errno)),
        };
        let metadata = Metadata {
            mode: found.st_mode & 0o7777,
            uid: found.st_uid,
            gid: found.st_gid,
            mtime: found.st_mtime,
        };
        let kind = Kind::of(FileType::from_raw_mode(found.st_mode));
        Ok(Some(Found { kind, metadata }))
    }
}
