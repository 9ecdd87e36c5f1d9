//! The EFI system partition: the boot loader, its configuration, one UKI.
//!
//! Bytes of the files in, a FAT32 file system in a range of the disk out. Volume id and times are
//! fixed, so equal files give an equal file system.
//!
//! Source: UEFI 2.10 13.3; UAPI.1 Boot Loader Specification; loader.conf(5).

use std::io::{self, Read, Seek, Write};

use bedplate_contract::layout::ENTRIES;
use fatfs::{
    Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider,
};

use super::layout::MIB;

/// UKIs that must fit: the blessed one, the one on trial, and one that is being written.
pub const UKIS: u64 = 3;

const CLUSTER: u32 = 4096;
const LABEL: [u8; 11] = *b"BEDPLATE   ";
/// No menu and no editor: what boots is what was signed and counted.
const LOADER_CONF: &str = "timeout 0\neditor no\nauto-entries no\nauto-firmware no\n";
/// Says that `loader/entries` would hold entries of type 1 (UAPI.1).
const ENTRIES_SREL: &str = "type1\n";
/// Room for directories and the small files, which are far below it.
const SMALL_FILES: u64 = MIB;

/// What goes onto the ESP.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// `systemd-bootx64.efi`.
    pub loader: &'a [u8],
    /// File name of the UKI, with its counter.
    pub entry: &'a str,
    /// The UKI.
    pub uki: &'a [u8],
}

/// An ESP that would be full before the third UKI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "ESP too small for three UKIs: `disk.esp_mib` is {size}, three UKIs of {uki} MiB and the loader need {needed} MiB"
)]
pub struct EspTooSmall {
    size: u64,
    uki: u64,
    needed: u64,
}

impl Content<'_> {
    /// Proves that an ESP of `size` bytes holds [`UKIS`] UKIs as large as this one.
    ///
    /// # Errors
    /// It does not, with the figures.
    pub fn check_room(&self, size: u64) -> Result<(), EspTooSmall> {
        let needed = needed(self.loader.len() as u64, self.uki.len() as u64);
        if needed <= size {
            return Ok(());
        }
        Err(EspTooSmall {
            size: size / MIB,
            uki: (self.uki.len() as u64).div_ceil(MIB),
            needed: needed.div_ceil(MIB),
        })
    }

    fn files(&self) -> [(String, &[u8]); 5] {
        [
            ("EFI/BOOT/BOOTX64.EFI".to_owned(), self.loader),
            ("EFI/systemd/systemd-bootx64.efi".to_owned(), self.loader),
            ("loader/loader.conf".to_owned(), LOADER_CONF.as_bytes()),
            ("loader/entries.srel".to_owned(), ENTRIES_SREL.as_bytes()),
            (format!("{ENTRIES}/{}", self.entry), self.uki),
        ]
    }
}

/// Bytes of file system for two loaders and [`UKIS`] UKIs: whole clusters, and for each of them an
/// entry of 4 bytes in both allocation tables.
fn needed(loader: u64, uki: u64) -> u64 {
    let cluster = u64::from(CLUSTER);
    let clusters = 2 * loader.div_ceil(cluster) + UKIS * uki.div_ceil(cluster);
    clusters * (cluster + 8) + SMALL_FILES
}

/// Formats `disk` and writes `content`; `volume_id` names the file system.
///
/// # Errors
/// Any of read and write; `disk` too small for FAT32 (under 256 MiB).
pub fn write<D: Read + Write + Seek>(
    mut disk: D,
    volume_id: u32,
    content: &Content<'_>,
) -> io::Result<()> {
    let format = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(CLUSTER)
        .volume_id(volume_id)
        .volume_label(LABEL);
    fatfs::format_volume(&mut disk, format)?;
    disk.rewind()?;
    let volume = FileSystem::new(&mut disk, FsOptions::new().time_provider(&FIXED))?;
    for (path, bytes) in content.files() {
        create(&volume, &path, bytes)?;
    }
    // Counts the free clusters, which unmounting then records; readers complain without.
    volume.stats()?;
    volume.unmount()
}

fn create<D: Read + Write + Seek>(
    volume: &FileSystem<D>,
    path: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let root = volume.root_dir();
    for (at, _) in path.match_indices('/') {
        root.create_dir(&path[..at])?;
    }
    let mut file = root.create_file(path)?;
    file.write_all(bytes)?;
    file.flush()
}

/// The clock of a build: the first moment that FAT knows.
#[derive(Debug)]
struct FixedTime;

static FIXED: FixedTime = FixedTime;

impl TimeProvider for FixedTime {
    fn get_current_date(&self) -> Date {
        Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        let time = Time {
            hour: 0,
            min: 0,
            sec: 0,
            millis: 0,
        };
        DateTime {
            date: self.get_current_date(),
            time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 512 * MIB;

    const CONTENT: Content<'static> = Content {
        loader: &[1; 5000],
        entry: "hello_1.0+3.efi",
        uki: &[2; 100_000],
    };

    fn file_system() -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        write(&mut file, 0x1234_5678, &CONTENT).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn files_are_where_firmware_and_loader_look() {
        let volume = FileSystem::new(file_system(), FsOptions::new()).unwrap();
        assert_eq!(volume.fat_type(), FatType::Fat32);
        assert_eq!(volume.volume_id(), 0x1234_5678);
        for (path, bytes) in CONTENT.files() {
            let mut found = Vec::new();
            volume
                .root_dir()
                .open_file(&path)
                .unwrap()
                .read_to_end(&mut found)
                .unwrap();
            assert_eq!(found, bytes, "{path}");
        }
    }

    #[test]
    fn equal_files_give_an_equal_file_system() {
        let digests = [(); 2].map(|()| {
            let mut hashed = Vec::new();
            file_system()
                .take(8 * MIB)
                .read_to_end(&mut hashed)
                .unwrap();
            bedplate_contract::Digest::of(&hashed)
        });
        assert_eq!(digests[0], digests[1]);
    }

    #[test]
    fn three_ukis_must_fit() {
        let uki = vec![0; 200 * MIB as usize];
        let content = Content {
            uki: &uki,
            ..CONTENT
        };
        assert_eq!(
            content.check_room(SIZE).unwrap_err().to_string(),
            "ESP too small for three UKIs: `disk.esp_mib` is 512, three UKIs of 200 MiB and the loader need 603 MiB"
        );
        assert_eq!(CONTENT.check_room(SIZE), Ok(()));
        assert_eq!(content.check_room(603 * MIB), Ok(()));
    }
}
