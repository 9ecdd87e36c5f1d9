//! Why an image cannot be had.

use std::path::PathBuf;

use bedplate_contract::Digest;

use crate::{oci::OciError, resolve::download::DownloadError, store::StoreError};

/// An image that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Nothing says where it comes from.
    #[error(
        "no registry is named for the image `{name}` ({reference}); name one with \
         `--registry HOST[:PORT]`, or give its layout with `--oci {name}=DIR`"
    )]
    NoOrigin {
        /// Name in the definition.
        name: String,
        /// Its reference.
        reference: String,
    },
    /// The lock pins it, the store does not have all of it, and nothing says where it comes from.
    #[error(
        "the lock pins the image `{name}`, but its blob {digest} is not in the store, and no \
         registry is named; name one with `--registry HOST[:PORT]`, or give its layout with \
         `--oci {name}=DIR`"
    )]
    NotStored {
        /// Name in the definition.
        name: String,
        /// First blob that is missing.
        digest: Digest,
    },
    /// A request failed.
    #[error("cannot pull the image `{reference}`")]
    Download {
        /// Its reference.
        reference: String,
        /// Cause.
        #[source]
        source: Box<DownloadError>,
    },
    /// The registry lets nobody in, or not us.
    #[error("the registry refuses `{reference}`: {reason}")]
    Refused {
        /// Its reference.
        reference: String,
        /// What it wants.
        reason: String,
    },
    /// A layout on disk.
    #[error("cannot read the layout `{}` of the image `{name}`", path.display())]
    Layout {
        /// Name in the definition.
        name: String,
        /// Its directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Box<OciError>,
    },
    /// A document of it means nothing, or something that this builder does not take.
    #[error("cannot take the image `{reference}`: {what}")]
    Document {
        /// Its reference.
        reference: String,
        /// What was expected and found.
        what: String,
    },
    /// Other bytes than the reference or a descriptor says.
    #[error("`{reference}` is not what was expected: expected {expected}, found {found}")]
    Digest {
        /// Its reference.
        reference: String,
        /// Digest wanted.
        expected: Digest,
        /// Digest of what came.
        found: Digest,
    },
    /// The user's credentials cannot be read.
    #[error("cannot read the credentials in `{}`: {what}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The store.
    #[error("cannot keep an image")]
    Store(#[from] StoreError),
}

impl RegistryError {
    /// Whether the definition, or what it names, has to change.
    pub fn is_definition(&self) -> bool {
        matches!(self, Self::NoOrigin { .. } | Self::Document { .. })
    }
}
