//! The slot read back from the medium.

use bedplate_contract::{
    BundleManifest, Digest,
    verity::{self, BLOCK_SIZE, SUPERBLOCK_SIZE, Superblock, TREE_START},
};
use sha2::{Digest as _, Sha256};

use super::{Part, StageError, Target, TargetError, chunk};
use crate::progress::Progress;

/// Checks root image, tree and root hash of the slot, all as the medium gives them.
pub fn slot(
    manifest: &BundleManifest,
    target: &mut dyn Target,
    progress: &mut Progress<'_>,
) -> Result<(), StageError> {
    let size = manifest.root.image.size;
    progress.begin("reading it back", size.saturating_add(manifest.verity.size));
    for (part, content) in [
        (Part::Root, &manifest.root.image),
        (Part::Tree, &manifest.verity),
    ] {
        let found = digest_with(part, content.size, target, |count| progress.advance(count))?;
        let expected = content.digest;
        if found != expected {
            let why = format!("expected {expected}, found {found}");
            return Err(StageError::ReadBack { part, why });
        }
    }
    let found = root_hash(target)?;
    let expected = &manifest.root_hash;
    match found == Some((*expected, size)) {
        true => Ok(()),
        false => Err(StageError::ReadBack {
            part: Part::Tree,
            why: format!("expected a tree of root hash {expected} over {size} bytes"),
        }),
    }
}

/// The digest of the first `size` bytes of `part`.
pub fn digest(part: Part, size: u64, target: &mut dyn Target) -> Result<Digest, TargetError> {
    digest_with(part, size, target, |_| {})
}

fn digest_with(
    part: Part,
    size: u64,
    target: &mut dyn Target,
    mut advance: impl FnMut(u64),
) -> Result<Digest, TargetError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; chunk(0, size)];
    let mut done = 0;
    while done < size {
        let bytes = buffer.get_mut(..chunk(done, size)).unwrap_or_default();
        target.read(part, done, bytes)?;
        hash.update(&*bytes);
        done += bytes.len() as u64;
        advance(bytes.len() as u64);
    }
    Ok(Digest::from_bytes(hash.finalize().into()))
}

/// Root hash of the tree, and the bytes of root that it covers.
fn root_hash(target: &mut dyn Target) -> Result<Option<(Digest, u64)>, TargetError> {
    let mut superblock = [0; SUPERBLOCK_SIZE];
    let mut block = [0; BLOCK_SIZE];
    target.read(Part::Tree, 0, &mut superblock)?;
    target.read(Part::Tree, TREE_START * BLOCK_SIZE as u64, &mut block)?;
    let parsed = Superblock::parse(&superblock).ok();
    Ok(parsed.map(|superblock| {
        let covered = superblock.data_blocks.saturating_mul(BLOCK_SIZE as u64);
        (verity::root_hash(&superblock.salt, &block), covered)
    }))
}
