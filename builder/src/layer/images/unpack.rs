//! The layers of an image, one over the other, into one tree.
//!
//! Source: image-spec 1.1, layer. What stands there and means nothing here, or too much, is left out:
//! extended attributes and the set-user-id and set-group-id bits (a service gains no privileges
//! anyway), devices and pipes (`init` gives every service its `/dev`). Owners past what a user
//! namespace maps are nobody's. A path that leads out of the image ends the build.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use bedplate_contract::Digest;
use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::whiteout::{self, Fresh};
use crate::{
    layer::{
        extract::{ExtractError, destination, metadata},
        tree::{Metadata, Tree, TreeError},
    },
    registry::{Blob, Compression, ImageConfig, PinnedImage, RegistryError},
    store::Store,
};

/// Most entries of all layers of an image.
const MAX_ENTRIES: u64 = 2 << 20;
/// Most bytes of all layers of an image, unpacked: a small file may hold terabytes of zeros.
const MAX_BYTES: u64 = 64 << 30;
/// Owners that every build has, as root and in a user namespace; past them it is `nobody`.
const MAX_ID: u32 = 65_535;
const NOBODY: u32 = 65_534;

/// An image that cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ImageUnpackError {
    /// Its configuration.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A layer cannot be opened.
    #[error("cannot open the layer {digest}")]
    Open {
        /// Digest as it is transferred.
        digest: Digest,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A layer of a form that is not known.
    #[error("{0}")]
    Form(String),
    /// A layer cannot be read or written.
    #[error("cannot unpack the layer {digest}")]
    Layer {
        /// Digest as it is transferred.
        digest: Digest,
        /// The cause.
        #[source]
        source: Box<ExtractError>,
    },
    /// Other bytes than the configuration says.
    #[error("layer {digest} is not what was expected: expected {expected} unpacked, found {found}")]
    DiffId {
        /// Digest as it is transferred.
        digest: Digest,
        /// Digest of the plain tar by the configuration.
        expected: Digest,
        /// Digest of the plain tar.
        found: Digest,
    },
}

/// What an image may still take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    entries: u64,
    bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            entries: MAX_ENTRIES,
            bytes: MAX_BYTES,
        }
    }
}

impl Budget {
    /// One that is used up by so many entries and bytes.
    pub fn new(entries: u64, bytes: u64) -> Self {
        Self { entries, bytes }
    }

    fn take(&mut self, bytes: u64) -> io::Result<()> {
        let left = |have: u64, want| have.checked_sub(want);
        match (left(self.entries, 1), left(self.bytes, bytes)) {
            (Some(entries), Some(bytes)) => {
                *self = Self { entries, bytes };
                Ok(())
            }
            _ => Err(io::Error::other(
                "the image has more entries or bytes than any image should",
            )),
        }
    }
}

/// Unpacks all layers of `image`, whose blobs are in `store`, into the empty `root`.
pub(super) fn unpack(
    image: &PinnedImage,
    config: &ImageConfig,
    root: &Tree,
    store: &Store,
) -> Result<(), ImageUnpackError> {
    let mut budget = Budget::default();
    for (layer, diff_id) in image.layers.iter().zip(&config.diff_ids) {
        let digest = layer.digest;
        let stream = open(layer, store)?;
        let found = unpack_layer(stream, root, &mut budget);
        let found = found.map_err(|source| ImageUnpackError::Layer {
            digest,
            source: Box::new(source),
        })?;
        if found != *diff_id {
            let expected = *diff_id;
            return Err(ImageUnpackError::DiffId {
                digest,
                expected,
                found,
            });
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a blob of the store, not a file of a root"
)]
fn open(layer: &Blob, store: &Store) -> Result<Box<dyn Read>, ImageUnpackError> {
    let failed = |source| ImageUnpackError::Open {
        digest: layer.digest,
        source,
    };
    let form = layer.compression().map_err(ImageUnpackError::Form)?;
    let file = File::open(store.blob(&layer.digest)).map_err(failed)?;
    let file = BufReader::with_capacity(1 << 20, file);
    Ok(match form {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(file).map_err(failed)?),
    })
}

/// Unpacks a layer and returns the digest of its tar.
fn unpack_layer(
    stream: impl Read,
    root: &Tree,
    budget: &mut Budget,
) -> Result<Digest, ExtractError> {
    let mut stream = HashingReader {
        // What follows the end of a tar is part of the digest, and of what an image may take.
        inner: stream.take(budget.bytes.saturating_add(1)),
        hash: Sha256::new(),
    };
    apply(&mut stream, root, budget)?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(Digest::from_bytes(stream.hash.finalize().into()))
}

struct HashingReader<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// Applies the layer `stream`, a plain tar, to what the layers below left in `root`.
///
/// # Errors
/// Bytes that are no tar, an entry that leads out of `root`, a used-up budget, a failing system call.
pub fn apply(stream: impl Read, root: &Tree, budget: &mut Budget) -> Result<(), ExtractError> {
    let mut archive = tar::Archive::new(stream);
    let mut fresh = Fresh::default();
    for entry in archive.entries()? {
        let mut entry = entry?;
        budget.take(entry.size())?;
        write(&mut entry, root, &mut fresh)?;
    }
    Ok(())
}

fn write(
    entry: &mut tar::Entry<'_, impl Read>,
    root: &Tree,
    fresh: &mut Fresh,
) -> Result<(), ExtractError> {
    let path = crate::layer::tree::inside(&entry.path()?)?;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    if let Some(whiteout) = whiteout::parse(&path) {
        return Ok(whiteout::carry_out(&whiteout, root, fresh)?);
    }
    let metadata = owned(metadata(entry.header())?);
    match entry.header().entry_type() {
        EntryType::Directory => directory(&path, metadata, root)?,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            clear(&path, root)?;
            root.file(&path, entry, metadata)?;
        }
        EntryType::Symlink => {
            let text = destination(entry, &path)?;
            clear(&path, root)?;
            root.symlink(&path, &text, metadata)?;
        }
        EntryType::Link => {
            let existing = destination(entry, &path)?;
            // A link to itself would remove what it leads to.
            if crate::layer::tree::inside(&existing)? != path {
                clear(&path, root)?;
                root.hard_link(&path, &existing)?;
            }
        }
        EntryType::XGlobalHeader | EntryType::Char | EntryType::Block | EntryType::Fifo => {
            return Ok(());
        }
        kind => return Err(ExtractError::Kind { path, kind }),
    }
    fresh.add(path);
    Ok(())
}

fn owned(metadata: Metadata) -> Metadata {
    let id = |id: u32| if id > MAX_ID { NOBODY } else { id };
    Metadata {
        mode: metadata.mode & 0o1777,
        uid: id(metadata.uid),
        gid: id(metadata.gid),
        ..metadata
    }
}

/// A later layer may put a directory where a file or link was, and gives one that is there its own
/// mode.
fn directory(path: &Path, metadata: Metadata, root: &Tree) -> Result<(), TreeError> {
    if !root.is_directory(path)? {
        root.remove(path)?;
    }
    root.directory(path, metadata)?;
    root.set(path, metadata)
}

/// A later layer may put a file where a directory was.
fn clear(path: &Path, root: &Tree) -> Result<(), TreeError> {
    match root.is_directory(path)? {
        true => root.remove(path),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
