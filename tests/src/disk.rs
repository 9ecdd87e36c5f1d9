//! The partitions of a disk, as sgdisk reads them.

use std::{fs::File, ops::Range, os::unix::fs::FileExt, path::Path};

use anyhow::{Context, Result};
use bedplate_contract::{
    layout,
    meta::{self, BootRecord},
};
use sha2::{Digest as _, Sha256};

use crate::toolbox;

/// Bytes that sgdisk counts in.
const SECTOR: u64 = 512;

/// Where each partition lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(Vec<(String, Range<u64>)>);

impl Table {
    /// Reads the table of a raw disk.
    ///
    /// # Errors
    /// sgdisk refuses the disk, or says something that is no table.
    pub fn read(disk: &Path) -> Result<Self> {
        let path = disk.to_str().context("a disk path in UTF-8")?;
        let text = toolbox::succeed(&["sgdisk", "-p", path])?;
        let rows = text.lines().skip_while(|line| !line.starts_with("Number"));
        let partitions: Result<Vec<_>> = rows.skip(1).map(row).collect();
        Ok(Self(partitions?))
    }

    /// The bytes of a partition.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn range(&self, name: &str) -> Result<Range<u64>> {
        let found = self.0.iter().find(|(label, _)| label == name);
        let found = found.with_context(|| format!("no partition `{name}` in {:?}", self.0))?;
        Ok(found.1.clone())
    }

    /// The name of the partition that holds a byte.
    pub fn at(&self, offset: u64) -> Option<&str> {
        let found = self.0.iter().find(|(_, range)| range.contains(&offset));
        found.map(|(label, _)| label.as_str())
    }
}

/// `   2         1050624         1181695   64.0 MiB    8304  slot-a`
fn row(line: &str) -> Result<(String, Range<u64>)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, first, last, _, _, _, name] = words[..] else {
        anyhow::bail!("expected a partition, found `{line}`")
    };
    let (first, last): (u64, u64) = (first.parse()?, last.parse()?);
    Ok((name.to_owned(), first * SECTOR..(last + 1) * SECTOR))
}

/// Digests of what an upgrade that is refused must not have touched: ESP and both slots.
///
/// # Errors
/// The disk cannot be read.
pub fn fingerprint(disk: &Path) -> Result<Vec<(String, String)>> {
    let table = Table::read(disk)?;
    let file = File::open(disk)?;
    let names = ["esp", "slot-a", "slot-a-verity", "slot-b", "slot-b-verity"];
    let digests = names.map(|name| {
        let digest = digest(&file, table.range(name)?)?;
        Ok((name.to_owned(), digest))
    });
    digests.into_iter().collect()
}

fn digest(file: &File, range: Range<u64>) -> Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = range.start;
    while at < range.end {
        let length = buffer.len().min(usize::try_from(range.end - at)?);
        file.read_exact_at(&mut buffer[..length], at)?;
        hash.update(&buffer[..length]);
        at += length as u64;
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The boot record of a disk; absent before the first boot.
///
/// # Errors
/// The disk cannot be read.
pub fn boot_record(disk: &Path) -> Result<Option<BootRecord>> {
    let start = Table::read(disk)?.range(layout::META.label)?.start;
    let file = File::open(disk)?;
    let mut copies = [[0; meta::RECORD_SIZE]; 2];
    for (copy, offset) in copies.iter_mut().zip(meta::RECORD_OFFSETS) {
        file.read_exact_at(copy, start + offset)?;
    }
    let [first, second] = &copies;
    Ok(meta::newest_record([first, second]).map(|frame| frame.value))
}

/// Changes one bit of a byte, in the middle of whatever reads it.
///
/// # Errors
/// The disk cannot be read or written.
pub fn flip(disk: &Path, offset: u64) -> Result<()> {
    let file = File::options().read(true).write(true).open(disk)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)?;
    file.write_all_at(&[byte[0] ^ 1], offset)?;
    Ok(())
}

/// Loses bytes of a disk: they are zero.
///
/// # Errors
/// The disk cannot be written.
pub fn lose(disk: &Path, offset: u64, bytes: usize) -> Result<()> {
    let file = File::options().write(true).open(disk)?;
    Ok(file.write_all_at(&vec![0; bytes], offset)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_sgdisk() -> Result<()> {
        let (name, range) = row("   6         1316864         1325055   4.0 MiB     FFFF  meta")?;
        anyhow::ensure!(name == "meta" && range == (1_316_864 * 512..1_325_056 * 512));
        Ok(())
    }
}
