//! A verified bundle → the inactive slot and its loader entry.
//!
//! Every step can be cut short at any point and run again: the entry is cleared before the first
//! byte of the slot is written and appears with the last write of all, and what the slot holds
//! already is known by its digest and neither fetched nor written again.

mod disk;
mod frames;
mod root;
mod target;
mod tree;
mod uki;
mod verify;

use bedplate_contract::{BundleManifest, EntryName, frames::IndexError};

pub use disk::{Disk, Entries};
pub use frames::index as frame_index;
pub use target::{Part, Target, TargetError};

use crate::{
    progress::Progress,
    source::{Source, SourceError},
};

/// Bytes that are read, hashed and written at once where there are no frames.
const CHUNK: usize = 1 << 20;

/// What staging did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes that came from the source, the documents left out.
    pub fetched: u64,
    /// Bytes that were written to slot and ESP.
    pub written: u64,
    /// Pieces of root image that the bundle has.
    pub pieces: u64,
    /// Pieces that one of the slots held already.
    pub reused: u64,
}

/// A bundle that was not staged. Nothing boots from what was written; run it again to go on.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The source.
    #[error("fetching the {what}")]
    Source {
        /// What was fetched.
        what: &'static str,
        /// Cause.
        source: SourceError,
    },
    /// The frame index is none, or another one's.
    #[error("reading the frame index of the bundle")]
    Index(#[from] IndexError),
    /// The frame index contradicts the manifest.
    #[error("the frame index has {found} bytes of {what}, the manifest {expected}")]
    Contradiction {
        /// `root image` or `frames`.
        what: &'static str,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes by the index.
        found: u64,
    },
    /// A frame that does not unpack to its piece.
    #[error("frame {number} of the root image does not unpack to {expected} bytes")]
    Frame {
        /// Its place, from 0.
        number: usize,
        /// Bytes of the piece.
        expected: usize,
    },
    /// A UKI that is no program.
    #[error("the UKI of the bundle is no EFI program: it does not begin with `MZ`")]
    NoProgram,
    /// Slot or ESP.
    #[error("writing the bundle")]
    Target(#[from] TargetError),
    /// The medium gives back other bytes than were written.
    #[error("{part} gives back other bytes than were written: {why}; the medium may be failing")]
    ReadBack {
        /// What was read back.
        part: Part,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody fetches any more: its thread ended without a word.
    #[error("fetching the root image ended early")]
    Ended,
}

/// Writes the bundle of `manifest`, which was admitted, to the target.
///
/// # Errors
/// Any [`StageError`]. Unless it returned `Ok`, no loader entry starts the slot.
pub fn stage(
    manifest: &BundleManifest,
    source: &mut dyn Source,
    target: &mut dyn Target,
    progress: &mut Progress<'_>,
) -> Result<Tally, StageError> {
    let mut tally = Tally::default();
    let index = frames::fetch(manifest, source, &mut tally)?;
    // From here to the commit of the entry, what the machine can boot is the running version.
    // A crash before this leaves the other slot as it was, with its entry; after it, without.
    target.clear_entries()?;
    let missing = root::reuse(&manifest.root, &index, target, progress, &mut tally)?;
    root::fetch(
        &manifest.root,
        &missing,
        source,
        target,
        progress,
        &mut tally,
    )?;
    target.flush(Part::Root)?;
    tree::write(&manifest.verity, source, target, progress, &mut tally)?;
    target.flush(Part::Tree)?;
    verify::slot(manifest, target, progress)?;
    let entry = EntryName::fresh(&manifest.name, &manifest.version);
    uki::install(&entry, &manifest.uki, source, target, progress, &mut tally)?;
    Ok(tally)
}

/// The size of the next chunk of a part of `size` bytes whose first `done` are done.
fn chunk(done: u64, size: u64) -> usize {
    let left = usize::try_from(size.saturating_sub(done)).unwrap_or(CHUNK);
    left.min(CHUNK)
}
