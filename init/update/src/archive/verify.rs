//! Whether an archive is what was written, and good for a restore.

use std::io::{self, Read};

use bedplate_contract::backup::{Backup, Content, Manifest};
use bedplate_sys::file;

use super::{ArchiveError, Shelf, shelf::damaged_unless, source, stream::Tally, tree};

/// Reads the archive against its manifest, then lets the backup's command look at it; without one it
/// is unpacked to nowhere.
///
/// # Errors
/// Any [`ArchiveError`]: damaged, or refused by the command.
pub fn verify(backup: &Backup, archive: &Manifest) -> Result<(), ArchiveError> {
    check_digest(backup, archive)?;
    let mut content = Tally::new(open(backup, archive)?);
    let failed = |error| ArchiveError::Stream("reading", error);
    match &backup.content {
        Content::Commands {
            verify: Some(verify),
            ..
        } => return source::feed(verify, &mut content),
        Content::Commands { .. } => {
            io::copy(&mut content, &mut io::sink()).map_err(failed)?;
        }
        Content::Directory(_) => tree::check(&mut content).map_err(failed)?,
    }
    let (bytes, ..) = content.finish();
    let what = "bytes of content";
    damaged_unless(archive, what, (archive.content_bytes, bytes))
}

fn check_digest(backup: &Backup, archive: &Manifest) -> Result<(), ArchiveError> {
    let mut file = Tally::new(open_file(backup, archive)?);
    let read = io::copy(&mut file, &mut io::sink());
    read.map_err(|error| ArchiveError::Stream("reading", error))?;
    let (bytes, sha256, _) = file.finish();
    damaged_unless(archive, "bytes", (archive.bytes, bytes))?;
    damaged_unless(archive, "the digest", (archive.sha256, sha256))
}

/// The content of an archive.
pub(super) fn open(backup: &Backup, archive: &Manifest) -> Result<impl Read + use<>, ArchiveError> {
    let decoder = zstd::Decoder::new(open_file(backup, archive)?);
    decoder.map_err(|error| ArchiveError::Stream("reading", error))
}

fn open_file(backup: &Backup, archive: &Manifest) -> Result<std::fs::File, ArchiveError> {
    let path = Shelf::of(backup).data(&archive.archive);
    file::open_regular(&path).map_err(ArchiveError::file("opening", &path))
}
