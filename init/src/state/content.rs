//! What a partition holds, as far as making and repairing need to know.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
    time::Duration,
};

use bedplate_sys::{block, clock};

use crate::watchdog;

/// Bytes that are looked at: past the first superblock of every known file system (btrfs: 64 KiB).
const LOOK: u64 = 128 * 1024;
const SECTOR: usize = 512;
/// `sb_inprogress` of the XFS superblock: mkfs.xfs clears it last, once all else is flushed.
const IN_PROGRESS: usize = 126;

/// First bytes of the structures that mkfs.xfs writes, without that of the superblock.
const STRUCTURES: [&[u8]; 9] = [
    b"XAGF", b"XAGI", b"XAFL", b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"RMB3", b"R3FC",
];
/// What others put there on purpose, and where: ext2 to ext4, btrfs, F2FS, LUKS, LVM, swap.
const OTHERS: [(usize, &[u8]); 6] = [
    (0x438, b"\x53\xef"),
    (0x10040, b"_BHRfS_M"),
    (0x400, b"\x10\x20\xf5\xf2"),
    (0, b"LUKS\xba\xbe"),
    (512, b"LABELONE"),
    (4086, b"SWAPSPACE2"),
];

/// Each allocation group of an XFS begins with a copy of the superblock. The partition is a whole
/// number of MiB when mkfs.xfs makes a number of groups of it that is a power of two, four at least
/// where it is large enough to matter: so the second one begins at a multiple of this.
const STEP: u64 = 256 * 1024;
/// The second of two groups is the last where it can begin.
const PART: u64 = 2;
/// How long such copies are looked for: a disk of some hundred GiB, and past it those groups that
/// are as large as mkfs.xfs makes them today.
const SEARCH: Duration = Duration::from_secs(20);

/// What the first blocks of a partition hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Zeros, as provisioning leaves them.
    Blank,
    /// A superblock of an XFS that was whole at least once.
    Xfs,
    /// Structures of an XFS: its superblock is lost, or mkfs.xfs was cut short.
    Broken,
    /// What is somebody else's for sure.
    Foreign,
    /// Anything else: damage, or somebody else's.
    Unknown,
}

/// What `device` begins with.
///
/// # Errors
/// As open(2) and read(2).
pub fn read(device: &Path) -> io::Result<Content> {
    let mut bytes = Vec::new();
    File::open(device)?.take(LOOK).read_to_end(&mut bytes)?;
    Ok(classify(&bytes))
}

fn classify(bytes: &[u8]) -> Content {
    if bytes.starts_with(b"XFSB") {
        return match bytes.get(IN_PROGRESS) {
            Some(0) => Content::Xfs,
            _ => Content::Broken,
        };
    }
    let at = |(at, magic): &(usize, &[u8])| {
        let found = bytes.get(*at..);
        found.is_some_and(|found| found.starts_with(magic))
    };
    if OTHERS.iter().any(at) {
        return Content::Foreign;
    }
    let mut sectors = bytes.chunks(SECTOR);
    let first_used = sectors.find(|sector| sector.iter().any(|byte| *byte != 0));
    match first_used {
        None => Content::Blank,
        // The superblock is not there, but what follows it is. Nobody else's data begins with such
        // a sector.
        Some(sector) if STRUCTURES.iter().any(|magic| sector.starts_with(magic)) => Content::Broken,
        Some(_) => Content::Unknown,
    }
}

/// Whether a later part of `device` is that of an XFS called `label` which began with it.
///
/// # Errors
/// As open(2), ioctl(2), read(2).
pub fn has_remains(device: &Path, label: &str) -> io::Result<bool> {
    let file = File::open(device)?;
    search(&file, block::size(&file)?, label)
}

fn search(file: &File, size: u64, label: &str) -> io::Result<bool> {
    let end = clock::since_boot().saturating_add(SEARCH);
    for at in places(size) {
        let mut sector = [0; SECTOR];
        file.read_exact_at(&mut sector, at)?;
        if is_copy(&sector, at, label) {
            return Ok(true);
        }
        if clock::since_boot() > end {
            break;
        }
        watchdog::pet();
    }
    Ok(false)
}

/// Where the second group may begin: first where it does if the file system was never grown.
fn places(size: u64) -> impl Iterator<Item = u64> {
    let groups = [2_u64, 4, 8, 16, 32, 64, 128];
    let never_grown = groups.into_iter().filter_map(move |groups| {
        let at = size.div_ceil(groups).next_multiple_of(4096);
        (at >= STEP && at.saturating_add(SECTOR as u64) <= size).then_some(at)
    });
    let last = size.checked_div(PART).unwrap_or(0).checked_div(STEP);
    let grown = (1..=last.unwrap_or(0)).map(|step| step.saturating_mul(STEP));
    let inside = move |at: &u64| at.saturating_add(SECTOR as u64) <= size;
    never_grown.chain(grown.filter(inside))
}

/// Whether a sector at `at` is a copy of the superblock of an XFS that begins at 0.
///
/// Source: kernel fs/xfs/libxfs/xfs_format.h, `struct xfs_dsb`; numbers are big endian.
fn is_copy(sector: &[u8], at: u64, label: &str) -> bool {
    let number = |at: usize| {
        let bytes = sector.get(at..)?.first_chunk()?;
        Some(u64::from(u32::from_be_bytes(*bytes)))
    };
    let group = number(4).zip(number(84));
    let group = group.and_then(|(block, blocks)| block.checked_mul(blocks));
    let named = sector.get(108..120).is_some_and(|name| {
        let name = name.split(|byte| *byte == 0).next();
        name == Some(label.as_bytes())
    });
    let begins_a_group = group.is_some_and(|group| group > 0 && at.is_multiple_of(group));
    sector.starts_with(b"XFSB") && named && begins_a_group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut all = vec![0; LOOK as usize];
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all
    }

    #[test]
    fn the_first_blocks_say_what_they_are() {
        let mut cut = with(0, b"XFSB");
        cut[IN_PROGRESS] = 1;
        for (bytes, expected) in [
            (with(0, b""), Content::Blank),
            (with(0, b"XFSB"), Content::Xfs),
            (cut, Content::Broken),
            (with(512, b"XAGF"), Content::Broken),
            (with(4096, b"AB3B"), Content::Broken),
            // One bit of the magic, a lone byte.
            (with(0, b"XFSC"), Content::Unknown),
            (with(131_000, &[1]), Content::Unknown),
            (with(0x438, &[0x53, 0xef]), Content::Foreign),
            (with(0x10040, b"_BHRfS_M"), Content::Foreign),
            (with(0, b"LUKS\xba\xbe"), Content::Foreign),
            (with(4086, b"SWAPSPACE2"), Content::Foreign),
        ] {
            assert_eq!(classify(&bytes), expected);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        assert!(read(Path::new("/no/such")).is_err());
    }

    /// A copy of a superblock with groups of so many blocks of 4096 bytes.
    fn copy(blocks: u32, label: &str) -> Vec<u8> {
        let mut sector = vec![0; SECTOR];
        sector[..4].copy_from_slice(b"XFSB");
        sector[4..8].copy_from_slice(&4096_u32.to_be_bytes());
        sector[84..88].copy_from_slice(&blocks.to_be_bytes());
        sector[108..108 + label.len()].copy_from_slice(label.as_bytes());
        sector
    }

    #[test]
    fn a_file_system_whose_beginning_is_lost_is_found_by_its_groups() {
        const MIB: u64 = 1 << 20;
        let own = |blocks| copy(blocks, "state");
        for (what, size, at, sector, expected) in [
            ("nothing", 1024 * MIB, 0, vec![0; SECTOR], false),
            ("four groups", 1024 * MIB, 256 * MIB, own(65_536), true),
            (
                "made on 129 MiB, grown since",
                4096 * MIB,
                33_816_576,
                own(8256),
                true,
            ),
            ("two groups", 64 * MIB, 32 * MIB, own(8192), true),
            (
                "of another",
                1024 * MIB,
                256 * MIB,
                copy(65_536, "home"),
                false,
            ),
            ("begun elsewhere", 1024 * MIB, 256 * MIB, own(65_000), false),
        ] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(size).unwrap();
            file.write_all_at(&sector, at).unwrap();
            assert_eq!(search(&file, size, "state").unwrap(), expected, "{what}");
        }
        for size in [0, 1, 4096, STEP, 3 * STEP + 1] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(size).unwrap();
            assert!(!search(&file, size, "state").unwrap(), "{size}");
        }
    }
}
