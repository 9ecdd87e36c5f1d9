//! Why a layer cannot be made.

use std::{io, path::PathBuf};

use bedplate_sys::{overlay::OverlayError, sandbox::SandboxError};

use super::{
    accounts::AccountError, driver::DriverError, images::ImageUnpackError, libraries::LibraryError,
    tree::TreeError, unpack::UnpackError,
};
use crate::{
    definition::TreeReadError, disk::modules::ModulesError, store::StoreError, tool::ToolError,
};

/// A layer that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The store refused.
    #[error("cannot keep a layer")]
    Store(#[from] StoreError),
    /// Directories cannot be stacked.
    #[error("cannot stack the layers in the store (`$BEDPLATE_STORE` puts it elsewhere)")]
    Overlay(#[from] OverlayError),
    /// A package cannot be unpacked.
    #[error("cannot unpack the packages")]
    Unpack(#[from] UnpackError),
    /// An entry cannot be written.
    #[error("cannot write into the root")]
    Tree(#[from] TreeError),
    /// A sandbox cannot be described.
    #[error("cannot set up the sandbox")]
    Sandbox(#[from] SandboxError),
    /// dpkg, or a maintainer script, failed.
    #[error("cannot {action} the packages of layer `{layer}`")]
    Dpkg {
        /// `unpack` or `configure`.
        action: &'static str,
        /// The layer.
        layer: &'static str,
        /// What was said.
        #[source]
        source: ToolError,
    },
    /// A command of `[build]` failed.
    #[error("cannot run the command at `{place}`")]
    Command {
        /// `file:line`.
        place: String,
        /// What was said.
        #[source]
        source: ToolError,
    },
    /// A command of `[validate]` failed.
    #[error("the root does not pass the command at `{place}`")]
    Unfit {
        /// `file:line`.
        place: String,
        /// What was said.
        #[source]
        source: ToolError,
    },
    /// The commands of `[build]` left nothing at an output.
    #[error(
        "expected the commands at `{places}` to make `{output}`, found nothing there; \
         name outputs by where links such as `/lib` lead"
    )]
    NoOutput {
        /// The path.
        output: String,
        /// Where the commands stand.
        places: String,
    },
    /// The NVIDIA driver is none that could be used.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A name has no number.
    #[error("cannot resolve the owner of {of}")]
    Account {
        /// What is owned.
        of: String,
        /// The cause.
        #[source]
        source: AccountError,
    },
    /// The kernel set holds no kernel.
    #[error("expected one `boot/vmlinuz-*` in the packages of `{set}`, found {found}")]
    Kernel {
        /// Set of the lock.
        set: String,
        /// How many there are.
        found: usize,
    },
    /// The kernel lacks a module, or one cannot be read.
    #[error("cannot list the modules that PID 1 loads")]
    Modules(#[from] ModulesError),
    /// An image of a registry.
    #[error("cannot unpack the image `{name}`")]
    Image {
        /// Its name in the definition.
        name: String,
        /// The cause.
        #[source]
        source: Box<ImageUnpackError>,
    },
    /// A service does not fit the image that it runs in.
    #[error("service `{service}` in the image `{image}`: {what}")]
    Root {
        /// The service.
        service: String,
        /// The image.
        image: String,
        /// What was expected.
        what: String,
    },
    /// A part of an image cannot be read.
    #[error(transparent)]
    Source(#[from] TreeReadError),
    /// A library of a state tool cannot be found.
    #[error("cannot copy the tools of the state partition")]
    Libraries(#[from] LibraryError),
    /// A file or directory cannot be read or changed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl LayerError {
    /// Whether the definition asks for what cannot work together.
    pub const fn is_definition(&self) -> bool {
        matches!(
            self,
            Self::Driver(_) | Self::Unfit { .. } | Self::Modules(ModulesError::Release { .. })
        )
    }

    /// An error that `action` of `path` had.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
