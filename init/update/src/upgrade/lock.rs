//! One upgrade at a time.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A lock that is not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("another upgrade is under way; it holds `{}`", .0.display())]
    Taken(PathBuf),
    /// The file.
    #[error("locking `{path}`")]
    File {
        /// The lock.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
}

/// Held until it is dropped, or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is the open file")] File);

/// Takes the lock, without waiting.
///
/// # Errors
/// Any [`LockError`].
pub fn take(path: &Path) -> Result<Lock, LockError> {
    let failed = |source| LockError::File {
        path: path.to_owned(),
        source,
    };
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(LockError::Taken(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_upgrade_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = take(&path).unwrap();
        let words = take(&path).unwrap_err().to_string();
        assert!(words.starts_with("another upgrade is under way"), "{words}");
        drop(first);
        take(&path).unwrap();
        let missing = take(Path::new("/no/such/lock")).unwrap_err();
        assert_eq!(missing.to_string(), "locking `/no/such/lock`");
    }
}
