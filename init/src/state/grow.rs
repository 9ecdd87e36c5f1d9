//! Growth: of the partition to its disk, of the file system to its partition.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bedplate_contract::{
    gpt::{self, Disk, Growth},
    layout,
};
use bedplate_sys::{block, xfs};

use super::StateError;
use crate::disk::Partition;

/// Bytes that hold the table on every disk: 34 sectors of 512 bytes, 6 of 4096.
const HEAD: usize = 64 * 1024;
/// What one write changes as a whole: a physical block of today's media.
const BLOCK: usize = 4096;
/// A file system that would gain less is left alone.
const WORTH: u64 = 1 << 20;

/// Gives the last partition the rest of its disk, when the disk is larger than the table says and
/// `partition` is the last.
///
/// # Errors
/// [`StateError::Table`]: nothing was written. [`StateError::Grow`]: see [`write`].
pub fn grow_partition(partition: &Partition) -> Result<(), StateError> {
    let path = Path::new("/dev").join(&partition.disk);
    let file = OpenOptions::new().read(true).write(true).open(&path);
    let file = file.map_err(failed(&path, "opening the disk"))?;
    let size = block::size(&file).map_err(failed(&path, "reading its size"))?;
    let sector = block::sector_size(&file).map_err(failed(&path, "reading its sector size"))?;
    let growth = plan(&file, &path, size, sector.into())?;
    let Some(growth) = growth.filter(|growth| growth.partition.number == partition.number) else {
        return Ok(());
    };
    write(&file, &growth, sector.into()).map_err(failed(&path, "writing the table"))?;
    let extent = growth.partition;
    let length = extent.last.saturating_add(1).saturating_sub(extent.first);
    let resized = block::Partition {
        number: extent.number,
        start: extent.first.saturating_mul(sector.into()),
        length: length.saturating_mul(sector.into()),
    };
    block::resize_partition(&file, resized).map_err(failed(&path, "telling the kernel"))
}

fn plan(file: &File, path: &Path, size: u64, sector: u64) -> Result<Option<Growth>, StateError> {
    let mut head = vec![0; HEAD];
    file.read_exact_at(&mut head, 0)
        .map_err(failed(path, "reading the table"))?;
    let disk = Disk {
        sector,
        sectors: size.checked_div(sector).unwrap_or(0),
        head: &head,
    };
    gpt::grow(&disk).map_err(|source| StateError::Table {
        disk: path.to_owned(),
        source,
    })
}

/// Writes the backup table, then the primary one.
///
/// A crash before or within the backup leaves the primary as it was, which points to the old backup;
/// the next boot begins again. A crash between the two leaves the same. Within the primary, header
/// and entry lie in the first 4 KiB of a disk of 512-byte sectors, which media write as one; where
/// one does not, firmware finds the backup at the end of the disk and restores the primary from it.
fn write(file: &File, growth: &Growth, sector: u64) -> io::Result<()> {
    let (at, backup) = &growth.backup;
    file.write_all_at(backup, at.saturating_mul(sector))?;
    file.sync_all()?;
    let mut old = vec![0; growth.head.len()];
    file.read_exact_at(&mut old, 0)?;
    let blocks = old.chunks(BLOCK).zip(growth.head.chunks(BLOCK));
    let changed = (0u64..).zip(blocks).filter(|(_, (old, new))| old != new);
    // The block with the header last: until then the old header refuses the new entries.
    let mut changed: Vec<_> = changed.collect();
    changed.reverse();
    for (number, (_, new)) in changed {
        file.write_all_at(new, number.saturating_mul(BLOCK as u64))?;
        file.sync_all()?;
    }
    Ok(())
}

/// Grows the mounted file system to the size of `device`. XFS logs it: a crash leaves either size.
///
/// # Errors
/// [`StateError::Grow`]; the file system keeps its size.
pub fn grow_file_system(device: &Path) -> Result<(), StateError> {
    let state = Path::new(layout::STATE_DIR);
    let size = File::open(device).and_then(|file| block::size(&file));
    let size = size.map_err(failed(device, "reading its size"))?;
    let root = File::open(state).map_err(failed(state, "opening"))?;
    let now = xfs::geometry(&root).map_err(failed(state, "reading its size"))?;
    let blocks = size.checked_div(now.block_size.into()).unwrap_or(0);
    let gain = blocks.saturating_sub(now.blocks);
    if gain.saturating_mul(now.block_size.into()) < WORTH {
        return Ok(());
    }
    let wanted = xfs::Geometry { blocks, ..now };
    xfs::grow(&root, wanted).map_err(failed(state, "growing the file system"))
}

fn failed(what: &Path, step: &'static str) -> impl FnOnce(io::Error) -> StateError {
    let what = PathBuf::from(what);
    move |source| StateError::Grow { what, step, source }
}
