//! What staging writes to: the seam at which tests inject faults.

use std::{fmt, io};

use bedplate_contract::EntryName;
use bedplate_init::esp::{EspError, HEAD};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The root partition of the inactive slot.
    Root,
    /// Its verity partition.
    Tree,
    /// The entry on the ESP, from [`Target::begin_entry`] on.
    Entry,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "the root partition",
            Self::Tree => "the verity partition",
            Self::Entry => "the entry on the ESP",
        })
    }
}

/// An effect that failed.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Reading or writing a partition.
    #[error("{what} {part} at byte {at}")]
    Slot {
        /// `reading`, `writing` or `flushing`.
        what: &'static str,
        /// Which.
        part: Part,
        /// First byte.
        at: u64,
        /// Cause.
        source: io::Error,
    },
    /// The ESP.
    #[error("using the ESP")]
    Esp(#[from] EspError),
    /// An entry is written that was not begun.
    #[error("no entry was begun")]
    NoEntry,
}

/// The inactive slot and the ESP. Each call is one effect.
pub trait Target {
    /// Removes every loader entry but those of the running version, durably.
    ///
    /// # Errors
    /// [`TargetError::Esp`].
    fn clear_entries(&mut self) -> Result<(), TargetError>;

    /// Fills `buffer` from `at`.
    ///
    /// # Errors
    /// Any [`TargetError`].
    fn read(&mut self, part: Part, at: u64, buffer: &mut [u8]) -> Result<(), TargetError>;

    /// Fills `buffer` from `at` of the running root; says whether there is so much of it.
    fn read_active(&mut self, at: u64, buffer: &mut [u8]) -> bool;

    /// Writes `bytes` at `at`; they are durable after [`Target::flush`].
    ///
    /// # Errors
    /// Any [`TargetError`].
    fn write(&mut self, part: Part, at: u64, bytes: &[u8]) -> Result<(), TargetError>;

    /// Waits until all that was written is on the medium; the next read asks the medium.
    ///
    /// # Errors
    /// Any [`TargetError`].
    fn flush(&mut self, part: Part) -> Result<(), TargetError>;

    /// Makes the file of the entry, which is none before [`Target::commit_entry`].
    ///
    /// # Errors
    /// [`TargetError::Esp`].
    fn begin_entry(&mut self, name: &EntryName) -> Result<(), TargetError>;

    /// Writes the head of the entry, which makes it one, durably.
    ///
    /// # Errors
    /// Any [`TargetError`].
    fn commit_entry(&mut self, head: &[u8; HEAD]) -> Result<(), TargetError>;
}
