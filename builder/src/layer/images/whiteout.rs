//! Names of a layer that delete names of the layers below.
//!
//! Source: image-spec 1.1, layer, "Whiteouts". A whiteout hides what lies below its layer, never what
//! the layer itself has, wherever in the archive it stands.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::layer::tree::{Tree, TreeError};

/// Prefix of a deleted name.
const PREFIX: &[u8] = b".wh.";
/// Name that deletes all that a directory has from below.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Prefix of names that a file system of old kept for itself.
const RESERVED: &[u8] = b".wh..wh.";

/// What a name of a layer deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whiteout {
    /// This name.
    Name(PathBuf),
    /// All names in this directory.
    Directory(PathBuf),
    /// Nothing.
    Nothing,
}

/// What a layer has written so far.
#[derive(Debug, Default)]
pub(super) struct Fresh(BTreeSet<PathBuf>);

impl Fresh {
    /// Notes a path.
    pub fn add(&mut self, path: PathBuf) {
        self.0.insert(path);
    }

    /// Whether the layer has `path`, or anything below it.
    fn has(&self, path: &Path) -> bool {
        let next = self.0.range(path.to_owned()..).next();
        next.is_some_and(|next| next.starts_with(path))
    }
}

/// The whiteout that `path` is, if it is one.
pub(super) fn parse(path: &Path) -> Option<Whiteout> {
    let name = path.file_name()?.as_bytes();
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    let deleted = name.strip_prefix(PREFIX)?;
    Some(match name {
        OPAQUE => Whiteout::Directory(directory),
        _ if name.starts_with(RESERVED) || matches!(deleted, b"" | b"." | b"..") => {
            Whiteout::Nothing
        }
        _ => Whiteout::Name(directory.join(OsStr::from_bytes(deleted))),
    })
}

/// Deletes from `root` what is not `fresh`.
pub(super) fn carry_out(whiteout: &Whiteout, root: &Tree, fresh: &Fresh) -> Result<(), TreeError> {
    match whiteout {
        Whiteout::Name(path) => remove(path, root, fresh),
        Whiteout::Directory(path) => empty(path, root, fresh),
        Whiteout::Nothing => Ok(()),
    }
}

fn remove(path: &Path, root: &Tree, fresh: &Fresh) -> Result<(), TreeError> {
    match fresh.has(path) {
        false => root.remove(path),
        // The layer has a directory of its own there: what is below it and not the layer's goes.
        true => empty(path, root, fresh),
    }
}

fn empty(path: &Path, root: &Tree, fresh: &Fresh) -> Result<(), TreeError> {
    if !path.as_os_str().is_empty() && !root.is_directory(path)? {
        return Ok(());
    }
    for name in root.names(path)? {
        remove(&path.join(name), root, fresh)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiteouts_are_told_from_names() {
        let name = |path: &str| Some(Whiteout::Name(path.into()));
        for (path, expected) in [
            ("a/b", None),
            ("a/wh.b", None),
            (".wh.a", name("a")),
            ("a/.wh.b", name("a/b")),
            ("a/.wh..b", name("a/.b")),
            ("a/.wh..wh..opq", Some(Whiteout::Directory("a".into()))),
            (".wh..wh..opq", Some(Whiteout::Directory("".into()))),
            ("a/.wh..wh.plnk", Some(Whiteout::Nothing)),
            ("a/.wh.", Some(Whiteout::Nothing)),
            ("a/.wh...", Some(Whiteout::Nothing)),
            ("a/.wh..", Some(Whiteout::Nothing)),
        ] {
            assert_eq!(parse(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn what_lies_below_a_path_counts_as_its_own() {
        let mut fresh = Fresh::default();
        fresh.add("a/b/c".into());
        fresh.add("ab".into());
        for (path, expected) in [
            ("a", true),
            ("a/b", true),
            ("ab", true),
            ("b", false),
            ("a/c", false),
        ] {
            assert_eq!(fresh.has(Path::new(path)), expected, "{path}");
        }
    }
}
