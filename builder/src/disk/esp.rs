//! The EFI system partition: the boot loader, its configuration, one UKI.
//!
//! Bytes of the files in, a FAT32 file system in a range of the disk out. Volume id and times are
//! fixed, so equal files give an equal file system.
//!
//! Source: UEFI 2.10 13.3; UAPI.1 Boot Loader Specification; loader.conf(5).

use std::{fs::File, io};

use bedplate_contract::layout::ENTRIES;

use super::{
    fat::{self, CLUSTER, TABLE_ENTRIES, Volume},
    layout::{MIB, Placed},
};

/// UKIs that must fit: the blessed one, the one on trial, and one that is being written.
pub const UKIS: u64 = 3;

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

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        let files = self.files().into_iter();
        files.map(|(_, bytes)| bytes.len() as u64).sum()
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

/// Bytes of file system for two loaders and [`UKIS`] UKIs: whole clusters, each with its
/// entries in the allocation tables.
fn needed(loader: u64, uki: u64) -> u64 {
    let clusters = 2 * loader.div_ceil(CLUSTER) + UKIS * uki.div_ceil(CLUSTER);
    clusters * (CLUSTER + TABLE_ENTRIES) + SMALL_FILES
}

/// Writes `content` as a file system into the `place` of `disk`, which is a hole; `id` names it.
///
/// # Errors
/// A failed write; a place too small for FAT32 (under 260 MiB).
pub fn write(disk: &File, place: Placed, id: u32, content: &Content<'_>) -> io::Result<()> {
    let files = content.files();
    let files = files
        .each_ref()
        .map(|(path, bytes)| (path.as_str(), *bytes));
    let volume = Volume {
        id,
        label: LABEL,
        files: &files,
    };
    fat::write(disk, place.start, place.size, &volume)
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
