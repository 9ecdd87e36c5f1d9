//! Who uses a store: any number of builds, or one that prunes it.
//!
//! A lock of the kernel (flock(2)) on `<root>/in-use`, which is gone with the process that holds it,
//! however that ends. Nobody takes it twice, so nobody waits for themselves.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// File of the lock.
const FILE: &str = "in-use";

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// With others.
    Build,
    /// Alone.
    Prune,
}

/// The lock of the store at `root`; says on stderr whom it waits for.
pub(super) fn lock(root: &Path, r#use: Use) -> io::Result<File> {
    let path = root.join(FILE);
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .or_else(|error| read_only(&path, error))?;
    let tried = match r#use {
        Use::Build => file.try_lock_shared(),
        Use::Prune => file.try_lock(),
    };
    match tried {
        Ok(()) => return Ok(file),
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => {}
    }
    let store = root.display();
    match r#use {
        Use::Build => {
            eprintln!("waiting for `cache prune` of the store `{store}`");
            file.lock_shared()?;
        }
        Use::Prune => {
            eprintln!("waiting for the builds and runs that use the store `{store}`");
            file.lock()?;
        }
    }
    Ok(file)
}

/// A store that others may only read has the file already.
fn read_only(path: &Path, error: io::Error) -> io::Result<File> {
    File::open(path).map_err(|_| error)
}
