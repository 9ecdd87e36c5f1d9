//! GPT: the growth of the last partition when a disk is larger than its table says.
//!
//! Pure: sectors in, sectors out. The table itself is written by the builder.
//! Source: UEFI 2.10, section 5.3.

/// Bytes of a header sector that matter.
const HEADER: usize = 92;
const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Partitions end on a multiple of this many bytes, as tools and media like it.
const ALIGNMENT: u64 = 1 << 20;
/// Entries that are looked at, at most; UEFI asks for 128.
const MAX_ENTRIES: u32 = 1024;

/// The primary table as it is on a disk.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// Bytes of a logical sector.
    pub sector: u64,
    /// Sectors of the disk as it is now.
    pub sectors: u64,
    /// The first sectors of the disk, from 0: protective MBR, header, all entries.
    pub head: &'a [u8],
}

/// What is to be written, in this order, with a flush between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// The backup table (entries, then header) and the sector where it begins; ends the disk.
    pub backup: (u64, Vec<u8>),
    /// The new first sectors of the disk, as many as were given.
    pub head: Vec<u8>,
    /// The partition that grows.
    pub partition: Extent,
}

/// A partition's place in sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// From 1, in table order.
    pub number: u32,
    /// First sector.
    pub first: u64,
    /// Last sector, included.
    pub last: u64,
}

/// A table that cannot be grown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GptError {
    /// No header where one belongs.
    #[error("expected the signature `EFI PART` in sector 1")]
    NoTable,
    /// A checksum that is not that of the bytes.
    #[error("expected checksum {expected:#010x} of the {part}, found {found:#010x}")]
    Checksum {
        /// `header` or `entries`.
        part: &'static str,
        /// As the header says.
        expected: u32,
        /// As computed.
        found: u32,
    },
    /// Numbers that cannot be right.
    #[error("`{field}` of the header is out of range")]
    Range {
        /// Name in UEFI, section 5.3.2.
        field: &'static str,
    },
    /// No partition has a start.
    #[error("the table has no partition")]
    Empty,
}

/// How the last partition grows to the end of the disk; `None` when it would gain less than 1 MiB.
///
/// # Errors
/// A table that is not whole: then nothing must be written.
pub fn grow(disk: &Disk<'_>) -> Result<Option<Growth>, GptError> {
    let header = Header::parse(disk)?;
    let last = header.last_partition()?;
    let backup_sectors = header.entries_sectors.saturating_add(1);
    let usable = disk.sectors.saturating_sub(backup_sectors);
    let align = (ALIGNMENT / disk.sector.max(1)).max(1);
    let end = (usable / align).saturating_mul(align).saturating_sub(1);
    if end < last.last.saturating_add(align) {
        return Ok(None);
    }
    let partition = Extent { last: end, ..last };
    Ok(Some(header.rewrite(partition, usable)))
}

struct Header<'a> {
    disk: &'a Disk<'a>,
    entries_sectors: u64,
    entries_at: usize,
    entries: &'a [u8],
    entry_size: usize,
}

impl<'a> Header<'a> {
    fn parse(disk: &'a Disk<'a>) -> Result<Self, GptError> {
        let range = |field| GptError::Range { field };
        let sector = usize::try_from(disk.sector).map_err(|_| range("sector size"))?;
        let header = disk.head.get(sector..).ok_or(GptError::NoTable)?;
        let header = header.get(..HEADER).ok_or(GptError::NoTable)?;
        if !header.starts_with(SIGNATURE) {
            return Err(GptError::NoTable);
        }
        if u32_at(header, 12) != Some(HEADER as u32) || sector < HEADER {
            return Err(range("HeaderSize"));
        }
        check("header", u32_at(header, 16), &without_checksum(header))?;
        let count = u32_at(header, 80).filter(|count| *count <= MAX_ENTRIES);
        let count = count.ok_or(range("NumberOfPartitionEntries"))?;
        let size = u32_at(header, 84).filter(|size| (128..=4096).contains(size));
        let size = size.ok_or(range("SizeOfPartitionEntry"))?;
        let at = u64_at(header, 72).filter(|at| *at >= 2);
        let at = at.and_then(|at| usize::try_from(at).ok()?.checked_mul(sector));
        let at = at.ok_or(range("PartitionEntryLBA"))?;
        // At most 1024 entries of 4096 bytes: no overflow.
        let length = count as usize * size as usize;
        let entries = disk.head.get(at..).and_then(|rest| rest.get(..length));
        let entries = entries.ok_or(range("PartitionEntryLBA"))?;
        check("entries", u32_at(header, 88), entries)?;
        Ok(Self {
            disk,
            entries_sectors: length.div_ceil(sector) as u64,
            entries_at: at,
            entries,
            entry_size: size as usize,
        })
    }

    fn last_partition(&self) -> Result<Extent, GptError> {
        let entries = (1..).zip(self.entries.chunks_exact(self.entry_size));
        let used = entries.filter(|(_, entry)| entry.iter().take(16).any(|byte| *byte != 0));
        let extents = used.filter_map(|(number, entry)| {
            Some(Extent {
                number,
                first: u64_at(entry, 32)?,
                last: u64_at(entry, 40)?,
            })
        });
        extents
            .max_by_key(|extent| extent.last)
            .ok_or(GptError::Empty)
    }

    fn rewrite(&self, partition: Extent, usable: u64) -> Growth {
        let mut head = self.disk.head.to_vec();
        let sector = self.disk.head.len().min(self.disk.sector as usize);
        let last_sector = self.disk.sectors.saturating_sub(1);
        let at = partition.number.saturating_sub(1) as usize * self.entry_size;
        put(
            &mut head,
            self.entries_at + at + 40,
            &partition.last.to_le_bytes(),
        );
        let entries = slice(&head, self.entries_at, self.entries.len());
        put(
            &mut head,
            sector + 88,
            &crc32fast::hash(&entries).to_le_bytes(),
        );
        put(&mut head, sector + 32, &last_sector.to_le_bytes());
        put(
            &mut head,
            sector + 48,
            &usable.saturating_sub(1).to_le_bytes(),
        );
        seal(&mut head, sector);
        grow_protective_mbr(&mut head, last_sector);

        let mut backup = entries;
        backup.resize(self.entries_sectors as usize * sector, 0);
        let header_at = backup.len();
        backup.extend(slice(&head, sector, sector));
        put(&mut backup, header_at + 24, &last_sector.to_le_bytes());
        put(&mut backup, header_at + 32, &1u64.to_le_bytes());
        put(&mut backup, header_at + 72, &usable.to_le_bytes());
        seal(&mut backup, header_at);
        Growth {
            backup: (usable, backup),
            head,
            partition,
        }
    }
}

/// Sets the size of the protective entry, which ends with the disk or at what 32 bits can say.
fn grow_protective_mbr(head: &mut [u8], last_sector: u64) {
    let protective = head.get(450) == Some(&0xee);
    if protective {
        let size = u32::try_from(last_sector).unwrap_or(u32::MAX);
        put(head, 458, &size.to_le_bytes());
    }
}

/// Computes the checksum of the header at `at`.
fn seal(bytes: &mut [u8], at: usize) {
    let header = without_checksum(&slice(bytes, at, HEADER));
    put(bytes, at + 16, &crc32fast::hash(&header).to_le_bytes());
}

fn without_checksum(header: &[u8]) -> Vec<u8> {
    let mut header = header.to_vec();
    put(&mut header, 16, &[0; 4]);
    header
}

fn check(part: &'static str, expected: Option<u32>, bytes: &[u8]) -> Result<(), GptError> {
    let (expected, found) = (expected.unwrap_or_default(), crc32fast::hash(bytes));
    let wrong = GptError::Checksum {
        part,
        expected,
        found,
    };
    (expected == found).then_some(()).ok_or(wrong)
}

fn slice(bytes: &[u8], at: usize, length: usize) -> Vec<u8> {
    bytes.iter().skip(at).take(length).copied().collect()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let room = bytes.iter_mut().skip(at);
    room.zip(value).for_each(|(byte, new)| *byte = *new);
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let (value, _) = bytes.get(at..)?.split_first_chunk()?;
    Some(u32::from_le_bytes(*value))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let (value, _) = bytes.get(at..)?.split_first_chunk()?;
    Some(u64::from_le_bytes(*value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECTORS: u64 = 64 * 2048;

    /// A table of two partitions on a disk of 64 MiB.
    fn head() -> Vec<u8> {
        let mut head = vec![0; 34 * 512];
        head[450] = 0xee;
        put(&mut head, 458, &(SECTORS as u32 - 1).to_le_bytes());
        for (index, (first, last)) in [(2048u64, 4095u64), (4096, SECTORS - 2048 - 1)]
            .into_iter()
            .enumerate()
        {
            let at = 1024 + index * 128;
            head[at] = 1;
            put(&mut head, at + 32, &first.to_le_bytes());
            put(&mut head, at + 40, &last.to_le_bytes());
        }
        put(&mut head, 512, SIGNATURE);
        for (at, value) in [(8, 0x1_0000u32), (12, 92), (80, 128), (84, 128)] {
            put(&mut head, 512 + at, &value.to_le_bytes());
        }
        for (at, value) in [
            (24, 1),
            (32, SECTORS - 1),
            (40, 34),
            (48, SECTORS - 34),
            (72, 2),
        ] {
            put(&mut head, 512 + at, &value.to_le_bytes());
        }
        let sum = crc32fast::hash(&head[1024..]);
        put(&mut head, 512 + 88, &sum.to_le_bytes());
        seal(&mut head, 512);
        head
    }

    fn disk(head: &[u8], sectors: u64) -> Disk<'_> {
        Disk {
            sector: 512,
            sectors,
            head,
        }
    }

    #[test]
    fn a_disk_of_the_same_size_stays() {
        let head = head();
        for sectors in [SECTORS, SECTORS + 32, SECTORS - 1000, 0] {
            assert!(grow(&disk(&head, sectors)).unwrap().is_none(), "{sectors}");
        }
    }

    #[test]
    fn the_last_partition_takes_the_rest() {
        let growth = grow(&disk(&head(), 2 * SECTORS)).unwrap().unwrap();
        let expected = Extent {
            number: 2,
            first: 4096,
            last: 2 * SECTORS - 2048 - 1,
        };
        assert_eq!(growth.partition, expected);
        let (at, backup) = &growth.backup;
        assert_eq!(at + backup.len() as u64 / 512, 2 * SECTORS);
        assert_eq!(u64_at(&growth.head, 512 + 32), Some(2 * SECTORS - 1));
        // What was written is a whole table that need not grow again.
        assert!(grow(&disk(&growth.head, 2 * SECTORS)).unwrap().is_none());
        // The backup is the same table, seen from the end.
        let mut mirrored = vec![0; 512];
        mirrored.extend(&backup[32 * 512..]);
        mirrored.extend(&backup[..32 * 512]);
        put(&mut mirrored, 512 + 72, &2u64.to_le_bytes());
        seal(&mut mirrored, 512);
        assert!(grow(&disk(&mirrored, 2 * SECTORS)).unwrap().is_none());
    }

    #[test]
    fn only_the_first_sectors_change() {
        let (before, sector) = (head(), 512);
        let growth = grow(&disk(&before, 2 * SECTORS)).unwrap().unwrap();
        let changed = before.iter().zip(&growth.head).rposition(|(a, b)| a != b);
        assert!(changed.unwrap() < 3 * sector);
    }

    #[test]
    fn a_broken_table_is_left_alone() {
        let mut no_table = head();
        no_table[512] = 0;
        let mut header = head();
        header[512 + 40] ^= 1;
        let mut entries = head();
        entries[1024 + 200] ^= 1;
        assert_eq!(grow(&disk(&no_table, SECTORS)), Err(GptError::NoTable));
        for (broken, name) in [(header, "header"), (entries, "entries")] {
            let error = grow(&disk(&broken, 2 * SECTORS)).unwrap_err();
            assert!(matches!(error, GptError::Checksum { part, .. } if part == name));
        }
    }

    proptest! {
        #[test]
        fn sealed_nonsense_is_survived(at in 8usize..92, value: u64, sectors: u64, sector in 0u64..5000) {
            let mut head = head();
            put(&mut head, 512 + at, &value.to_le_bytes());
            seal(&mut head, 512);
            let _ = grow(&Disk { sector, sectors, head: &head });
            let _ = grow(&disk(&head, sectors));
        }
    }
}
