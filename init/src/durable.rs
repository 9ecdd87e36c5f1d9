//! The one way in which the host writes a file that must survive a power cut.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A file that was not written; the one before it, if any, is whole.
#[derive(Debug, thiserror::Error)]
#[error("writing `{path}`")]
pub struct DurableError {
    path: PathBuf,
    source: io::Error,
}

/// Puts `bytes` at `path` with the permission bits `mode`, whole or not at all.
///
/// The bytes are on the medium before the name points at them, and the name is before this returns.
/// A crash before the rename leaves the old file and a `.new` beside it, which the next write of
/// the same file takes away. It is made exclusively: nothing that lies in its place is opened. For a
/// directory that a service owns there is [`bedplate_sys::beneath`].
///
/// # Errors
/// Whatever the file system says, with the path.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    write_new(path, bytes, mode).map_err(|source| DurableError {
        path: path.to_owned(),
        source,
    })
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = beside(path).ok_or(io::ErrorKind::InvalidInput)?;
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    // 0600 until it is whole: a secret is never readable under its first name.
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_parent(path)
}

/// Waits until the names in the directory of `path` are on the medium.
///
/// # Errors
/// As open(2) and fsync(2).
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(parent)?.sync_all()
}

fn beside(path: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name()?);
    name.push(".new");
    Some(path.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        // A crash's leftover is no obstacle.
        fs::write(directory.path().join(".a.new"), "torn").unwrap();
        for (bytes, mode) in [("one", 0o400), ("two", 0o644)] {
            write(&path, bytes.as_bytes(), mode).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
            let found = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_lies_in_its_place_is_not_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "old").unwrap();
        for name in [".a.new", "a"] {
            std::os::unix::fs::symlink(&victim, directory.path().join(name)).unwrap();
        }
        let path = directory.path().join("a");
        write(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "old");
        assert!(fs::symlink_metadata(path).unwrap().is_file());
    }

    #[test]
    fn the_path_is_named() {
        let error = write(Path::new("/no/such/file"), b"", 0o600).unwrap_err();
        assert_eq!(error.to_string(), "writing `/no/such/file`");
        assert!(write(Path::new("/"), b"", 0o600).is_err());
    }
}
