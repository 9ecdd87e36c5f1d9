//! The dm-verity hash tree of a root image.
//!
//! `root.erofs` → `root.verity` (superblock, then the tree) and the root hash. The bytes are those
//! that `veritysetup format` writes for the same salt and UUID. The format itself is defined in
//! [`bedplate_contract::verity`].
//!
//! Source: kernel Documentation/admin-guide/device-mapper/verity.rst, "Hash Tree".

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use bedplate_contract::{
    Digest,
    verity::{BLOCK_SIZE, DIGESTS_PER_BLOCK, Superblock, hash_block},
};
use rayon::prelude::*;

use super::{guid::Guid, output::WriteError};

/// Bytes that are hashed in parallel at a time.
const CHUNK: usize = 16 << 20;

/// A tree that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VerityError {
    /// The image cannot be read.
    #[error("cannot read the root image `{}`", path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The tree cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An image that does not end on a block, or has no block.
    #[error("expected `{}` to hold a whole number of {BLOCK_SIZE}-byte blocks, found {size} bytes", path.display())]
    Size {
        /// The image.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
}

/// The salt of every version of the image `name`.
///
/// One salt per name keeps the digests of equal blocks equal between versions, so that an upgrade
/// can compare trees instead of blocks (DESIGN 9); another name cannot reuse them.
pub fn salt(name: &str) -> [u8; 32] {
    *Digest::of(format!("bedplate verity salt\0{name}").as_bytes()).as_bytes()
}

/// Bytes of a hash file (superblock and tree) over `data_blocks` blocks.
pub fn file_size(data_blocks: u64) -> u64 {
    let fan_out = DIGESTS_PER_BLOCK as u64;
    let mut blocks = 1;
    let mut level = data_blocks;
    while level > 1 {
        level = level.div_ceil(fan_out);
        blocks += level;
    }
    blocks * BLOCK_SIZE as u64
}

/// Writes the hash file of `image` to `output` and returns the root hash.
///
/// # Errors
/// The image cannot be read, is not made of whole blocks, or `output` cannot be written.
pub fn write(image: &Path, salt: &[u8; 32], output: &Path) -> Result<Digest, VerityError> {
    let leaves = leaf_digests(image, salt)?;
    let data_blocks = leaves.len() as u64;
    let (levels, root_hash) = levels(leaves, salt);
    let superblock = Superblock {
        uuid: Guid::derive("verity", &root_hash).bytes(),
        data_blocks,
        salt: *salt,
    };
    let save = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(output)?);
        write_padded(&mut file, &superblock.encode())?;
        levels
            .iter()
            .rev()
            .try_for_each(|level| write_padded(&mut file, level))?;
        file.flush()
    };
    save().map_err(|e| WriteError::new(output, file_size(data_blocks), e))?;
    Ok(root_hash)
}

fn leaf_digests(image: &Path, salt: &[u8; 32]) -> Result<Vec<[u8; 32]>, VerityError> {
    let unread = |source| VerityError::Read {
        path: image.to_owned(),
        source,
    };
    let mut file = File::open(image).map_err(unread)?;
    let size = file.metadata().map_err(unread)?.len();
    if size == 0 || !size.is_multiple_of(BLOCK_SIZE as u64) {
        let path = image.to_owned();
        return Err(VerityError::Size { path, size });
    }
    let mut digests = Vec::new();
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        chunk.clear();
        let mut part = (&mut file).take(CHUNK as u64);
        if part.read_to_end(&mut chunk).map_err(unread)? == 0 {
            return Ok(digests);
        }
        digests.par_extend(
            chunk
                .par_chunks(BLOCK_SIZE)
                .map(|block| hash_block(salt, block)),
        );
    }
}

/// The levels of the tree from the leaves up, each a run of whole blocks but for its padding, and
/// the root hash. A single leaf is the root hash itself and needs no level.
fn levels(leaves: Vec<[u8; 32]>, salt: &[u8; 32]) -> (Vec<Vec<u8>>, Digest) {
    let mut levels = Vec::new();
    let mut digests = leaves;
    while let [_, _, ..] = digests.as_slice() {
        let level = digests.concat();
        digests = level
            .par_chunks(BLOCK_SIZE)
            .map(|block| hash_padded(salt, block))
            .collect();
        levels.push(level);
    }
    let root = digests.first().copied().unwrap_or_default();
    (levels, Digest::from_bytes(root))
}

fn hash_padded(salt: &[u8; 32], block: &[u8]) -> [u8; 32] {
    let mut padded = [0; BLOCK_SIZE];
    padded[..block.len()].copy_from_slice(block);
    hash_block(salt, &padded)
}

fn write_padded(file: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let padding = bytes.len().next_multiple_of(BLOCK_SIZE) - bytes.len();
    file.write_all(bytes)?;
    file.write_all(&vec![0; padding])
}

#[cfg(test)]
mod tests {
    use bedplate_contract::verity;

    use super::*;

    fn tree_of(blocks: usize) -> (Digest, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let [image, tree] = ["image", "tree"].map(|name| directory.path().join(name));
        let bytes: Vec<u8> = (0..blocks as u32)
            .flat_map(|block| block.to_le_bytes().repeat(BLOCK_SIZE / 4))
            .collect();
        std::fs::write(&image, bytes).unwrap();
        let root = write(&image, &[1; 32], &tree).unwrap();
        (root, std::fs::read(tree).unwrap())
    }

    #[test]
    fn files_have_the_size_that_was_planned() {
        for (blocks, tree_blocks) in [
            (1, 1),
            (2, 2),
            (128, 2),
            (129, 4),
            (128 * 128, 130),
            (128 * 128 + 1, 133),
        ] {
            assert_eq!(file_size(blocks), tree_blocks * 4096, "{blocks}");
            assert_eq!(
                tree_of(blocks as usize).1.len() as u64,
                file_size(blocks),
                "{blocks}"
            );
        }
    }

    /// Root hashes that `veritysetup format --salt=0101…` of cryptsetup 2.7.5 printed.
    #[test]
    fn root_hashes_are_those_of_veritysetup() {
        for (blocks, expected) in ORACLE {
            assert_eq!(tree_of(blocks).0.hex(), expected, "{blocks}");
        }
    }

    const ORACLE: [(usize, &str); 6] = [
        (
            1,
            "0e9e0e247a5424fb41452c197db6466d656b326a54164adb43637d42cb1bdac0",
        ),
        (
            2,
            "9d38127022d57374492f65703d4a191da10eb85690fb505e4ac6c958152d69b2",
        ),
        (
            128,
            "4075b3790995be6b340cde61f377f5c9fb27c4e8c75d2a6f40650f3e115505a7",
        ),
        (
            129,
            "61d66bef23a57f4121b7c507e2152f5ad84058f83e742ee7c85ce6e6203299bd",
        ),
        (
            16384,
            "6a8a1fd7744b8d335362cf37206cd94dd3fcc91595af89aab3a54de93bff60d6",
        ),
        (
            16385,
            "ae5d88770010a992a7d46fc6175d59987aa25394ff221b1abdf5ee698a50a2ca",
        ),
    ];

    #[test]
    fn the_root_block_follows_the_superblock() {
        let (root, tree) = tree_of(129);
        let superblock = Superblock::parse(&tree).unwrap();
        assert_eq!((superblock.data_blocks, superblock.salt), (129, [1; 32]));
        let start = BLOCK_SIZE * verity::TREE_START as usize;
        assert_eq!(
            verity::root_hash(&[1; 32], &tree[start..start + BLOCK_SIZE]),
            root
        );
    }

    #[test]
    fn images_of_no_or_broken_blocks_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        for size in [0, 1, 4095, 4097] {
            std::fs::write(&image, vec![0; size]).unwrap();
            let error = write(&image, &[0; 32], &directory.path().join("tree")).unwrap_err();
            assert!(
                error.to_string().ends_with(&format!("found {size} bytes")),
                "{error}"
            );
        }
    }

    #[test]
    fn salts_belong_to_names() {
        assert_eq!(salt("hello"), salt("hello"));
        assert_ne!(salt("hello"), salt("hello2"));
    }
}
