//! Layers → an OCI image layout that other people's tools read.
//!
//! Source: OCI image-spec 1.1: image-layout, manifest, config, layer. Every byte follows from the
//! layer trees: sorted entries, fixed times, sorted keys, gzip members of a fixed size.

mod archive;
mod gzip;
mod layout;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_contract::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    oci::OciError,
    store::{Store, StoreError, atomic_write},
};

pub use layout::{ImageFacts, OciImage, write_layout};

/// Version of what [`pack`] makes; part of the key of every archive.
pub const VERSION: u32 = 1;
/// File of a layer's step that holds the compressed archive.
const ARCHIVE: &str = "layer.tar.gz";
/// File of a layer's step that holds its [`Descriptor`].
const DESCRIPTOR: &str = "layer.json";

/// A layer as a directory: the upper directory of an overlay.
#[derive(Debug, Clone)]
pub struct LayerTree<'a> {
    /// Name, for history and messages.
    pub name: &'a str,
    /// Key of the step that archives it, from the plan.
    pub key: Digest,
    /// The directory; whiteouts and opaque marks as overlayfs writes them.
    pub path: &'a Path,
}

/// A compressed layer in the store.
#[derive(Debug, Clone)]
pub struct ImageLayer {
    /// Name.
    pub name: String,
    /// The archive.
    pub path: PathBuf,
    /// What manifest and config say of it.
    pub descriptor: Descriptor,
}

/// Digests and size of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Digest of the compressed archive.
    pub digest: Digest,
    /// Bytes of the compressed archive.
    pub size: u64,
    /// Digest of the archive itself.
    pub diff_id: Digest,
}

/// An image that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file of a layer could not be archived.
    #[error("cannot archive `{}`", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A file of the layout could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A document could not be made.
    #[error("cannot make the {what}")]
    Document {
        /// Manifest, config, index or descriptor.
        what: &'static str,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The layout.
    #[error(transparent)]
    Layout(#[from] OciError),
    /// The store.
    #[error("cannot keep a layer")]
    Store(#[from] StoreError),
}

impl ImageError {
    fn archive(path: &Path, source: io::Error) -> Self {
        Self::Archive {
            path: path.to_owned(),
            source,
        }
    }

    fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    fn document(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Document {
            what,
            source: source.into(),
        }
    }
}

/// Archives and compresses a layer, once per tree.
///
/// # Errors
/// A file that cannot be read or written.
pub fn pack(tree: &LayerTree<'_>, store: &Store) -> Result<ImageLayer, ImageError> {
    let step = store.realize::<ImageError>(&tree.key, |step| {
        let descriptor = pack_into(tree.path, step)?;
        let text = serde_json::to_vec(&descriptor)
            .map_err(|error| ImageError::document("descriptor", error))?;
        atomic_write(&step.join(DESCRIPTOR), &text)?;
        Ok(crate::store::seal(step)?)
    })?;
    let path = step.join(DESCRIPTOR);
    let text = fs::read(&path).map_err(|source| ImageError::archive(&path, source))?;
    let descriptor =
        serde_json::from_slice(&text).map_err(|error| ImageError::document("descriptor", error))?;
    Ok(ImageLayer {
        name: tree.name.to_owned(),
        path: step.join(ARCHIVE),
        descriptor,
    })
}

fn pack_into(tree: &Path, step: &Path) -> Result<Descriptor, ImageError> {
    let plain = step.join("layer.tar");
    let compressed = step.join(ARCHIVE);
    let diff_id = archive::write(tree, &plain)?;
    let (digest, size) =
        gzip::compress(&plain, &compressed).map_err(|e| ImageError::write(&compressed, e))?;
    fs::remove_file(&plain).map_err(|source| ImageError::write(&plain, source))?;
    Ok(Descriptor {
        digest,
        size,
        diff_id,
    })
}
