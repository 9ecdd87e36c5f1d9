//! Why an archive was not made, not good or not restored.

use std::{io, path::PathBuf};

use bedplate_contract::backup::ManifestError;
use bedplate_init::durable::DurableError;

/// A step of a backup that failed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No such backup in the image.
    #[error("no backup is called `{0}`")]
    Unknown(String),
    /// Nothing to verify or restore.
    #[error("there is no archive in `{}` yet", .0.display())]
    None(PathBuf),
    /// No such archive.
    #[error("there is no archive `{name}` in `{}`; `bedplatectl backup list` shows what there is", .directory.display())]
    NoSuch {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// Somebody else works on the archives.
    #[error("another step works on the archives in `{}`", .0.display())]
    Busy(PathBuf),
    /// A second archive within a second.
    #[error("there is an archive `{0}` already: one can be made each second")]
    Exists(String),
    /// The file system.
    #[error("{doing} `{}`", .path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The archive's own file or its content cannot be read or written.
    #[error("{0} the archive")]
    Stream(&'static str, #[source] io::Error),
    /// The manifest was not written.
    #[error("cannot finish the archive")]
    Manifest(#[from] DurableError),
    /// A manifest that is none.
    #[error("cannot read the manifest `{}`", .path.display())]
    Torn {
        /// The manifest.
        path: PathBuf,
        /// Cause.
        source: ManifestError,
    },
    /// A program that could not be run.
    #[error("cannot run `{program}`")]
    Spawn {
        /// The program.
        program: String,
        /// Cause.
        source: io::Error,
    },
    /// A program that failed.
    #[error("`{program}` ended with {end}")]
    Failed {
        /// The program.
        program: String,
        /// How.
        end: String,
    },
    /// A program that wrote nothing at all and said that all was well.
    #[error("`{0}` wrote nothing")]
    Empty(String),
    /// The file is not what was written.
    #[error("archive `{archive}` is damaged: expected {what} {expected}, found {found}")]
    Damaged {
        /// Its name.
        archive: String,
        /// What differs.
        what: &'static str,
        /// As the manifest has it.
        expected: String,
        /// As it is.
        found: String,
    },
}

impl ArchiveError {
    /// Wraps an I/O error of `path`.
    pub(super) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}
