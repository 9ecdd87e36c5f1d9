//! `SHA256SUMS`: the digests of what people flash or upload, as sha256sum(1) reads them.
//!
//! Made of what a build measured, not of what lies there: a file that was changed since does not pass.
//! The digest of the list is in what is signed for the image ([`crate::sign::cosign`]).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_contract::Digest;

use crate::{
    disk::{Artifact, Artifacts, output},
    store::{self, StoreError},
};

/// File name of the list in an output directory.
pub const SUMS: &str = "SHA256SUMS";
/// How the names of artifacts end.
const FLASHED: [&str; 4] = ["raw", "erofs", "verity", "efi"];
/// Most bytes of a list that is read.
const MOST: u64 = 1 << 20;

/// Files that are not what the list says, or a list that is not what was signed.
#[derive(Debug, thiserror::Error)]
pub enum SumsError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The list is another one, or not one.
    #[error("`{}` is not the list that was signed", .0.display())]
    List(PathBuf),
    /// A file was changed.
    #[error("`{}` was changed since it was built: expected {expected}, found {found}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// By the list.
        expected: Digest,
        /// Of its bytes.
        found: Digest,
    },
}

/// Writes the list of `artifacts` to `directory`.
///
/// # Errors
/// Any of write, fsync, rename.
pub fn save(artifacts: &Artifacts, directory: &Path) -> Result<(), StoreError> {
    let Artifacts {
        disk,
        root,
        verity,
        uki,
        ..
    } = artifacts;
    // A star for bytes as they are; names of artifacts have no character that must be escaped.
    let line = |of: &Artifact| format!("{} *{}\n", of.digest.hex(), of.name);
    let text: String = [disk, root, verity, uki].map(line).concat();
    store::atomic_write(&directory.join(SUMS), text.as_bytes())
}

/// The digest of the list in `directory`; `None` without one.
///
/// # Errors
/// It cannot be read.
pub fn digest(directory: &Path) -> io::Result<Option<Digest>> {
    match output::digest(&directory.join(SUMS)) {
        Ok(digest) => Ok(Some(digest)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether `directory` has a list, or files that one must vouch for: bundle and image may be passed on
/// without them, but no disk without its list.
pub fn covers(directory: &Path) -> bool {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names = files.map(|file| file.file_name());
    names.any(|name| {
        let kind = Path::new(&name).extension();
        name == SUMS || kind.is_some_and(|kind| FLASHED.iter().any(|flashed| kind == *flashed))
    })
}

/// Checks every file of the list in `directory`, whose digest is `signed`; returns their names.
///
/// # Errors
/// Another list, or a file that was changed.
pub fn check(directory: &Path, signed: &Digest) -> Result<Vec<String>, SumsError> {
    let path = directory.join(SUMS);
    let unread = |path: &Path, source| SumsError::Read {
        path: path.to_owned(),
        source,
    };
    let size = fs::metadata(&path).map_err(|e| unread(&path, e))?.len();
    let bytes = match size <= MOST {
        true => fs::read(&path).map_err(|e| unread(&path, e))?,
        false => Vec::new(),
    };
    let other = || SumsError::List(path.clone());
    let text = std::str::from_utf8(&bytes).map_err(|_| other())?;
    if Digest::of(&bytes) != *signed {
        return Err(other());
    }
    let mut names = Vec::new();
    for line in text.lines() {
        let (hex, name) = line.split_once(" *").ok_or_else(other)?;
        let expected = Digest::from_hex(hex).map_err(|_| other())?;
        let path = directory.join(name);
        let found = output::digest(&path).map_err(|e| unread(&path, e))?;
        if found != expected {
            return Err(SumsError::Changed {
                path,
                expected,
                found,
            });
        }
        names.push(name.to_owned());
    }
    Ok(names)
}
