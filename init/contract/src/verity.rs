//! dm-verity on disk: the superblock, the hash of a block, the table line of the kernel.
//!
//! The builder writes what is defined here (superblock in block 0 of a `slot-*-verity` partition,
//! the hash tree from block 1, its root block first); stage 1 reads it to find the slot that a
//! root hash names. Building and walking the tree is not done here. Only what Bedplate writes is
//! read back: SHA-256, 4096-byte blocks on both sides, a 32-byte salt.
//!
//! Source: kernel Documentation/admin-guide/device-mapper/verity.rst; superblock: cryptsetup wiki,
//! "DMVerity", "Verity superblock format" (version 1, hash type 1: the salt stands before the block).

use sha2::{Digest as _, Sha256};

use crate::Digest;

/// Bytes of a data block and of a hash block.
pub const BLOCK_SIZE: usize = 4096;
/// Digests in one hash block.
pub const DIGESTS_PER_BLOCK: usize = BLOCK_SIZE / 32;
/// Bytes of a superblock; the rest of block 0 is zero.
pub const SUPERBLOCK_SIZE: usize = 512;
/// The block of the hash partition at which the tree, and so its root block, starts.
pub const TREE_START: u64 = 1;

const SIGNATURE: &[u8; 8] = b"verity\0\0";
const VERSION: u32 = 1;
const HASH_TYPE: u32 = 1;
const ALGORITHM: &str = "sha256";
const SALT_SIZE: u16 = 32;
/// `BLOCK_SIZE` as the superblock spells it.
const BLOCK_SIZE_FIELD: u32 = 4096;
/// `BLOCK_SIZE` in sectors of device-mapper, which are 512 bytes on every device.
const SECTORS_PER_BLOCK: u64 = 8;

/// What block 0 of a `slot-*-verity` partition says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    /// Identity of the tree; `veritysetup` demands one, Bedplate never looks at it.
    pub uuid: [u8; 16],
    /// Blocks of root image that the tree covers; at least 1.
    pub data_blocks: u64,
    /// Prepended to every block before it is hashed.
    pub salt: [u8; 32],
}

/// A block that holds no superblock, or one that Bedplate does not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuperblockError {
    /// Fewer bytes than a superblock has.
    #[error("expected a superblock of {SUPERBLOCK_SIZE} bytes, found {0}")]
    Short(usize),
    /// No `verity` signature: an empty slot, or no verity partition at all.
    #[error("found no dm-verity signature")]
    Signature,
    /// A field has another value than the only one that Bedplate writes.
    #[error("expected {field} {expected} in the superblock, found {found}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// The only value that is supported.
        expected: u64,
        /// The value on disk.
        found: u64,
    },
    /// Another hash than SHA-256.
    #[error("expected the hash `sha256` in the superblock, found another")]
    Algorithm,
    /// The tree covers nothing, or more than a device can have.
    #[error("expected a number of data blocks that a device can have, found {0}")]
    DataBlocks(u64),
}

impl Superblock {
    /// The first [`SUPERBLOCK_SIZE`] bytes of the hash partition.
    pub fn encode(&self) -> [u8; SUPERBLOCK_SIZE] {
        let mut bytes = [0; SUPERBLOCK_SIZE];
        let fields: [(usize, &[u8]); 10] = [
            (0, SIGNATURE),
            (8, &VERSION.to_le_bytes()),
            (12, &HASH_TYPE.to_le_bytes()),
            (16, &self.uuid),
            (32, ALGORITHM.as_bytes()),
            (64, &BLOCK_SIZE_FIELD.to_le_bytes()),
            (68, &BLOCK_SIZE_FIELD.to_le_bytes()),
            (72, &self.data_blocks.to_le_bytes()),
            (80, &SALT_SIZE.to_le_bytes()),
            (88, &self.salt),
        ];
        for (at, field) in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
        }
        bytes
    }

    /// Reads the superblock at the start of `bytes`, which may be longer.
    ///
    /// # Errors
    /// Too few bytes, no signature, or parameters that Bedplate never writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SuperblockError> {
        let block: &[u8; SUPERBLOCK_SIZE] = bytes
            .first_chunk()
            .ok_or(SuperblockError::Short(bytes.len()))?;
        if &array::<8>(block, 0) != SIGNATURE {
            return Err(SuperblockError::Signature);
        }
        check_fixed_fields(block)?;
        let data_blocks = u64::from_le_bytes(array(block, 72));
        if data_blocks == 0 || data_blocks > u64::MAX / BLOCK_SIZE as u64 {
            return Err(SuperblockError::DataBlocks(data_blocks));
        }
        Ok(Self {
            uuid: array(block, 16),
            data_blocks,
            salt: array(block, 88),
        })
    }

    /// Length of the verified device in sectors of 512 bytes, as the device-mapper target wants it;
    /// no overflow for a superblock that was parsed.
    pub const fn sectors(&self) -> u64 {
        self.data_blocks.saturating_mul(SECTORS_PER_BLOCK)
    }
}

fn check_fixed_fields(block: &[u8; SUPERBLOCK_SIZE]) -> Result<(), SuperblockError> {
    let u32_at = |at| u64::from(u32::from_le_bytes(array(block, at)));
    let salt_size = u64::from(u16::from_le_bytes(array(block, 80)));
    for (field, expected, found) in [
        ("version", u64::from(VERSION), u32_at(8)),
        ("hash type", u64::from(HASH_TYPE), u32_at(12)),
        ("data block size", u64::from(BLOCK_SIZE_FIELD), u32_at(64)),
        ("hash block size", u64::from(BLOCK_SIZE_FIELD), u32_at(68)),
        ("salt size", u64::from(SALT_SIZE), salt_size),
    ] {
        if found != expected {
            return Err(SuperblockError::Field {
                field,
                expected,
                found,
            });
        }
    }
    let algorithm: [u8; 32] = array(block, 32);
    let name = algorithm.split(|byte| *byte == 0).next();
    (name == Some(ALGORITHM.as_bytes()))
        .then_some(())
        .ok_or(SuperblockError::Algorithm)
}

/// `N` bytes at `at`; zeros past the end, which no caller asks for.
fn array<const N: usize>(block: &[u8; SUPERBLOCK_SIZE], at: usize) -> [u8; N] {
    let tail = block.get(at..).unwrap_or_default();
    tail.first_chunk().copied().unwrap_or([0; N])
}

/// The digest of one data or hash block: SHA-256 of the salt and then the block.
pub fn hash_block(salt: &[u8; 32], block: &[u8]) -> [u8; 32] {
    let hasher = Sha256::new().chain_update(salt).chain_update(block);
    hasher.finalize().into()
}

/// The root hash of the tree whose root block ([`TREE_START`]) is `root_block`.
///
/// A tree over a single data block has no hash block at all; its root hash is the digest of that
/// data block. No EROFS root is that small.
pub fn root_hash(salt: &[u8; 32], root_block: &[u8]) -> Digest {
    Digest::from_bytes(hash_block(salt, root_block))
}

/// Parameters of the `verity` target for `data` verified by the tree on `hashes`; both are paths
/// or `major:minor`. The target spans sectors 0 to [`Superblock::sectors`].
///
/// A block that does not match restarts the machine, so that it counts as a failed boot
/// (DESIGN 4 and 6), instead of feeding errors to whoever reads it.
pub fn table(superblock: &Superblock, root: &Digest, data: &str, hashes: &str) -> String {
    let salt = Digest::from_bytes(superblock.salt).hex();
    format!(
        "{HASH_TYPE} {data} {hashes} {BLOCK_SIZE} {BLOCK_SIZE} {blocks} {TREE_START} {ALGORITHM} \
         {root} {salt} 1 restart_on_corruption",
        blocks = superblock.data_blocks,
        root = root.hex(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Superblock {
        Superblock {
            uuid: [7; 16],
            data_blocks: 129,
            salt: [0xab; 32],
        }
    }

    #[test]
    fn bytes_are_those_of_veritysetup() {
        let bytes = sample().encode();
        assert_eq!(
            &bytes[..16],
            b"verity\0\0\x01\x00\x00\x00\x01\x00\x00\x00".as_slice()
        );
        assert_eq!(&bytes[32..40], b"sha256\0\0");
        assert_eq!(&bytes[64..72], b"\x00\x10\x00\x00\x00\x10\x00\x00");
        assert_eq!(&bytes[72..80], 129u64.to_le_bytes());
        assert_eq!(&bytes[80..88], b"\x20\x00\x00\x00\x00\x00\x00\x00");
        assert!(bytes[120..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn other_superblocks_are_refused() {
        for (at, value, message) in [
            (0, b'V', "found no dm-verity signature"),
            (8, 2, "expected version 1 in the superblock, found 2"),
            (12, 0, "expected hash type 1 in the superblock, found 0"),
            (
                33,
                b'x',
                "expected the hash `sha256` in the superblock, found another",
            ),
            (
                65,
                2,
                "expected data block size 4096 in the superblock, found 512",
            ),
            (80, 0, "expected salt size 32 in the superblock, found 0"),
        ] {
            let mut bytes = sample().encode();
            bytes[at] = value;
            let error = Superblock::parse(&bytes).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let empty = Superblock {
            data_blocks: 0,
            ..sample()
        };
        assert_eq!(
            Superblock::parse(&empty.encode()),
            Err(SuperblockError::DataBlocks(0))
        );
        assert_eq!(Superblock::parse(b"verity"), Err(SuperblockError::Short(6)));
    }

    #[test]
    fn table_names_devices_hashes_and_the_restart() {
        let line = table(&sample(), &Digest::from_bytes([1; 32]), "8:2", "8:3");
        let root = "01".repeat(32);
        let salt = "ab".repeat(32);
        assert_eq!(
            line,
            format!("1 8:2 8:3 4096 4096 129 1 sha256 {root} {salt} 1 restart_on_corruption")
        );
        assert_eq!(sample().sectors(), 129 * 8);
    }

    proptest! {
        #[test]
        fn superblocks_round_trip(uuid: [u8; 16], salt: [u8; 32], data_blocks in 1..=u64::MAX / 4096) {
            let superblock = Superblock { uuid, data_blocks, salt };
            prop_assert_eq!(Superblock::parse(&superblock.encode()), Ok(superblock));
        }

        #[test]
        fn parse_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Superblock::parse(&bytes);
        }
    }
}
