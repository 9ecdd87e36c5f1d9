//! The partition table, with GUIDs that follow from content.
//!
//! Source: UEFI 2.10 chapter 5; UAPI.2 Discoverable Partitions.

use std::fs::File;

use bedplate_contract::{Digest, layout};
use gptman::{GPT, GPTPartitionEntry, PartitionName};

use super::{
    guid::{Guid, GuidError},
    layout::{Layout, Placed},
};

/// Bytes of a sector; disks that say 4096 to the guest are not supported.
const SECTOR: u64 = 512;

/// A table that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GptError {
    /// The disk image cannot be written, or the table does not fit it.
    #[error("cannot write the partition table")]
    Write(#[from] gptman::Error),
    /// A partition type of the contract.
    #[error("cannot read a partition type")]
    Type(#[from] GuidError),
}

/// What the GUIDs follow from.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Root hash of the image in slot A.
    pub root_hash: &'a Digest,
    /// Digest of the UKI, which covers everything else on the disk.
    pub content: &'a Digest,
}

/// Writes protective MBR, primary and backup table of `layout` to `disk`, which has its full size.
///
/// # Errors
/// The disk cannot be written or is smaller than the layout.
pub fn write(mut disk: &File, layout: &Layout, identity: Identity<'_>) -> Result<(), GptError> {
    let guid = Guid::derive("disk", identity.content).gpt_bytes();
    let mut table = GPT::new_from(&mut disk, SECTOR, guid)?;
    for (number, placed) in (1..).zip(&layout.partitions) {
        table[number] = entry(placed, identity)?;
    }
    GPT::write_protective_mbr_into(&mut disk, SECTOR)?;
    table.write_into(&mut disk)?;
    Ok(())
}

fn entry(placed: &Placed, identity: Identity<'_>) -> Result<GPTPartitionEntry, GptError> {
    let type_guid = Guid::parse(placed.partition.type_guid)?;
    Ok(GPTPartitionEntry {
        partition_type_guid: type_guid.gpt_bytes(),
        unique_partition_guid: identity.partition(placed.partition.label).gpt_bytes(),
        starting_lba: placed.start / SECTOR,
        ending_lba: (placed.start + placed.size) / SECTOR - 1,
        attribute_bits: 0,
        partition_name: PartitionName::from(placed.partition.label),
    })
}

impl Identity<'_> {
    /// Slot A is named by what it holds; the others by the disk they are on, for what they will
    /// hold is not known, and the table is never written again.
    fn partition(&self, label: &str) -> Guid {
        let [root, verity] = Guid::of_root_hash(self.root_hash);
        match label {
            label if label == layout::SLOT_A.label => root,
            label if label == layout::SLOT_A_VERITY.label => verity,
            label => Guid::derive(label, self.content),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Disk;

    #[test]
    fn another_read_finds_the_layout() {
        let disk = Disk {
            esp_mib: 512,
            slot_mib: Some(64),
            state_mib: 300,
            size_mib: None,
        };
        let layout = Layout::plan(&disk, 4096).unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(layout.size).unwrap();
        let root_hash = Digest::of(b"root");
        let identity = Identity {
            root_hash: &root_hash,
            content: &Digest::of(b"uki"),
        };
        write(&file, &layout, identity).unwrap();
        let table = GPT::read_from(&mut &file, SECTOR).unwrap();
        for (number, placed) in (1..).zip(&layout.partitions) {
            let found = &table[number];
            assert_eq!(found.partition_name.as_str(), placed.partition.label);
            assert_eq!(found.starting_lba * SECTOR, placed.start);
            assert_eq!(found.size().unwrap() * SECTOR, placed.size);
        }
        assert_eq!(
            table[2].unique_partition_guid,
            Guid::of_root_hash(&root_hash)[0].gpt_bytes()
        );
        assert_eq!(table.header.backup_lba, layout.size / SECTOR - 1);
    }
}
