//! The disk image: table, ESP, slot A; everything else is a hole.
//!
//! Slot B, meta and state stay zero: the first upgrade and the first boot fill them.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use bedplate_contract::Digest;

use super::{
    error::DiskError,
    esp, gpt,
    guid::Guid,
    layout::{Layout, Placed},
    output::{self, WriteError},
};

/// What the partitions hold.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// File of the root image.
    pub root: &'a Path,
    /// File of its hash tree.
    pub tree: &'a Path,
    /// Files of the ESP.
    pub esp: esp::Content<'a>,
    /// dm-verity root hash of the root image.
    pub root_hash: &'a Digest,
}

impl Parts<'_> {
    /// Bytes that are no holes, but for the tables.
    fn size(&self) -> io::Result<u64> {
        let files = [self.root, self.tree].map(|path| Ok(fs::metadata(path)?.len()));
        let files = files.into_iter().sum::<io::Result<u64>>()?;
        Ok(files + self.esp.size())
    }
}

/// Writes the disk `layout` with `parts` to the new file `path`, sparse.
///
/// # Errors
/// The ESP is too small for three UKIs, which is found before anything is written; no space.
pub fn write(path: &Path, layout: &Layout, parts: &Parts<'_>) -> Result<(), DiskError> {
    let [esp, slot, slot_tree, ..] = layout.partitions;
    parts.esp.check_room(esp.size)?;
    let needed = parts.size().map_err(|e| WriteError::new(path, 0, e))?;
    let failed = |source| WriteError::new(path, needed, source);
    let disk = create(path, layout.size).map_err(failed)?;
    let content = Digest::of(parts.esp.uki);
    write_esp(&disk, esp, parts, &content).map_err(failed)?;
    output::copy_sparse(parts.root, &disk, slot.start).map_err(failed)?;
    output::copy_sparse(parts.tree, &disk, slot_tree.start).map_err(failed)?;
    let identity = gpt::Identity {
        root_hash: parts.root_hash,
        content: &content,
    };
    Ok(gpt::write(&disk, layout, identity)?)
}

/// Readable too, for the partition table measures the disk.
fn create(path: &Path, size: u64) -> io::Result<File> {
    let mut options = File::options();
    let disk = options.read(true).write(true).create_new(true).open(path)?;
    disk.set_len(size)?;
    Ok(disk)
}

fn write_esp(disk: &File, place: Placed, parts: &Parts<'_>, content: &Digest) -> io::Result<()> {
    let [a, b, c, d, ..] = Guid::derive("esp", content).bytes();
    let volume_id = u32::from_be_bytes([a, b, c, d]);
    esp::write(disk, place, volume_id, &parts.esp)
}
