//! Making an archive.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use bedplate_contract::{
    Appliance, Digest, SchemaVersion,
    backup::{Backup, Content, Manifest, archive_name},
    utc::Time,
};
use bedplate_init::durable;

use super::{ArchiveError, Shelf, source, stream::Tally, tree};

/// zstd's own default: dumps shrink to a fifth at the speed of a disk.
const LEVEL: i32 = 3;

/// What was written.
struct Written {
    content_bytes: u64,
    bytes: u64,
    sha256: Digest,
}

/// Makes an archive of `backup` that bears the time `time`; what earlier ones left half made is swept
/// away first.
///
/// Nothing that is there is touched by a failure. Power cut before the manifest is written leaves what
/// the next one sweeps away.
///
/// # Errors
/// Any [`ArchiveError`]; the half archive is removed.
pub fn create(
    backup: &Backup,
    appliance: &Appliance,
    time: Time,
) -> Result<Manifest, ArchiveError> {
    let shelf = Shelf::of(backup);
    shelf.sweep()?;
    let archive = archive_name(time);
    let (part, data) = (shelf.part(&archive), shelf.data(&archive));
    if data.exists() {
        return Err(ArchiveError::Exists(archive));
    }
    let written = write(backup, &part).inspect_err(|_| {
        // A file that cannot be removed is swept away next time.
        let _ = fs::remove_file(&part);
    })?;
    let named = fs::rename(&part, &data).and_then(|()| durable::sync_parent(&data));
    named.map_err(ArchiveError::file("naming", &data))?;
    let manifest = Manifest {
        schema: SchemaVersion,
        backup: backup.name.clone(),
        archive,
        image: appliance.name.clone(),
        version: appliance.version.clone(),
        time,
        content_bytes: written.content_bytes,
        bytes: written.bytes,
        sha256: written.sha256,
    };
    shelf.finish(&manifest)?;
    Ok(manifest)
}

fn write(backup: &Backup, part: &Path) -> Result<Written, ArchiveError> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(part);
    let file = file.map_err(ArchiveError::file("making", part))?;
    let (written, file) = compress(&backup.content, file)?;
    file.sync_all()
        .map_err(ArchiveError::file("syncing", part))?;
    Ok(written)
}

/// Content, compressed, to `sink`.
fn compress<W: Write>(content: &Content, sink: W) -> Result<(Written, W), ArchiveError> {
    let failed = |error: io::Error| ArchiveError::Stream("writing", error);
    let mut encoder = zstd::Encoder::new(Tally::new(sink), LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let mut counted = Tally::new(encoder);
    match content {
        Content::Commands { create, .. } => source::pour(create, &mut counted)?,
        Content::Directory(path) => tree::pack(Path::new(path), &mut counted)?,
    }
    let (content_bytes, _, encoder) = counted.finish();
    if let (Content::Commands { create, .. }, 0) = (content, content_bytes) {
        return Err(ArchiveError::Empty(
            create.first().cloned().unwrap_or_default(),
        ));
    }
    let (bytes, sha256, sink) = encoder.finish().map_err(failed)?.finish();
    let written = Written {
        content_bytes,
        bytes,
        sha256,
    };
    Ok((written, sink))
}
