//! Everything that can keep a build from being signed.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{bundle::BundleError, oci::OciError, store::StoreError};

/// A request, an answer or a layout that does not do.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A file is no such document.
    #[error("expected {expected} in `{}`", path.display())]
    Document {
        /// A sign request, or an answer to one.
        expected: &'static str,
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
    /// A request whose parts contradict each other.
    #[error("the sign request is not to be trusted: {0}")]
    Request(String),
    /// An answer to something else.
    #[error(
        "`{answer}` answers another request: the image was built again, or this is another one"
    )]
    OtherRequest {
        /// The answer.
        answer: String,
    },
    /// An answer whose signatures do not verify.
    #[error("`{answer}` is no good: {what}")]
    BadAnswer {
        /// The answer.
        answer: String,
        /// What is wrong.
        what: String,
    },
    /// The directory holds something else than was asked to be signed.
    #[error("`{}` is not what its sign request says: build it again", .0.display())]
    Changed(PathBuf),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A layout.
    #[error(transparent)]
    Layout(#[from] OciError),
    /// A document cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}
