//! Bundles of several builds → one tree that a web server or a USB stick serves, or one file.
//!
//! The tree is an OCI layout; it holds each bundle with its signatures, and nothing else of a build.
//! Blobs are written first and the index last, so that a host that reads meanwhile finds everything
//! that the index names. What is published stays: another content takes another version.

mod error;
mod merge;
mod tree;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

pub use self::error::PublishError;
use self::merge::Merged;
use crate::{
    bundle::{Stored, stored},
    oci::Layout,
    sign::BUNDLE,
};

/// Where to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A directory, made when absent; what is published there stays.
    Directory(PathBuf),
    /// One uncompressed tar, in place of what is there.
    File(PathBuf),
}

/// What to do with a bundle that nobody has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// Hosts would refuse it: so does this.
    Refuse,
    /// For tests of the refusal.
    Allow,
}

/// Publishes the bundles of `sources`: output directories, published trees or tars.
///
/// Returns the title of every bundle that the target holds then.
///
/// # Errors
/// A source that is no layout, damaged or unsigned; a version that is published with another content.
/// The target's index is then as it was.
pub fn publish(
    sources: &[PathBuf],
    target: &Target,
    unsigned: Unsigned,
) -> Result<Vec<String>, PublishError> {
    let layouts: Vec<Layout> = sources.iter().map(|p| open(p)).collect::<Result<_, _>>()?;
    let mut merged = Merged::new(unsigned);
    match target {
        Target::Directory(path) => tree::publish(&layouts, path, &mut merged)?,
        Target::File(path) => {
            // The tree is made first, so that a file holds exactly what a tree would.
            let parent = path.parent().filter(|path| !path.as_os_str().is_empty());
            let scratch = tempfile::Builder::new()
                .prefix(".tmp")
                .tempdir_in(parent.unwrap_or(Path::new(".")));
            let scratch = scratch.map_err(|source| PublishError::Write {
                path: path.clone(),
                source,
            })?;
            tree::publish(&layouts, scratch.path(), &mut merged)?;
            tree::archive(&Layout::open(scratch.path())?, path)?;
        }
    }
    Ok(merged.titles())
}

/// The layout of an output directory's bundle, or the one at `path` itself.
fn open(path: &Path) -> Result<Layout, PublishError> {
    let bundle = path.join(BUNDLE);
    let layout = Layout::open(if bundle.is_dir() { &bundle } else { path })?;
    Ok(layout)
}

/// The bundles of a layout, of which there must be some.
fn bundles(layout: &Layout) -> Result<Vec<Stored>, PublishError> {
    let bundles = stored(layout)?;
    match bundles.is_empty() {
        true => Err(PublishError::NoBundle(layout.path().to_owned())),
        false => Ok(bundles),
    }
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Directory(path.into())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("expected `dir:PATH` or `file:PATH`".to_owned()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
