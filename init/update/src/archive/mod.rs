//! `bedplatectl archive`: the work of a backup, done by its service as its user.
//!
//! PID 1 runs one step of a backup at a time, so nothing here waits for another. What is archived goes
//! from a program or a directory through zstd into a file; its digest is taken on the way.

mod create;
mod error;
mod restore;
mod shelf;
mod source;
mod stream;
mod tree;
mod verify;

use std::time::{SystemTime, UNIX_EPOCH};

use bedplate_contract::{Appliance, backup::BackupStep, utc::Time};

pub use create::create;
pub use error::ArchiveError;
pub use restore::restore;
pub use shelf::{Listing, Shelf};
pub use verify::verify;

use crate::progress::mib;

/// One step of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// Name of the backup.
    pub backup: String,
    /// What is done.
    pub step: BackupStep,
    /// Archive that is verified or restored; absent: the newest.
    pub archive: Option<String>,
}

/// Does `errand`; returns a line that says what was done.
///
/// # Errors
/// Any [`ArchiveError`].
pub fn run(errand: &Errand, appliance: &Appliance) -> Result<String, ArchiveError> {
    let backup = appliance.backups.iter().find(|b| b.name == errand.backup);
    let backup = backup.ok_or_else(|| ArchiveError::Unknown(errand.backup.clone()))?;
    let shelf = Shelf::of(backup);
    let _lock = shelf.lock()?;
    match errand.step {
        BackupStep::Create => {
            let made = create(backup, appliance, now())?;
            let (bytes, content) = (mib(made.bytes), mib(made.content_bytes));
            let gone = shelf.prune(backup.keep_seconds, made.time)?;
            let archive = made.archive;
            let gone = match gone.len() {
                0 => String::new(),
                count => format!("; {count} past their time are deleted"),
            };
            Ok(format!("archive {archive}: {bytes} of {content}{gone}"))
        }
        BackupStep::Verify => {
            let archive = shelf.find(errand.archive.as_deref())?;
            verify(backup, &archive)?;
            let content = mib(archive.content_bytes);
            Ok(format!("archive {} is good: {content}", archive.archive))
        }
        BackupStep::Restore => {
            let archive = shelf.find(errand.archive.as_deref())?;
            restore(backup, &archive)?;
            Ok(format!("archive {} is restored", archive.archive))
        }
    }
}

/// The wall clock; a clock before 1970 shows its start.
fn now() -> Time {
    let shown = SystemTime::now().duration_since(UNIX_EPOCH);
    Time::new(shown.map_or(0, |shown| shown.as_secs()))
}
