//! A service's log on disk: appended to, rotated by size, given up when the disk fails.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bedplate_contract::appliance::Log as Rotation;
use bedplate_sys::beneath::{self, Owner};

/// Root's and the service's group's: what a service prints is no other's business.
const MODE: u32 = 0o640;

/// Milliseconds after which a log that could not be written is tried again.
const AGAIN_MS: u64 = 60_000;

/// `<service>.log`, with `<service>.log.1` and so on behind it.
///
/// A log is no promise: it is not synced, and a failing disk costs lines on disk, never the ring.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// The group that may read it.
    gid: u32,
    max_bytes: u64,
    keep: u32,
    open: Option<(File, u64)>,
    again: u64,
}

impl LogFile {
    /// Files of an older version, which all could read, are closed to others here; those of a failing
    /// disk are not, and lie in a directory that is.
    pub fn new(path: PathBuf, gid: u32, rotation: &Rotation) -> Self {
        let older = (1..=rotation.keep).map(|number| numbered(&path, number));
        for path in older.chain([path.clone()]).filter(|path| path.exists()) {
            let _ = fs::set_permissions(path, Permissions::from_mode(MODE));
        }
        Self {
            path,
            gid,
            max_bytes: rotation.max_bytes,
            keep: rotation.keep,
            open: None,
            again: 0,
        }
    }

    /// Appends the lines, if the disk takes them.
    pub fn append(&mut self, lines: &[String], now: u64) {
        if lines.is_empty() || now < self.again {
            return;
        }
        let mut text = lines.join("\n");
        text.push('\n');
        if self.write(text.as_bytes()).is_err() {
            // Full or gone: said once more in a minute. The ring has the lines.
            self.open = None;
            self.again = now.saturating_add(AGAIN_MS);
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let (mut file, mut size) = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if size > 0 && size.saturating_add(text.len() as u64) > self.max_bytes {
            self.rotate()?;
            (file, size) = self.open()?;
        }
        file.write_all(text)?;
        self.open = Some((file, size.saturating_add(text.len() as u64)));
        Ok(())
    }

    fn open(&self) -> io::Result<(File, u64)> {
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let place = (directory, Path::new(name));
        let file = beneath::append(place, (MODE, Owner::own(Some(self.gid))))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// Renames from the oldest on; the one past `keep` is overwritten.
    fn rotate(&self) -> io::Result<()> {
        if self.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            let from = numbered(&self.path, number);
            if from.exists() {
                fs::rename(from, numbered(&self.path, number + 1))?;
            }
        }
        fs::rename(&self.path, numbered(&self.path, 1))
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn files_are_rotated_by_size() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let rotation = Rotation {
            max_bytes: 10,
            keep: 2,
            lines_per_second: 1,
        };
        let gid = fs::metadata("/proc/self").unwrap().gid();
        // Of an older version.
        fs::write(numbered(&path, 1), "old").unwrap();
        let mut log = LogFile::new(path.clone(), gid, &rotation);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&numbered(&path, 1)), MODE);
        for line in ["one", "two", "three", "four", "five", "six"] {
            log.append(&[line.to_owned()], 0);
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "six\n");
        assert_eq!(read(&numbered(&path, 1)), "four\nfive\n");
        assert_eq!(read(&numbered(&path, 2)), "three\n");
        assert!(!numbered(&path, 3).exists());
        assert_eq!((mode(&path), mode(&numbered(&path, 2))), (MODE, MODE));
    }

    #[test]
    fn a_missing_directory_is_tried_again_later() {
        let rotation = Rotation {
            max_bytes: 10,
            keep: 2,
            lines_per_second: 1,
        };
        let mut log = LogFile::new(PathBuf::from("/nonexistent/a.log"), 0, &rotation);
        log.append(&["x".to_owned()], 5);
        assert_eq!(log.again, 5 + AGAIN_MS);
    }
}
