//! Packages into one tree, without dpkg: for tools roots, kernels and roots without dpkg.
//!
//! Decompression runs on all cores, one batch ahead of extraction. Extraction is in the order of
//! the list, so where two packages ship one path the later wins, always.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    deb::{Deb, DebError},
    extract::{ExtractError, extract},
    tree::{Metadata, Tree, TreeError},
};

/// A package that cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The file is no package.
    #[error(transparent)]
    Open(#[from] DebError),
    /// Its data cannot be decompressed.
    #[error("cannot decompress the package `{}`", path.display())]
    Decompress {
        /// The .deb.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Its data cannot be extracted.
    #[error("cannot unpack the package `{}` into `{}`", path.display(), root.display())]
    Extract {
        /// The .deb.
        path: PathBuf,
        /// The tree.
        root: PathBuf,
        /// The cause.
        #[source]
        source: Box<ExtractError>,
    },
    /// The directories of every root cannot be made.
    #[error("cannot make the skeleton of the root")]
    Skeleton(#[from] TreeError),
}

/// Top-level links of a merged `/usr` (Debian since bookworm).
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// Makes `/usr` and the links of a merged `/usr` in the empty directory `root`.
///
/// # Errors
/// A system call fails.
pub fn skeleton(root: &Path) -> Result<(), UnpackError> {
    let tree = Tree::open(root)?;
    for name in MERGED {
        let below_usr = Path::new("usr").join(name);
        tree.directory(&below_usr, Metadata::root(0o755))?;
        tree.symlink(Path::new(name), &below_usr, Metadata::root(0o777))?;
    }
    Ok(())
}

/// Unpacks the packages at `debs`, in that order, into the tree at `root`.
///
/// # Errors
/// The first package that cannot be read or extracted.
pub fn unpack(debs: &[PathBuf], root: &Path) -> Result<(), UnpackError> {
    let tree = Tree::open(root)?;
    let mut batches = debs.chunks(rayon::current_num_threads().max(1));
    let mut ready = decompress_all(batches.next().unwrap_or(&[]))?;
    while !ready.is_empty() {
        let next = batches.next().unwrap_or(&[]);
        let (extracted, decompressed) =
            rayon::join(|| extract_all(&ready, &tree, root), || decompress_all(next));
        extracted?;
        ready = decompressed?;
    }
    Ok(())
}

/// A package and its decompressed data.
type Data<'a> = (&'a Path, Vec<u8>);

fn decompress_all(debs: &[PathBuf]) -> Result<Vec<Data<'_>>, UnpackError> {
    debs.par_iter()
        .map(|path| Ok((path.as_path(), decompress(path)?)))
        .collect()
}

fn decompress(path: &Path) -> Result<Vec<u8>, UnpackError> {
    let mut bytes = Vec::new();
    let mut stream = Deb::open(path)?.data()?;
    stream
        .read_to_end(&mut bytes)
        .map_err(|source| UnpackError::Decompress {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn extract_all(batch: &[Data<'_>], tree: &Tree, root: &Path) -> Result<(), UnpackError> {
    for (path, data) in batch {
        extract(data.as_slice(), tree).map_err(|source| UnpackError::Extract {
            path: path.to_path_buf(),
            root: root.to_owned(),
            source: source.into(),
        })?;
    }
    Ok(())
}
