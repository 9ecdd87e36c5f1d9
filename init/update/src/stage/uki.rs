//! The UKI, whose first sector is the last write of all.

use bedplate_contract::{Digest, EntryName, bundle::Content};
use bedplate_init::esp::HEAD;
use sha2::{Digest as _, Sha256};

use super::{Part, StageError, Tally, Target, chunk};
use crate::{
    progress::Progress,
    source::{Source, SourceError},
};

/// Writes the UKI under its final name, without its head; reads it back; writes the head.
pub fn install(
    entry: &EntryName,
    uki: &Content,
    source: &mut dyn Source,
    target: &mut dyn Target,
    progress: &mut Progress<'_>,
    tally: &mut Tally,
) -> Result<(), StageError> {
    progress.begin("installing the UKI", uki.size);
    source.open(&uki.digest, 0..uki.size).map_err(failed)?;
    let head = read_head(uki, source)?;
    // A crash from here to the commit leaves a file without `MZ`, which is no entry; the next run
    // clears it.
    target.begin_entry(entry)?;
    copy(uki, &head, source, target, progress)?;
    tally.fetched += uki.size;
    tally.written += uki.size;
    target.flush(Part::Entry)?;
    read_back(uki, &head, target)?;
    // The commit: before it the machine boots the running version, after it this one.
    target.commit_entry(&head)?;
    Ok(())
}

fn failed(source: SourceError) -> StageError {
    StageError::Source {
        what: "UKI",
        source,
    }
}

fn read_head(uki: &Content, source: &mut dyn Source) -> Result<[u8; HEAD], StageError> {
    let mut head = [0; HEAD];
    if uki.size < HEAD as u64 {
        return Err(StageError::NoProgram);
    }
    source.read(&mut head).map_err(failed)?;
    match head.starts_with(b"MZ") {
        true => Ok(head),
        false => Err(StageError::NoProgram),
    }
}

/// Writes zeros for the head and the rest as it comes; checks the digest of what came.
fn copy(
    uki: &Content,
    head: &[u8; HEAD],
    source: &mut dyn Source,
    target: &mut dyn Target,
    progress: &mut Progress<'_>,
) -> Result<(), StageError> {
    let mut hash = Sha256::new_with_prefix(head);
    target.write(Part::Entry, 0, &[0; HEAD])?;
    let mut done = HEAD as u64;
    let mut buffer = vec![0; chunk(done, uki.size)];
    while done < uki.size {
        let bytes = buffer.get_mut(..chunk(done, uki.size)).unwrap_or_default();
        source.read(bytes).map_err(failed)?;
        hash.update(&*bytes);
        target.write(Part::Entry, done, bytes)?;
        done += bytes.len() as u64;
        progress.advance(bytes.len() as u64);
    }
    let (found, expected) = (Digest::from_bytes(hash.finalize().into()), uki.digest);
    match found == expected {
        true => Ok(()),
        false => Err(failed(SourceError::Digest { expected, found })),
    }
}

fn read_back(uki: &Content, head: &[u8; HEAD], target: &mut dyn Target) -> Result<(), StageError> {
    let mut hash = Sha256::new_with_prefix(head);
    let mut done = HEAD as u64;
    let mut buffer = vec![0; chunk(done, uki.size)];
    while done < uki.size {
        let bytes = buffer.get_mut(..chunk(done, uki.size)).unwrap_or_default();
        target.read(Part::Entry, done, bytes)?;
        hash.update(&*bytes);
        done += bytes.len() as u64;
    }
    let (found, expected) = (Digest::from_bytes(hash.finalize().into()), uki.digest);
    match found == expected {
        true => Ok(()),
        false => Err(StageError::ReadBack {
            part: Part::Entry,
            why: format!("expected {expected}, found {found}"),
        }),
    }
}
