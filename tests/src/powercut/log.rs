//! Records of writes, as QEMU's `blklogwrites` and the kernel's dm-log-writes make them.
//!
//! Source: kernel, Documentation/admin-guide/device-mapper/log-writes.rst and
//! drivers/md/dm-log-writes.c: a superblock, then for each write one sector that describes it and
//! the sectors that were written. Numbers are little endian.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use anyhow::{Context, Result, ensure};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;

const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// What the guest did to its disk, in its order.
#[derive(Debug)]
pub struct Log {
    file: File,
    sector: u64,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One thing that the guest did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// First byte on the disk.
    pub offset: u64,
    /// Bytes; none in a mere flush.
    pub length: u64,
    /// All that was written before is on the medium when this begins.
    pub flush: bool,
    /// This is on the medium when it ends.
    pub fua: bool,
    /// Its bytes do not matter any more; nothing is written.
    pub discard: bool,
    /// Where its bytes lie in the record.
    at: u64,
}

impl Log {
    /// Reads a record.
    ///
    /// # Errors
    /// It is none, or shorter than it says.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening `{}`", path.display()))?;
        let mut log = Self {
            file,
            sector: 512,
            entries: Vec::new(),
        };
        let [magic, version, count, sector] = log.numbers(0)?;
        ensure!(
            magic == MAGIC,
            "`{}` is no record of writes",
            path.display()
        );
        ensure!(
            version == VERSION,
            "expected version {VERSION}, found {version}"
        );
        // The last field has 32 bits; what follows it is padding.
        log.sector = sector & u64::from(u32::MAX);
        ensure!(
            log.sector.is_power_of_two() && log.sector >= 512,
            "sectors of {} bytes",
            log.sector
        );
        let mut at = log.sector;
        for _ in 0..count {
            let entry = log.entry(at)?;
            at = entry.at + if entry.discard { 0 } else { entry.length };
            log.entries.push(entry);
        }
        Ok(log)
    }

    fn entry(&self, at: u64) -> Result<Entry> {
        let [sector, count, flags, _] = self.numbers(at)?;
        Ok(Entry {
            offset: sector * self.sector,
            length: count * self.sector,
            flush: flags & FLUSH != 0,
            fua: flags & FUA != 0,
            discard: flags & DISCARD != 0,
            at: at + self.sector,
        })
    }

    /// What an entry wrote.
    ///
    /// # Errors
    /// The record is shorter than it says.
    pub fn bytes(&self, entry: &Entry) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(entry.length)?];
        self.file.read_exact_at(&mut bytes, entry.at)?;
        Ok(bytes)
    }

    fn numbers(&self, at: u64) -> Result<[u64; 4]> {
        let mut bytes = [0; 32];
        self.file
            .read_exact_at(&mut bytes, at)
            .with_context(|| format!("reading the record at byte {at}"))?;
        let mut numbers = [0; 4];
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *number = u64::from_le_bytes(*bytes);
        }
        Ok(numbers)
    }
}

impl Entry {
    /// Whether it changes the disk.
    pub fn writes(&self) -> bool {
        self.length > 0 && !self.discard
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn record(entries: &[([u64; 3], &[u8])]) -> Vec<u8> {
        let sector = |numbers: &[u64]| {
            let mut bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
            bytes.resize(512, 0);
            bytes
        };
        let mut bytes = sector(&[MAGIC, VERSION, entries.len() as u64, 512]);
        for (numbers, data) in entries {
            bytes.extend(sector(numbers));
            bytes.extend(*data);
        }
        bytes
    }

    #[test]
    fn a_record_is_read_in_its_order() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("log");
        let two = [7; 1024];
        fs::write(
            &path,
            record(&[
                ([8, 2, 0], &two),
                ([0, 0, FLUSH], &[]),
                ([99, 4, DISCARD], &[]),
                ([1, 1, FUA], &[9; 512]),
            ]),
        )?;
        let log = Log::open(&path)?;
        let [written, flush, discarded, through] = &log.entries[..] else {
            anyhow::bail!("{:?}", log.entries)
        };
        ensure!(written.offset == 4096 && log.bytes(written)? == two && written.writes());
        ensure!(flush.flush && !flush.writes());
        ensure!(discarded.discard && !discarded.writes());
        ensure!(through.fua && log.bytes(through)? == [9; 512]);
        Ok(())
    }

    #[test]
    fn what_is_no_record_or_cut_short_is_refused() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("log");
        let whole = record(&[([8, 2, 0], &[7; 1024]), ([1, 1, 0], &[9; 512])]);
        for bytes in [&[0; 512][..], &whole[..16], &whole[..2000]] {
            fs::write(&path, bytes)?;
            ensure!(Log::open(&path).is_err(), "{} bytes", bytes.len());
        }
        Ok(())
    }
}
