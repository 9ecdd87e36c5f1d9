//! The disk as it is at one moment of a record, and how it got there.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bedplate::sparse;

use crate::disk::Table;

/// What is in no partition: the table itself, at both ends of the disk.
pub const TABLE: &str = "table";

/// A copy of a disk that writes are applied to.
///
/// For each partition it keeps a mark of all that was written there: two disks with equal marks are
/// equal there, so that what was judged once need not be judged again.
#[derive(Debug)]
pub struct Disk {
    /// Where it is.
    pub path: PathBuf,
    file: File,
    /// Its partitions.
    pub table: Table,
    marks: BTreeMap<String, u64>,
}

/// What a write replaced.
#[derive(Debug)]
pub struct Undo {
    offset: u64,
    bytes: Vec<u8>,
    region: String,
    mark: u64,
}

impl Disk {
    /// Copies `base` to `path`.
    ///
    /// # Errors
    /// The copy fails, or the disk has no partitions.
    pub fn copy(base: &Path, path: &Path) -> Result<Self> {
        sparse::copy(base, path)
            .with_context(|| format!("copying `{}` to `{}`", base.display(), path.display()))?;
        Ok(Self {
            table: Table::read(path)?,
            file: File::options().read(true).write(true).open(path)?,
            path: path.to_owned(),
            marks: BTreeMap::new(),
        })
    }

    /// The partition that holds a byte, or [`TABLE`].
    pub fn region(&self, offset: u64) -> String {
        self.table.at(offset).unwrap_or(TABLE).to_owned()
    }

    /// The mark of a partition.
    pub fn mark(&self, region: &str) -> u64 {
        self.marks.get(region).copied().unwrap_or_default()
    }

    /// Writes, and returns what takes it back.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<Undo> {
        let mut before = vec![0; bytes.len()];
        self.file.read_exact_at(&mut before, offset)?;
        self.file.write_all_at(bytes, offset)?;
        let region = self.region(offset);
        let mark = self.mark(&region);
        // What is written again as it is changes nothing.
        if before != bytes {
            let mut hash = DefaultHasher::new();
            (mark, offset, bytes).hash(&mut hash);
            self.marks.insert(region.clone(), hash.finish());
        }
        Ok(Undo {
            offset,
            bytes: before,
            region,
            mark,
        })
    }

    /// Takes the last write back.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn undo(&mut self, undo: Undo) -> Result<()> {
        self.file.write_all_at(&undo.bytes, undo.offset)?;
        self.marks.insert(undo.region, undo.mark);
        Ok(())
    }
}
