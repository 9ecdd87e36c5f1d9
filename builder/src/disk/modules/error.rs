//! Modules that cannot be found or read.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::modinfo::ModInfoError;
use crate::layer::tree::TreeError;

/// Modules that cannot be found or read.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// No kernel, or several of which none is the right one.
    #[error("expected one kernel in `{}`, found {}", directory.display(), list(found))]
    Kernels {
        /// The directory that was read.
        directory: PathBuf,
        /// Releases found in it.
        found: Vec<String>,
    },
    /// A module that was asked for by name, or that another one depends on.
    #[error("kernel {release} has no module `{name}`{needed_by}")]
    Absent {
        /// Release of the kernel.
        release: String,
        /// Name of the module.
        name: String,
        /// Empty, or `, which … depends on`.
        needed_by: String,
    },
    /// A file or directory that cannot be read or decompressed.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The root cannot be read.
    #[error("cannot read the root")]
    Tree(#[from] TreeError),
    /// A module that was built for another kernel.
    #[error("the module `{}` is for the kernel `{found}`, not for `{release}`; build it with the headers of the profile's kernel", path.display())]
    Release {
        /// The file.
        path: PathBuf,
        /// Release in its `vermagic`.
        found: String,
        /// Release of the root's kernel.
        release: String,
    },
    /// A file that is no module.
    #[error("cannot read the module `{}`", path.display())]
    ModInfo {
        /// The file.
        path: PathBuf,
        /// What was expected.
        #[source]
        source: ModInfoError,
    },
}

fn list(found: &[String]) -> String {
    match found {
        [] => "none".to_owned(),
        _ => found.join(", "),
    }
}

/// The error of a file or directory that cannot be read.
pub(super) fn unread(path: &Path, source: io::Error) -> ModulesError {
    ModulesError::Read {
        path: path.to_owned(),
        source,
    }
}
