//! Everything that keeps a bundle from being published.

use std::{io, path::PathBuf};

use crate::{bundle::BundleError, oci::OciError};

/// A bundle that is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A layout cannot be read or written.
    #[error(transparent)]
    Layout(#[from] OciError),
    /// A bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A source of something else.
    #[error("expected a bundle in `{}`, found none", .0.display())]
    NoBundle(PathBuf),
    /// Nobody has signed it.
    #[error("{title} is not signed, and no host would take it; sign it, or say --allow-unsigned")]
    Unsigned {
        /// Name, version and profile.
        title: String,
    },
    /// A version means one content for ever.
    #[error("{title} is published with another content; raise the version")]
    Taken {
        /// Name, version and profile.
        title: String,
    },
    /// The target cannot be locked or written.
    #[error("cannot publish to `{}`", path.display())]
    Write {
        /// The target.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}
