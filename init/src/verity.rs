//! The slot whose hash tree has a given root hash, as a verified block device.

mod check;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bedplate_contract::{
    Digest,
    verity::{self, BLOCK_SIZE, SUPERBLOCK_SIZE, Superblock, SuperblockError, TREE_START},
};
use bedplate_sys::dm::{self, Table};

use crate::disk::{Partition, Slot};
pub use check::{Damage, check};

/// Name of the mapped device.
const NAME: &str = "root";

/// A slot that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VerityError {
    /// The tree's partition cannot be read.
    #[error("reading the hash tree on `{device}`")]
    Read {
        /// Node of the partition.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The tree is none, or of another make.
    #[error("parsing the hash tree on `{device}`")]
    Superblock {
        /// Node of the partition.
        device: PathBuf,
        /// Cause.
        source: SuperblockError,
    },
    /// The mapped device.
    #[error("mapping `{data}` with the hash tree on `{hashes}`")]
    Map {
        /// Node of the root.
        data: PathBuf,
        /// Node of the tree.
        hashes: PathBuf,
        /// Cause; the kernel log may say more.
        source: io::Error,
    },
}

/// A slot whose tree has the root hash that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Which.
    pub slot: Slot,
    /// Partition of the root.
    pub root: Partition,
    /// Partition of the tree.
    pub tree: Partition,
    superblock: Superblock,
}

/// The slot among `partitions` whose tree has the root hash `wanted`; root and tree are on one disk.
///
/// Slots that cannot be read or parsed are passed over: an empty slot is the rule, and a broken one
/// must not stop the other.
pub fn find_slot(partitions: &[Partition], wanted: &Digest) -> Option<Verified> {
    partitions.iter().find_map(|tree| {
        let mut slots = Slot::BOTH.into_iter();
        let slot = slots.find(|slot| slot.verity().label == tree.label)?;
        let (superblock, found) = read_tree(&tree.device).ok()?;
        let mut roots = partitions.iter();
        let root = roots.find(|root| root.disk == tree.disk && root.label == slot.root().label)?;
        (found == *wanted).then(|| Verified {
            slot,
            root: root.clone(),
            tree: tree.clone(),
            superblock,
        })
    })
}

/// Superblock and root hash of the tree on `device`.
///
/// # Errors
/// [`VerityError::Read`], [`VerityError::Superblock`].
pub fn read_tree(device: &Path) -> Result<(Superblock, Digest), VerityError> {
    let mut superblock = [0; SUPERBLOCK_SIZE];
    let mut root_block = [0; BLOCK_SIZE];
    let offset = TREE_START.saturating_mul(BLOCK_SIZE as u64);
    let file = File::open(device);
    let read = file.and_then(|file| {
        file.read_exact_at(&mut superblock, 0)?;
        file.read_exact_at(&mut root_block, offset)
    });
    read.map_err(|source| VerityError::Read {
        device: device.to_owned(),
        source,
    })?;
    let parsed = Superblock::parse(&superblock);
    let superblock = parsed.map_err(|source| VerityError::Superblock {
        device: device.to_owned(),
        source,
    })?;
    let root = verity::root_hash(&superblock.salt, &root_block);
    Ok((superblock, root))
}

/// Maps the slot read-only; returns the node of the mapped device.
///
/// The kernel checks the root block against `root_hash` with the first read, and every block with
/// its own.
///
/// # Errors
/// [`VerityError::Map`].
pub fn map(slot: &Verified, root_hash: &Digest) -> Result<PathBuf, VerityError> {
    let (data, hashes) = (&slot.root.device, &slot.tree.device);
    let parameters = verity::table(
        &slot.superblock,
        root_hash,
        &data.to_string_lossy(),
        &hashes.to_string_lossy(),
    );
    let table = Table {
        sectors: slot.superblock.sectors(),
        target: "verity",
        parameters: &parameters,
    };
    dm::create(NAME, &table).map_err(|source| VerityError::Map {
        data: data.clone(),
        hashes: hashes.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(directory: &Path, name: &str, content: u8) -> (PathBuf, Digest) {
        let superblock = Superblock {
            uuid: [1; 16],
            data_blocks: 200,
            salt: [2; 32],
        };
        let mut bytes = superblock.encode().to_vec();
        bytes.resize(BLOCK_SIZE, 0);
        let root_block = [content; BLOCK_SIZE];
        bytes.extend(root_block);
        let path = directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        (path, verity::root_hash(&superblock.salt, &root_block))
    }

    fn partition(disk: &str, label: &str, device: &Path) -> Partition {
        Partition {
            label: label.to_owned(),
            number: 1,
            device: device.to_owned(),
            disk: disk.to_owned(),
        }
    }

    #[test]
    fn the_root_hash_names_the_slot() {
        let directory = tempfile::tempdir().unwrap();
        let (a, hash_a) = tree(directory.path(), "a", 7);
        let (b, hash_b) = tree(directory.path(), "b", 8);
        let empty = directory.path().join("empty");
        std::fs::write(&empty, vec![0; 3 * BLOCK_SIZE]).unwrap();
        let partitions = [
            partition("vda", "slot-a-verity", &empty),
            partition("vdb", "slot-a", Path::new("/dev/vdb2")),
            partition("vdb", "slot-a-verity", &a),
            partition("vdb", "slot-b-verity", &b),
            partition("vdc", "slot-b", Path::new("/dev/vdc4")),
        ];
        let found = find_slot(&partitions, &hash_a).unwrap();
        assert_eq!(found.slot, Slot::A);
        assert_eq!(found.root.device, Path::new("/dev/vdb2"));
        // A tree without its root on the same disk is no slot.
        assert_eq!(find_slot(&partitions, &hash_b), None);
        assert_eq!(find_slot(&partitions, &Digest::of(b"")), None);
    }

    #[test]
    fn an_empty_slot_is_no_tree() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty");
        std::fs::write(&path, vec![0; 3 * BLOCK_SIZE]).unwrap();
        assert!(matches!(
            read_tree(&path),
            Err(VerityError::Superblock { .. })
        ));
        assert!(matches!(
            read_tree(directory.path()),
            Err(VerityError::Read { .. })
        ));
    }
}
