//! What can go wrong between names and verified files.

use std::{io, path::PathBuf};

use super::{
    deb822, download::DownloadError, lock::LockError, mirror::MirrorError, release::ReleaseError,
    signature::SignatureError,
};
use crate::{registry::RegistryError, store::StoreError};

/// An error of this stage.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No mirror is known.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A download failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A repository is not trusted.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A release file does not count.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The lock cannot be read or written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store.
    #[error("cannot use the store")]
    Store(#[from] StoreError),
    /// A repository without `InRelease`.
    #[error("the repository `{subject}` has no signed release file at `{url}`")]
    NoRelease {
        /// Archive and suite.
        subject: String,
        /// Where it was expected.
        url: String,
    },
    /// An index cannot be decompressed.
    #[error("cannot read the index `{url}`")]
    Index {
        /// URL.
        url: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// An index is no sequence of stanzas.
    #[error("cannot parse the index `{subject}`")]
    Syntax {
        /// Archive, suite and file.
        subject: String,
        /// Cause.
        #[source]
        source: deb822::SyntaxError,
    },
    /// A chosen package without what is needed to fetch it.
    #[error("the index entry of `{package}` has no valid `Filename`, `Size` and `SHA256`")]
    Entry {
        /// `name=version`.
        package: String,
    },
    /// A package that no repository has.
    #[error("set `{set}`: there is no package `{package}`{hint}")]
    UnknownPackage {
        /// Set in the lock.
        set: String,
        /// Package asked for.
        package: String,
        /// What might be meant, as the rest of the sentence.
        hint: String,
    },
    /// The packages do not go together.
    #[error("set `{set}`: the packages cannot be installed together:\n{conflict}")]
    Unsatisfiable {
        /// Set in the lock.
        set: String,
        /// Why, in the words of the solver.
        conflict: String,
    },
    /// Two repositories have different files for one version.
    #[error("`{package}` differs between the archives `{first}` and `{second}`")]
    Ambiguous {
        /// `name=version`.
        package: String,
        /// Archive.
        first: String,
        /// Another archive.
        second: String,
    },
    /// `--locked` and a lock that answers another question, or none.
    #[error("the lock `{}` is out of date; run `bedplate lock`", path.display())]
    Stale {
        /// Lock file.
        path: PathBuf,
    },
    /// `--locked`, and images that the lock does not pin.
    #[error(
        "the lock `{}` does not pin {references}: it was made without a registry, or for other \
         references; run `bedplate lock --registry HOST[:PORT]`", path.display()
    )]
    Unpinned {
        /// Lock file.
        path: PathBuf,
        /// The references.
        references: String,
    },
    /// An image of a registry.
    #[error(transparent)]
    Image(#[from] RegistryError),
    /// `--offline` and something that is not in the store.
    #[error(
        "`{subject}` is not in the store and would have to be fetched, but `--offline` is given"
    )]
    Offline {
        /// What is missing.
        subject: String,
    },
}

/// Who has to act on an error; the exit code of the program follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The definition or what it points to: exit code 2.
    Definition,
    /// The lock is out of date: exit code 3.
    StaleLock,
    /// Anything else: exit code 1.
    Other,
}

impl ResolveError {
    /// Who has to act.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Stale { .. } | Self::Unpinned { .. } => ErrorClass::StaleLock,
            Self::Image(error) if error.is_definition() => ErrorClass::Definition,
            Self::Signature(SignatureError::Unsigned { .. } | SignatureError::Untrusted { .. })
            | Self::Signature(SignatureError::Keyring { .. })
            | Self::Release(_)
            | Self::NoRelease { .. }
            | Self::UnknownPackage { .. }
            | Self::Unsatisfiable { .. }
            | Self::Ambiguous { .. }
            | Self::Lock(LockError::Syntax { .. } | LockError::Dangling { .. }) => {
                ErrorClass::Definition
            }
            _ => ErrorClass::Other,
        }
    }
}
