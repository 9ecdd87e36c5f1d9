//! Directories that live no longer than what makes them, even when that is killed.
//!
//! The maker holds a lock (flock(2)) on the directory; the kernel drops it with the process. A
//! directory without a lock is therefore a leftover, whoever made it and however long ago. Between
//! making and locking, the parent directory is locked, so that nobody sweeps in between.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use tempfile::TempDir;

/// A directory of this process, removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    _held: File,
}

impl Scratch {
    /// Makes an empty directory in `parent` whose name starts with `prefix`.
    ///
    /// # Errors
    /// `parent` cannot be locked or written.
    pub fn new_in(parent: &Path, prefix: &str) -> io::Result<Self> {
        let _nobody_sweeps = lock_directory(parent)?;
        let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
        let held = lock_directory(directory.path())?;
        Ok(Self {
            directory,
            _held: held,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Gives the directory the name `target`, where nothing is or an empty directory; on an error
    /// it is removed.
    ///
    /// # Errors
    /// The rename fails.
    pub fn move_to(self, target: &Path) -> io::Result<()> {
        fs::rename(self.path(), target)?;
        // It is not where it was, so there is nothing to remove.
        let _moved = self.directory.keep();
        Ok(())
    }
}

/// Removes the directories in `parent` that start with `prefix` and whose makers are gone.
///
/// What cannot be removed stays for somebody who may: a leftover takes space, no more.
///
/// # Errors
/// `parent` cannot be locked or listed.
pub fn sweep(parent: &Path, prefix: &str) -> io::Result<()> {
    let _nobody_makes = lock_directory(parent)?;
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let ours = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes());
        if ours && is_abandoned(&entry.path()) {
            let _stays = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Whether nobody holds the directory; one that is gone meanwhile is somebody's who removed it.
fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|directory| directory.try_lock().is_ok())
}

/// Locks a directory (flock(2)) until what is returned is dropped; waits for whoever holds it.
///
/// # Errors
/// As open(2) and flock(2).
pub fn lock_directory(path: &Path) -> io::Result<File> {
    let directory = File::open(path)?;
    directory.lock()?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_swept() {
        let parent = tempfile::tempdir().unwrap();
        for name in [".new-left", "other"] {
            fs::create_dir_all(parent.path().join(name).join("below")).unwrap();
        }
        let held = Scratch::new_in(parent.path(), ".new-").unwrap();
        sweep(parent.path(), ".new-").unwrap();
        assert!(held.path().is_dir());
        assert!(parent.path().join("other/below").is_dir());
        assert!(!parent.path().join(".new-left").exists());
    }

    #[test]
    fn it_is_moved_whole_or_removed() {
        let parent = tempfile::tempdir().unwrap();
        let [target, missing] = ["target", "missing/target"].map(|name| parent.path().join(name));
        for (target, moved) in [(&target, true), (&missing, false)] {
            let scratch = Scratch::new_in(parent.path(), ".new-").unwrap();
            fs::write(scratch.path().join("file"), "text").unwrap();
            assert_eq!(scratch.move_to(target).is_ok(), moved);
            assert_eq!(target.join("file").exists(), moved);
        }
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
