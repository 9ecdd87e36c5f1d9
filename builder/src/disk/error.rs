//! Everything that can keep a disk from being made.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    esp::EspTooSmall, gpt::GptError, initramfs::InitramfsError, layout::LayoutError,
    modules::ModulesError, output::WriteError, pe::PeError, root::RootError, verity::VerityError,
};

/// A disk that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The profile's layout is too small; the definition must change.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The profile's ESP is too small; the definition must change.
    #[error(transparent)]
    Esp(#[from] EspTooSmall),
    /// The root image.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The hash tree.
    #[error(transparent)]
    Verity(#[from] VerityError),
    /// The kernel or its modules.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// The initramfs.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// The UKI.
    #[error("cannot assemble the UKI")]
    Uki(#[from] PeError),
    /// The partition table.
    #[error(transparent)]
    Gpt(#[from] GptError),
    /// No space, most likely.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An input or an output that cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The document of an earlier build.
    #[error("cannot understand `{}`", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl DiskError {
    /// Whether the definition asks for what cannot be: the user's to mend, not the machine's.
    pub const fn is_definition(&self) -> bool {
        matches!(self, Self::Layout(_) | Self::Esp(_))
    }
}

pub(super) fn unread(path: &Path, source: io::Error) -> DiskError {
    DiskError::Read {
        path: path.to_owned(),
        source,
    }
}
