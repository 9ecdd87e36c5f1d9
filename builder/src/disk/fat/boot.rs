//! The boot sector and the information sector of a FAT32 volume.

use super::{CLUSTER, Geometry, SECTOR, Volume, tree::FIRST_CLUSTER};

/// Sectors before the first allocation table.
pub const RESERVED: u64 = 32;
/// Sector of [`sector`].
pub const BOOT: u64 = 0;
/// Sector of [`info`].
pub const INFO: u64 = 1;
/// How far behind each of them its copy lies.
pub const BACKUP: u64 = 6;

/// A sector under construction.
type Sector = [u8; SECTOR as usize];

/// The boot sector: what a reader must know, and no code, for UEFI runs none.
pub fn sector(volume: &Volume<'_>, geometry: Geometry) -> Sector {
    let mut bytes = [0; SECTOR as usize];
    let fields: [(usize, &[u8]); 20] = [
        (0, &[0xeb, 0x58, 0x90]),
        (3, b"BEDPLATE"),
        (11, &(SECTOR as u16).to_le_bytes()),
        (13, &[(CLUSTER / SECTOR) as u8]),
        (14, &(RESERVED as u16).to_le_bytes()),
        // Two allocation tables, a fixed disk.
        (16, &[2]),
        (21, &[0xf8]),
        // A geometry that nobody uses: sectors per track, heads.
        (24, &32u16.to_le_bytes()),
        (26, &64u16.to_le_bytes()),
        (32, &geometry.sectors.to_le_bytes()),
        (36, &geometry.table.to_le_bytes()),
        (44, &FIRST_CLUSTER.to_le_bytes()),
        (48, &(INFO as u16).to_le_bytes()),
        (50, &(BACKUP as u16).to_le_bytes()),
        (64, &[0x80]),
        // Says that the three fields behind it are there.
        (66, &[0x29]),
        (67, &volume.id.to_le_bytes()),
        (71, &volume.label),
        (82, b"FAT32   "),
        (510, &[0x55, 0xaa]),
    ];
    put(&mut bytes, &fields);
    bytes
}

/// The information sector: `free` clusters, after the first `used` ones.
pub fn info(free: u32, used: u32) -> Sector {
    let mut bytes = [0; SECTOR as usize];
    let fields: [(usize, &[u8]); 5] = [
        (0, b"RRaA"),
        (484, b"rrAa"),
        (488, &free.to_le_bytes()),
        (492, &(FIRST_CLUSTER + used).to_le_bytes()),
        (510, &[0x55, 0xaa]),
    ];
    put(&mut bytes, &fields);
    bytes
}

fn put(sector: &mut Sector, fields: &[(usize, &[u8])]) {
    for (at, field) in fields {
        sector[*at..at + field.len()].copy_from_slice(field);
    }
}
