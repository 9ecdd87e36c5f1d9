//! A layout as one uncompressed tar: what tools call an `oci-archive`.
//!
//! Markers and index stand first, then the blobs by their names, so that the same layout gives the
//! same bytes. Nothing is compressed or padded within, so a reader finds each blob by its offset,
//! also on a raw block device; the size is a multiple of 512 (POSIX pax, "ustar Interchange Format").

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

use bedplate_contract::{Digest, oci};
use oci_spec::image::Descriptor;
use tar::{Builder, EntryType, Header};

use super::{Layout, MARKER, MARKER_NAME, OciError, document};
use crate::{layer::EPOCH, store::fresh_file};

/// Writes the index of `layout` and the blobs `reachable` to the file `to`, in place of what is
/// there: whole, or not at all.
///
/// # Errors
/// A blob that is not what its descriptor says; no space.
pub fn write_archive(
    layout: &Layout,
    reachable: &[&Descriptor],
    to: &Path,
) -> Result<(), OciError> {
    let failed = |source| OciError::write(to, source);
    let parent = to.parent().filter(|path| !path.as_os_str().is_empty());
    let mut file = fresh_file(parent.unwrap_or(Path::new("."))).map_err(failed)?;
    let mut archive = Builder::new(BufWriter::new(file.as_file_mut()));
    let index = document("index", &layout.index()?)?;
    for (name, bytes) in [(MARKER_NAME, MARKER), (oci::INDEX, &index)] {
        append(&mut archive, name, bytes.len() as u64, &mut &*bytes).map_err(failed)?;
    }
    for (digest, size) in sorted(reachable)? {
        add_blob(&mut archive, layout, &digest, size, to)?;
    }
    let flushed = archive.into_inner().and_then(|mut file| file.flush());
    flushed.map_err(failed)?;
    // A crash before the rename leaves what was there, one after it the whole archive.
    let keep = || -> io::Result<()> {
        file.as_file().sync_all()?;
        file.persist(to)?;
        Ok(())
    };
    keep().map_err(failed)
}

/// The blobs, each once, by their names.
fn sorted(reachable: &[&Descriptor]) -> Result<BTreeMap<Digest, u64>, OciError> {
    let blob = |descriptor: &&Descriptor| Ok((super::digest(descriptor)?, descriptor.size()));
    reachable.iter().map(blob).collect()
}

fn add_blob<W: Write>(
    archive: &mut Builder<W>,
    layout: &Layout,
    digest: &Digest,
    size: u64,
    to: &Path,
) -> Result<(), OciError> {
    // Checked before it is written: the archive has no place for a damaged one.
    layout.copy(digest, size, &mut io::sink())?;
    let mut blob = layout.open_blob(digest)?;
    append(archive, &oci::blob(digest), size, &mut blob)
        .map_err(|source| OciError::write(to, source))
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    name: &str,
    size: u64,
    bytes: &mut dyn Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(EPOCH).unwrap_or_default());
    archive.append_data(&mut header, name, bytes)
}
