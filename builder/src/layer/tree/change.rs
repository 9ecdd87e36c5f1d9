//! What becomes of things that are in a tree already: moved, rewritten, set back in time.

use std::{
    fs,
    io::{self, Read, Seek, Write},
    path::Path,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags},
    io::Errno,
};

use super::{Tree, TreeError, fail, inside, times_of};

impl Tree {
    /// Moves `from` to `to` of the tree `target`, which is on the same file system; a link itself, never
    /// what it leads to, and nothing that a link on the way leads to. Returns whether it was there.
    ///
    /// # Errors
    /// Something is in the way, or a system call fails.
    pub fn move_to(&self, from: &Path, target: &Self, to: &Path) -> Result<bool, TreeError> {
        let Some(source) = self.place_without_links(from)? else {
            return Ok(false);
        };
        let target = target.place(to)?;
        let (old, new) = (&source.parent, &target.parent);
        match rustix::fs::renameat(old, &source.name, new, &target.name) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(fail("move", from, errno)),
        }
    }

    /// Changes the text of the file `path` in place, so that mode and owner stay; does nothing where no
    /// regular file is, or a link.
    ///
    /// # Errors
    /// Bytes that are no UTF-8, or a system call fails.
    pub fn rewrite(&self, path: &Path, change: fn(&str) -> String) -> Result<(), TreeError> {
        let Some(place) = self.place_without_links(path)? else {
            return Ok(());
        };
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&place.parent, &place.name, flags, Mode::empty()) {
            Ok(file) => fs::File::from(file),
            // Nothing, a link, a directory, a pipe or device that nobody serves.
            Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Ok(()),
            Err(errno) => return Err(fail("open", path, errno)),
        };
        rewrite(file, change).map_err(|e| fail("rewrite", path, e))
    }

    /// Sets the times of `path`, a link itself; the top for an empty path.
    ///
    /// # Errors
    /// A system call fails.
    pub fn set_time(&self, path: &Path, mtime: i64) -> Result<(), TreeError> {
        let handle = self.handle(path)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, handle.path(), &times_of(mtime), flags)
            .map_err(|e| fail("set the time of", path, e))
    }

    /// Sets the mode of the top of the tree.
    ///
    /// # Errors
    /// A system call fails.
    pub fn set_mode_of_top(&self, mode: u32) -> Result<(), TreeError> {
        let top = Path::new("");
        let mode = Mode::from_raw_mode(mode);
        rustix::fs::chmodat(&self.root, ".", mode, AtFlags::empty())
            .map_err(|e| fail("set the mode of", top, e))
    }

    /// Takes an extended attribute from `path`, a link itself.
    ///
    /// # Errors
    /// It has none of that name, or a system call fails.
    pub fn remove_attribute(&self, path: &Path, name: &[u8]) -> Result<(), TreeError> {
        rustix::fs::lremovexattr(self.handle(&inside(path)?)?.path(), name)
            .map_err(|e| fail("drop an attribute of", path, e))
    }
}

fn rewrite(mut file: fs::File, change: fn(&str) -> String) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let text = change(&text);
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}
