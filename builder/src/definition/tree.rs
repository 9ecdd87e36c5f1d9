//! The files of `[[tree]]`, read once: plan and layers see the same bytes.
//!
//! Apart from [`super::load`], since a definition is loaded for every profile and checked without
//! a build, and trees may be large.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    Definition, Tree, TreeOrigin,
    wheel::{self, WheelError},
};

/// A tree that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeReadError {
    /// A file or directory cannot be read.
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
    /// An entry is no file, directory or link.
    #[error("expected a file, directory or link, found something else at `{}`", .0.display())]
    Kind(PathBuf),
    /// A wheel cannot be taken.
    #[error("cannot take the wheel `{}`", path.display())]
    Wheel {
        /// The wheel.
        path: PathBuf,
        /// The cause.
        #[source]
        source: WheelError,
    },
}

/// A `[[tree]]` with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    /// Absolute path in the root.
    pub path: String,
    /// Owner of everything in it.
    pub owner: String,
    /// What is in it.
    pub source: TreeSource,
}

/// What is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeSource {
    /// Everything, sorted, each directory before what is in it.
    Entries(Vec<SourceEntry>),
    /// A part of an image, which is unpacked when its step is made.
    Image {
        /// Name of the image in the definition.
        name: String,
        /// Absolute path in its root; `/` for all of it.
        from: String,
    },
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEntry {
    /// Absolute path in the root.
    pub path: PathBuf,
    /// What it is.
    pub content: SourceContent,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceContent {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// All bytes.
        bytes: Vec<u8>,
        /// `0o755` or `0o644`.
        mode: u32,
    },
    /// A symbolic link with its text.
    Link(PathBuf),
}

impl SourceTree {
    /// Reads the trees of a definition, in its order.
    ///
    /// # Errors
    /// An entry that cannot be read, or is of another kind.
    pub fn read(definition: &Definition) -> Result<Vec<Self>, TreeReadError> {
        let read = |tree: &Tree| {
            Ok(Self {
                path: tree.path.clone(),
                owner: tree.owner.clone(),
                source: read_source(tree)?,
            })
        };
        definition.trees.iter().map(read).collect()
    }
}

fn read_source(tree: &Tree) -> Result<TreeSource, TreeReadError> {
    let target = Path::new(&tree.path);
    let entries = match &tree.origin {
        TreeOrigin::Directory(source) => read_tree(source, target)?,
        TreeOrigin::Wheel(path) => {
            let files = wheel::load(path);
            let files = files.map_err(|source| TreeReadError::Wheel {
                path: path.clone(),
                source,
            })?;
            wheel::entries(files, target)
        }
        TreeOrigin::Image { name, from } => {
            let (name, from) = (name.clone(), from.clone());
            return Ok(TreeSource::Image { name, from });
        }
    };
    Ok(TreeSource::Entries(entries))
}

/// The directory or file at `source` and all below it, to lie at `target`; sorted.
///
/// # Errors
/// An entry that cannot be read, or is of another kind.
pub fn read_tree(source: &Path, target: &Path) -> Result<Vec<SourceEntry>, TreeReadError> {
    let content = read_content(source)?;
    let is_directory = content == SourceContent::Directory;
    let path = target.to_owned();
    let mut entries = vec![SourceEntry { path, content }];
    if is_directory {
        let names = fs::read_dir(source)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
        let mut names: Vec<_> = names.map_err(failed("list", source))?;
        names.sort();
        for name in names {
            entries.extend(read_tree(&source.join(&name), &target.join(&name))?);
        }
    }
    Ok(entries)
}

fn read_content(source: &Path) -> Result<SourceContent, TreeReadError> {
    let metadata = fs::symlink_metadata(source).map_err(failed("look at", source))?;
    if metadata.is_dir() {
        Ok(SourceContent::Directory)
    } else if metadata.is_symlink() {
        let text = fs::read_link(source).map_err(failed("read the link", source))?;
        Ok(SourceContent::Link(text))
    } else if metadata.is_file() {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        Ok(SourceContent::File {
            bytes: fs::read(source).map_err(failed("read", source))?,
            // What git keeps of a mode; the rest depends on the umask of whoever cloned.
            mode: if executable { 0o755 } else { 0o644 },
        })
    } else {
        Err(TreeReadError::Kind(source.to_owned()))
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TreeReadError {
    let path = path.to_owned();
    move |source| TreeReadError::Io {
        action,
        path,
        source,
    }
}
