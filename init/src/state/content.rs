//! What a partition holds, as far as formatting needs to know.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Bytes that are looked at: past the first superblock of every known file system (btrfs: 64 KiB).
const LOOK: u64 = 128 * 1024;
const SECTOR: usize = 512;
/// `sb_inprogress` of the XFS superblock: mkfs.xfs clears it last, once all else is flushed.
const IN_PROGRESS: usize = 126;

/// First bytes of the structures that mkfs.xfs writes, without that of the superblock.
const STRUCTURES: [&[u8]; 9] = [
    b"XAGF", b"XAGI", b"XAFL", b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"RMB3", b"R3FC",
];

/// What a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Zeros, as provisioning leaves them.
    Blank,
    /// A mkfs.xfs that was cut short.
    Unfinished,
    /// An XFS that was whole at least once.
    Xfs,
    /// Anything else.
    Foreign,
}

/// What `device` holds.
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
            _ => Content::Unfinished,
        };
    }
    let mut sectors = bytes.chunks(SECTOR);
    let first_used = sectors.find(|sector| sector.iter().any(|byte| *byte != 0));
    match first_used {
        None => Content::Blank,
        // The superblock is not there yet, but what follows it is: the write-back of a mkfs.xfs has
        // no order. Nobody else's data begins with such a sector.
        Some(sector) if STRUCTURES.iter().any(|magic| sector.starts_with(magic)) => {
            Content::Unfinished
        }
        Some(_) => Content::Foreign,
    }
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
    fn only_what_was_never_whole_is_formatted() {
        let mut cut = with(0, b"XFSB");
        cut[IN_PROGRESS] = 1;
        for (bytes, expected) in [
            (with(0, b""), Content::Blank),
            (with(0, b"XFSB"), Content::Xfs),
            (cut, Content::Unfinished),
            (with(512, b"XAGF"), Content::Unfinished),
            (with(4096, b"AB3B"), Content::Unfinished),
            // ext4, btrfs, LUKS, a lone byte.
            (with(0x438, &[0x53, 0xef]), Content::Foreign),
            (with(0x10040, b"_BHRfS_M"), Content::Foreign),
            (with(0, b"LUKS\xba\xbe"), Content::Foreign),
            (with(131_000, &[1]), Content::Foreign),
        ] {
            assert_eq!(classify(&bytes), expected);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        assert!(read(Path::new("/no/such")).is_err());
    }
}
