//! A slot read whole against its hash tree, in user space: slow, sure, and without the restart that
//! the kernel answers to the first bad block.
//!
//! Source: kernel Documentation/admin-guide/device-mapper/verity.rst, "Hash Tree": the levels lie on
//! the hash partition from the root block down to the one over the data.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bedplate_contract::{
    Digest,
    verity::{self, BLOCK_SIZE, DIGESTS_PER_BLOCK, TREE_START},
};

use super::Verified;

/// Why a slot is not what its root hash says.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A block has another digest.
    #[error("block {block} of `{device}` is not what its hash tree says")]
    Block {
        /// Partition.
        device: PathBuf,
        /// From 0.
        block: u64,
    },
    /// A block cannot be read.
    #[error("reading block {block} of `{device}`")]
    Read {
        /// Partition.
        device: PathBuf,
        /// From 0.
        block: u64,
        /// Cause.
        source: io::Error,
    },
    /// The partition cannot be opened.
    #[error("opening `{device}`")]
    Open {
        /// Partition.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
}

/// Blocks in a row on one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: u64,
    count: u64,
}

/// A partition under check.
struct Side<'a> {
    device: &'a Path,
    file: File,
}

/// Reads every block of `slot` and of its tree under `root`; `progress` is called every 128 blocks.
///
/// # Errors
/// The first [`Damage`].
pub fn check(slot: &Verified, root: &Digest, progress: impl Fn()) -> Result<(), Damage> {
    let salt = slot.superblock.salt;
    let hashes = Side::open(&slot.tree.device)?;
    let data = Side::open(&slot.root.device)?;
    let levels = levels(slot.superblock.data_blocks);
    let top = hashes.read(TREE_START)?;
    if verity::root_hash(&salt, &top) != *root {
        return Err(hashes.damage(TREE_START));
    }
    let below = levels.iter().skip(1).map(|run| (&hashes, *run));
    let all = Run {
        start: 0,
        count: slot.superblock.data_blocks,
    };
    let below = below.chain([(&data, all)]);
    for (parents, (side, children)) in levels.iter().zip(below) {
        check_level((&hashes, *parents), (side, children), &salt, &progress)?;
    }
    Ok(())
}

/// The levels of a tree over `data_blocks`, from the root block down.
fn levels(data_blocks: u64) -> Vec<Run> {
    let mut counts = Vec::new();
    let mut count = data_blocks;
    while count > 1 {
        count = count.div_ceil(DIGESTS_PER_BLOCK as u64);
        counts.push(count);
    }
    let mut start = TREE_START;
    let place = |count| {
        let run = Run { start, count };
        start = start.saturating_add(count);
        run
    };
    counts.into_iter().rev().map(place).collect()
}

fn check_level(
    (hashes, parents): (&Side<'_>, Run),
    (side, children): (&Side<'_>, Run),
    salt: &[u8; 32],
    progress: &impl Fn(),
) -> Result<(), Damage> {
    let end = children.start.saturating_add(children.count);
    let mut child = children.start;
    for parent in parents.start..parents.start.saturating_add(parents.count) {
        let digests = hashes.read(parent)?;
        for digest in digests.chunks_exact(32) {
            if child == end {
                break;
            }
            if verity::hash_block(salt, &side.read(child)?) != digest {
                return Err(side.damage(child));
            }
            child = child.saturating_add(1);
        }
        progress();
    }
    Ok(())
}

impl<'a> Side<'a> {
    fn open(device: &'a Path) -> Result<Self, Damage> {
        let file = File::open(device).map_err(|source| Damage::Open {
            device: device.to_owned(),
            source,
        })?;
        Ok(Self { device, file })
    }

    fn read(&self, block: u64) -> Result<[u8; BLOCK_SIZE], Damage> {
        let mut bytes = [0; BLOCK_SIZE];
        let at = block.saturating_mul(BLOCK_SIZE as u64);
        let read = self.file.read_exact_at(&mut bytes, at);
        read.map_err(|source| Damage::Read {
            device: self.device.to_owned(),
            block,
            source,
        })?;
        Ok(bytes)
    }

    fn damage(&self, block: u64) -> Damage {
        Damage::Block {
            device: self.device.to_owned(),
            block,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bedplate_contract::verity::Superblock;

    use super::*;
    use crate::{
        disk::{Partition, Slot},
        verity::read_tree,
    };

    /// A slot of `blocks` blocks in two files, its tree built level by level from the data up.
    fn slot(directory: &Path, blocks: u64) -> (Verified, Digest) {
        let superblock = Superblock {
            uuid: [1; 16],
            data_blocks: blocks,
            salt: [2; 32],
        };
        let data: Vec<u8> = (0..blocks)
            .flat_map(|block| [block as u8; BLOCK_SIZE])
            .collect();
        let mut levels: Vec<Vec<u8>> = Vec::new();
        let mut below = &data;
        while below.len() > BLOCK_SIZE {
            let chunks = below.chunks(BLOCK_SIZE);
            let mut level: Vec<u8> = chunks
                .flat_map(|block| verity::hash_block(&superblock.salt, block))
                .collect();
            level.resize(level.len().next_multiple_of(BLOCK_SIZE), 0);
            levels.push(level);
            below = levels.last().unwrap();
        }
        let mut tree = superblock.encode().to_vec();
        tree.resize(BLOCK_SIZE, 0);
        tree.extend(levels.into_iter().rev().flatten());
        let partition = |name: &str, bytes: &[u8]| {
            let device = directory.join(name);
            std::fs::write(&device, bytes).unwrap();
            Partition {
                label: name.to_owned(),
                number: 1,
                device,
                disk: "vda".to_owned(),
            }
        };
        let tree = partition("tree", &tree);
        let (superblock, root) = read_tree(&tree.device).unwrap();
        let verified = Verified {
            slot: Slot::A,
            root: partition("root", &data),
            tree,
            superblock,
        };
        (verified, root)
    }

    fn spoil(device: &Path, at: u64) {
        let file = File::options().read(true).write(true).open(device).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }

    #[test]
    fn levels_lie_as_the_kernel_has_them() {
        let run = |start, count| Run { start, count };
        assert_eq!(levels(2), [run(1, 1)]);
        assert_eq!(levels(128), [run(1, 1)]);
        assert_eq!(levels(129), [run(1, 1), run(2, 2)]);
        let expected = [run(1, 1), run(2, 2), run(4, 129)];
        assert_eq!(levels(128 * 128 + 1), expected);
    }

    #[test]
    fn any_spoilt_byte_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let (slot, root) = slot(directory.path(), 300);
        let steps = Cell::new(0);
        check(&slot, &root, || steps.set(steps.get() + 1)).unwrap();
        assert_eq!(steps.get(), 4, "one root block, three above the data");
        let block = BLOCK_SIZE as u64;
        for (device, at) in [
            (&slot.root.device, 0),
            (&slot.root.device, 300 * block - 1),
            (&slot.tree.device, block),
            (&slot.tree.device, 2 * block + 5),
            (&slot.tree.device, 4 * block + 40 * 32),
        ] {
            spoil(device, at);
            let error = check(&slot, &root, || {}).unwrap_err();
            let expected = format!("block {} of `{}`", at / block, device.display());
            assert!(error.to_string().contains(&expected), "{error} at {at}");
            spoil(device, at);
        }
        check(&slot, &root, || {}).unwrap();
    }

    #[test]
    fn a_slot_that_cannot_be_read_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let (slot, root) = slot(directory.path(), 200);
        let file = File::options().write(true).open(&slot.root.device).unwrap();
        file.set_len(150 * BLOCK_SIZE as u64).unwrap();
        let error = check(&slot, &root, || {}).unwrap_err();
        assert!(matches!(error, Damage::Read { block: 150, .. }), "{error}");
    }
}
