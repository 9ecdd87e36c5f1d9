//! Everything that can be wrong with a bundle.

use std::{
    io,
    path::{Path, PathBuf},
};

use bedplate_contract::{
    Digest, bundle::MAX_MANIFEST, frames::IndexError, signature::SignatureError,
};

use crate::{disk::DiskError, oci::OciError};

/// A bundle that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The artifacts that it is made of.
    #[error("cannot read the artifacts of the disk")]
    Artifacts(#[source] DiskError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] OciError),
    /// The root image cannot be read.
    #[error("cannot make frames of `{}`", path.display())]
    Frames {
        /// The image.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The manifest cannot be understood.
    #[error("cannot make sense of the bundle's manifest {digest} (at most {MAX_MANIFEST} bytes)")]
    Manifest {
        /// Digest of the manifest.
        digest: Digest,
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
    /// The envelope cannot be understood.
    #[error("cannot read the signatures")]
    Envelope(#[from] SignatureError),
    /// An envelope without content, or one of another manifest.
    #[error("the envelope {0} holds another manifest than the bundle that it is for")]
    OtherManifest(Digest),
    /// The index of the frames.
    #[error("cannot read the index of the frames")]
    Index(#[from] IndexError),
}

impl BundleError {
    pub(super) fn frames(path: &Path, source: io::Error) -> Self {
        Self::Frames {
            path: path.to_owned(),
            source,
        }
    }
}
