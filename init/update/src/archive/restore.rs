//! Putting an archive back.

use std::path::Path;

use bedplate_contract::backup::{Backup, Content, Manifest};

use super::{
    ArchiveError, source, tree,
    verify::{self, verify},
};

/// Verifies the archive, then lets the backup's command read it, or puts its directory in place of what
/// is there.
///
/// # Errors
/// Any [`ArchiveError`]; an archive that does not verify changes nothing.
pub fn restore(backup: &Backup, archive: &Manifest) -> Result<(), ArchiveError> {
    verify(backup, archive)?;
    let mut content = verify::open(backup, archive)?;
    match &backup.content {
        Content::Commands { restore, .. } => source::feed(restore, &mut content),
        Content::Directory(path) => tree::unpack(Path::new(path), &mut content),
    }
}
