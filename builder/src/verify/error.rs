//! Everything that keeps a bundle or an image from being believed.

use std::{io, path::PathBuf};

use bedplate_contract::{
    Digest, frames::IndexError, signature::SignatureError, verity::SuperblockError,
};

use crate::{bundle::BundleError, disk::verity::VerityError, oci::OciError, sums::SumsError};

/// What is not to be believed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A layout cannot be read, or an image is damaged.
    #[error(transparent)]
    Layout(#[from] OciError),
    /// Bundles cannot be read.
    #[error(transparent)]
    Read(#[from] BundleError),
    /// A file that is flashed or uploaded.
    #[error(transparent)]
    File(#[from] SumsError),
    /// A layout of something else.
    #[error("expected a bundle in `{}`, found none", .0.display())]
    NoBundle(PathBuf),
    /// A layout without an image.
    #[error("expected an image in `{}`, found none", .0.display())]
    NoImage(PathBuf),
    /// A bundle.
    #[error("{title} is refused")]
    Bundle {
        /// Name, version and profile.
        title: String,
        /// Why.
        #[source]
        source: ContentError,
    },
    /// Too few signatures of an image.
    #[error(
        "the image {image} is refused: expected good signatures by {threshold} of the keys, found {found}"
    )]
    ImageSignatures {
        /// Digest of its manifest.
        image: Digest,
        /// How many are asked for.
        threshold: usize,
        /// How many there are.
        found: usize,
    },
}

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The signatures.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A blob is damaged or not there.
    #[error(transparent)]
    Blob(#[from] OciError),
    /// The index of the frames.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Frames that are not what their index says.
    #[error("frame {number} of the root image is damaged: {what}")]
    Frame {
        /// Its place, from 0.
        number: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Something that the manifest says otherwise.
    #[error("expected {expected} of the {noun}, found {found}")]
    Differs {
        /// What differs.
        noun: &'static str,
        /// What the manifest says.
        expected: String,
        /// What there is.
        found: String,
    },
    /// The hash tree has no superblock.
    #[error("cannot read the superblock of the hash tree")]
    Superblock(#[source] SuperblockError),
    /// The hash tree cannot be made again.
    #[error(transparent)]
    Verity(#[from] VerityError),
    /// The UKI is no executable, or has no command line.
    #[error("cannot find a root hash in the UKI: {0}")]
    Uki(String),
    /// The root image cannot be put together.
    #[error("cannot put the root image together in the directory for temporary files")]
    Scratch(#[source] io::Error),
}

impl ContentError {
    /// Says what differs, unless it is the same.
    pub(super) fn same<T: PartialEq + ToString>(
        noun: &'static str,
        expected: &T,
        found: &T,
    ) -> Result<(), Self> {
        match expected == found {
            true => Ok(()),
            false => Err(Self::Differs {
                noun,
                expected: expected.to_string(),
                found: found.to_string(),
            }),
        }
    }
}
