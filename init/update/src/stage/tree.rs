//! The hash tree: kept when it is there as a whole, else fetched and written as a whole. It is less
//! than a hundredth of the root.

use bedplate_contract::bundle::Content;

use super::{Part, StageError, Tally, Target, chunk, verify};
use crate::{progress::Progress, source::Source};

/// Writes the tree; its digest is checked when it is read back.
pub fn write(
    tree: &Content,
    source: &mut dyn Source,
    target: &mut dyn Target,
    progress: &mut Progress<'_>,
    tally: &mut Tally,
) -> Result<(), StageError> {
    progress.begin("fetching the hash tree", tree.size);
    if verify::digest(Part::Tree, tree.size, target)? == tree.digest {
        return Ok(());
    }
    let failed = |source| StageError::Source {
        what: "hash tree",
        source,
    };
    source.open(&tree.digest, 0..tree.size).map_err(failed)?;
    let mut buffer = vec![0; chunk(0, tree.size)];
    let mut done = 0;
    while done < tree.size {
        let bytes = buffer.get_mut(..chunk(done, tree.size)).unwrap_or_default();
        source.read(bytes).map_err(failed)?;
        // A crash leaves a tree that fits no root, and no entry that names it.
        target.write(Part::Tree, done, bytes)?;
        done += bytes.len() as u64;
        progress.advance(bytes.len() as u64);
    }
    tally.fetched += tree.size;
    tally.written += tree.size;
    Ok(())
}
