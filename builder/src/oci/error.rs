//! Everything that can be wrong with a layout.

use std::{
    io,
    path::{Path, PathBuf},
};

use bedplate_contract::Digest;

use crate::store::StoreError;

/// A layout that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A file of the layout cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A file of the layout cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A document of the layout cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document could not be made or understood.
    #[error("cannot make sense of the {what}")]
    Document {
        /// Manifest, config, index or descriptor.
        what: &'static str,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Neither a directory nor a tar of one.
    #[error("expected an OCI layout in `{}`, found no `{missing}`", path.display())]
    NoLayout {
        /// Where it was looked for.
        path: PathBuf,
        /// The file that is not there.
        missing: String,
    },
    /// Other bytes than the digest says.
    #[error("blob {expected} is damaged: its {found_size} bytes have digest {found}")]
    Damaged {
        /// What it is called.
        expected: Digest,
        /// Digest of what is there.
        found: Digest,
        /// Bytes that are there.
        found_size: u64,
    },
    /// Another length than the descriptor says.
    #[error("blob {digest} is damaged: expected {expected} bytes, found {found}")]
    Size {
        /// What it is called.
        digest: Digest,
        /// Bytes by the descriptor.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A document too long to be one.
    #[error("expected a document of at most {most} bytes, found {found} in blob {digest}")]
    TooLong {
        /// What it is called.
        digest: Digest,
        /// Most bytes.
        most: usize,
        /// Bytes by the descriptor.
        found: u64,
    },
}

impl OciError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    /// A document that could not be made or understood.
    pub fn document(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Document {
            what,
            source: source.into(),
        }
    }
}
