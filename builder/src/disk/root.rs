//! The root image: a tree as an uncompressed EROFS.
//!
//! `mkfs.erofs` of the tools does the work. Uncompressed, because blocks that did not change between
//! versions then stay equal and need not be sent (DESIGN 9). Owners, modes and extended attributes
//! (`security.capability`) are those of the tree; times are 0; the UUID comes from the key.
//!
//! Source: mkfs.erofs(1).

use std::{
    fs::{File, OpenOptions},
    path::Path,
};

use bedplate_contract::{Digest, verity::BLOCK_SIZE};

use super::{guid::Guid, output::WriteError};
use crate::tool::{ToolError, Tools};

/// A root image that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// `mkfs.erofs` failed.
    #[error("cannot make the root image")]
    Tool(#[from] ToolError),
    /// The image could not be read back or padded.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Writes the tree `root` to `image` and returns the size in bytes, a multiple of 4096.
///
/// `key` names the content of the tree; the same key must mean the same tree.
///
/// # Errors
/// `mkfs.erofs` fails, or the image cannot be padded.
pub fn write(tools: &Tools, root: &Path, key: &Digest, image: &Path) -> Result<u64, RootError> {
    let uuid = Guid::derive("root", key).to_string();
    let options = ["-d1", "-b4096", "-T0", "--all-time", "-U", &uuid];
    tools
        .command("mkfs.erofs")?
        .args(options)
        .arg(image)
        .arg(root)
        .run()?;
    Ok(pad(image)?)
}

fn pad(image: &Path) -> Result<u64, WriteError> {
    let failed = |needed| move |source| WriteError::new(image, needed, source);
    let file: File = OpenOptions::new()
        .write(true)
        .open(image)
        .map_err(failed(0))?;
    let length = file.metadata().map_err(failed(0))?.len();
    let size = length.next_multiple_of(BLOCK_SIZE as u64);
    if size != length {
        file.set_len(size).map_err(failed(size))?;
    }
    Ok(size)
}
