//! A tar stream into a [`Tree`].
//!
//! Source: deb(5): v7, ustar and GNU headers. Takes directories, files, symbolic and hard links;
//! refuses every other kind, for no package ships devices and a build may not make them.

use std::{
    ffi::OsStr,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use tar::EntryType;

use super::tree::{Metadata, Tree, TreeError};

/// A stream that cannot be extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The bytes are no tar, or end early.
    #[error("cannot read the archive")]
    Read(#[from] io::Error),
    /// An entry cannot be written.
    #[error(transparent)]
    Write(#[from] TreeError),
    /// An entry is a device, a pipe, or unknown.
    #[error("expected a file, directory or link, found `{}` of kind {kind:?}", path.display())]
    Kind {
        /// The entry.
        path: PathBuf,
        /// Its type flag.
        kind: EntryType,
    },
    /// A link without a destination.
    #[error("expected a destination of the link `{}`, found none", .0.display())]
    Link(PathBuf),
}

/// Extracts every entry of `stream`.
///
/// # Errors
/// Whatever stops it; entries before are there.
pub fn extract(stream: impl Read, tree: &Tree) -> Result<(), ExtractError> {
    let mut archive = tar::Archive::new(stream);
    for entry in archive.entries()? {
        write(&mut entry?, tree)?;
    }
    Ok(())
}

fn write(entry: &mut tar::Entry<'_, impl Read>, tree: &Tree) -> Result<(), ExtractError> {
    let path = entry.path()?.into_owned();
    if path.as_os_str().is_empty() || path == Path::new(".") {
        return Ok(());
    }
    let metadata = metadata(entry.header())?;
    match entry.header().entry_type() {
        EntryType::Directory => tree.directory(&path, metadata)?,
        EntryType::Regular | EntryType::Continuous => tree.file(&path, entry, metadata)?,
        EntryType::Symlink => tree.symlink(&path, &destination(entry, &path)?, metadata)?,
        EntryType::Link => tree.hard_link(&path, &destination(entry, &path)?)?,
        EntryType::XGlobalHeader => {}
        kind => return Err(ExtractError::Kind { path, kind }),
    }
    Ok(())
}

pub(super) fn destination(
    entry: &tar::Entry<'_, impl Read>,
    path: &Path,
) -> Result<PathBuf, ExtractError> {
    let bytes = entry.link_name_bytes().filter(|bytes| !bytes.is_empty());
    bytes
        .map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes)))
        .ok_or_else(|| ExtractError::Link(path.to_owned()))
}

pub(super) fn metadata(header: &tar::Header) -> io::Result<Metadata> {
    let id = |value: u64| {
        u32::try_from(value).map_err(|_| io::Error::other("a user or group id past 32 bits"))
    };
    Ok(Metadata {
        mode: header.mode()? & 0o7777,
        uid: id(header.uid()?)?,
        gid: id(header.gid()?)?,
        mtime: i64::try_from(header.mtime()?).unwrap_or(i64::MAX),
    })
}
