//! A FAT32 file system, written once and so that equal files give equal bytes.
//!
//! Paths and bytes in, the used parts of the file system out; the rest of the range must be a hole.
//! Every file lies in one run of clusters; times are the first moment that FAT knows. Nothing is
//! ever read, changed or deleted here: the running host leaves that to its kernel.
//!
//! Own code, for `fatfs` 0.3 gives `.` and `..` long names, which `fsck.fat` calls damage.
//! Source: Microsoft "FAT32 File System Specification" 1.03; UEFI 2.10 13.3.

mod boot;
mod entry;
mod tree;

use std::{fs::File, io, os::unix::fs::FileExt};

use self::tree::Tree;

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Bytes of a cluster: FAT32 needs 65525 of them, so this is what 512 MiB allow.
pub const CLUSTER: u64 = 4096;
/// Bytes that a cluster takes in the two allocation tables.
pub const TABLE_ENTRIES: u64 = 8;
/// Below this number of clusters, readers take a file system for FAT16.
const LEAST_CLUSTERS: u64 = 65_525;
/// Above this number, entries of the table mean something else.
const MOST_CLUSTERS: u64 = 0x0fff_fff4;
/// Mark of the last cluster of a file.
const END_OF_FILE: u32 = 0x0fff_ffff;
/// First two entries of the table: the medium, and that it was unmounted cleanly.
const TABLE_START: [u32; 2] = [0x0fff_fff8, END_OF_FILE];

/// What goes onto a volume.
#[derive(Debug, Clone, Copy)]
pub struct Volume<'a> {
    /// Serial number.
    pub id: u32,
    /// Name, padded with blanks.
    pub label: [u8; 11],
    /// Files by path (`A/B.TXT`); directories are implied. ASCII, without a leading slash.
    pub files: &'a [(&'a str, &'a [u8])],
}

/// Sizes of the parts of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Geometry {
    /// Sectors of the volume.
    sectors: u32,
    /// Sectors of one allocation table.
    table: u32,
    /// Clusters for files.
    clusters: u32,
}

/// Writes `volume` into the `size` bytes of `disk` from `start` on, which must be zero.
///
/// # Errors
/// A `size` that is too small or too large for FAT32, files that do not fit, or a failed write.
pub fn write(disk: &File, start: u64, size: u64, volume: &Volume<'_>) -> io::Result<()> {
    let geometry = Geometry::of(size)?;
    let tree = Tree::new(volume)?;
    let used = tree.clusters();
    let free = geometry.clusters.checked_sub(used);
    let free = free.ok_or_else(|| invalid("the files do not fit the volume"))?;
    let at = |sector: u64, bytes: &[u8]| disk.write_all_at(bytes, start + sector * SECTOR);
    let sectors = [
        (boot::BOOT, boot::sector(volume, geometry)),
        (boot::INFO, boot::info(free, used)),
    ];
    for (sector, bytes) in sectors {
        at(sector, &bytes)?;
        at(sector + boot::BACKUP, &bytes)?;
    }
    let table = allocation_table(&tree);
    at(boot::RESERVED, &table)?;
    at(boot::RESERVED + u64::from(geometry.table), &table)?;
    let data = boot::RESERVED + 2 * u64::from(geometry.table);
    tree.runs().try_for_each(|(cluster, bytes)| {
        let first = u64::from(cluster - tree::FIRST_CLUSTER);
        at(data + first * (CLUSTER / SECTOR), bytes)
    })
}

impl Geometry {
    /// The tables are sized as if all sectors held files, and so that clusters are aligned.
    fn of(size: u64) -> io::Result<Self> {
        let sectors = size / SECTOR;
        let per_cluster = CLUSTER / SECTOR;
        let table = (sectors / per_cluster + 2)
            .div_ceil(SECTOR / 4)
            .next_multiple_of(per_cluster);
        let data = sectors.saturating_sub(boot::RESERVED + 2 * table);
        let clusters = data / per_cluster;
        if !(LEAST_CLUSTERS..=MOST_CLUSTERS).contains(&clusters) {
            return Err(invalid("the size is not one that FAT32 can have"));
        }
        let narrow = |count| u32::try_from(count).map_err(|_| invalid("the size passes 2 TiB"));
        Ok(Self {
            sectors: narrow(sectors)?,
            table: narrow(table)?,
            clusters: narrow(clusters)?,
        })
    }
}

/// The used part of one allocation table: each run is a chain of clusters that follow each other.
fn allocation_table(tree: &Tree<'_>) -> Vec<u8> {
    let mut entries = TABLE_START.to_vec();
    for (first, bytes) in tree.runs() {
        let count = tree::clusters_of(bytes.len());
        entries.extend(first + 1..first + count);
        entries.extend((count > 0).then_some(END_OF_FILE));
    }
    entries
        .iter()
        .flat_map(|entry| entry.to_le_bytes())
        .collect()
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use fatfs::{FatType, FileSystem, FsOptions};

    use super::*;

    const SIZE: u64 = 300 << 20;

    fn volume_of(files: &[(&str, &[u8])]) -> File {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(SIZE).unwrap();
        let volume = Volume {
            id: 0x1234_5678,
            label: *b"LABEL      ",
            files,
        };
        write(&disk, 0, SIZE, &volume).unwrap();
        disk
    }

    #[test]
    fn another_reader_finds_the_files() {
        let large = vec![7; 3 * 4096 + 1];
        let many: Vec<_> = (0..100)
            .map(|n| format!("many/a rather long name {n}.text"))
            .collect();
        let mut files: Vec<(&str, &[u8])> = many
            .iter()
            .map(|path| (path.as_str(), &large[..5]))
            .collect();
        files.extend([
            ("EFI/BOOT/BOOTX64.EFI", &large[..]),
            ("EFI/Linux/hello_1.0+3.efi", &large[..4096]),
            ("empty", &[]),
        ]);
        let volume = FileSystem::new(volume_of(&files), FsOptions::new()).unwrap();
        assert_eq!(volume.fat_type(), FatType::Fat32);
        assert_eq!(
            (volume.volume_id(), volume.volume_label()),
            (0x1234_5678, "LABEL".to_owned())
        );
        for (path, bytes) in files {
            let mut found = Vec::new();
            volume
                .root_dir()
                .open_file(path)
                .unwrap()
                .read_to_end(&mut found)
                .unwrap();
            assert_eq!(found, bytes, "{path}");
        }
        let names: Vec<_> = volume
            .root_dir()
            .iter()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["EFI", "empty", "many"]);
        let free = volume.stats().unwrap().free_clusters();
        assert_eq!(
            Some(free),
            Geometry::of(SIZE).unwrap().clusters.checked_sub(112)
        );
    }

    #[test]
    fn sizes_that_fat32_cannot_have_are_refused() {
        for (size, possible) in [
            (0, false),
            (256 << 20, false),
            (270 << 20, true),
            (1 << 41, false),
        ] {
            assert_eq!(Geometry::of(size).is_ok(), possible, "{size}");
        }
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let disk = tempfile::tempfile().unwrap();
        let bytes = vec![0; SIZE as usize];
        let volume = Volume {
            id: 0,
            label: *b"LABEL      ",
            files: &[("a", &bytes)],
        };
        assert!(write(&disk, 0, SIZE, &volume).is_err());
        assert_eq!(disk.metadata().unwrap().len(), 0);
    }
}
