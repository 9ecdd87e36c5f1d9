//! A copy of an image's directory, edited.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::Keys;
use crate::bedplate;

/// The lock, which lies beside the definition once anybody has built the image.
const LOCK: &str = "bedplate.lock";

/// The directory of the parts, beside the images.
const PARTS: &str = "parts";

/// A change of an image.
#[derive(Debug, Clone, Copy)]
pub enum Edit<'a> {
    /// Adds the text of a file, relative to the workspace, to `image.toml`.
    AppendFile(&'a str),
    /// Replaces a text in a file of the image, where it must be.
    Replace {
        /// The file, relative to the image.
        file: &'a str,
        /// What is there.
        from: &'a str,
        /// What takes its place.
        to: &'a str,
    },
    /// Puts a file of so many bytes into the image, which no compression makes smaller.
    Ballast(usize),
}

/// The copy; it goes away with the value.
#[derive(Debug)]
pub(super) struct ImageCopy {
    path: PathBuf,
    _directory: TempDir,
}

impl ImageCopy {
    /// Copies and edits; the copy trusts two of `keys` and wants both.
    pub fn new(image: &str, edits: &[Edit<'_>], keys: &Keys) -> Result<Self> {
        let source = bedplate::workspace().join(image);
        if !source.join(LOCK).exists() {
            // So that the original is locked and not every copy of it anew.
            bedplate::succeed(&["build", image, "--profile", "min"])?;
        }
        // In the workspace, for the profiles are found above the image.
        let target = bedplate::workspace().join("target");
        let directory = tempfile::Builder::new()
            .prefix("image-")
            .tempdir_in(target)?;
        let copy = Self {
            path: directory.path().join("image"),
            _directory: directory,
        };
        copy_tree(&source, &copy.path)?;
        // An image includes its parts as `../parts/NAME`.
        let parts = source.with_file_name(PARTS);
        if parts.exists() {
            copy_tree(&parts, &copy.path.with_file_name(PARTS))?;
        }
        for edit in edits {
            copy.edit(edit)?;
        }
        copy.trust(keys)?;
        Ok(copy)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn edit(&self, edit: &Edit<'_>) -> Result<()> {
        match edit {
            Edit::AppendFile(file) => {
                let file = bedplate::workspace().join(file);
                let text = fs::read_to_string(&file)
                    .with_context(|| format!("reading `{}`", file.display()))?;
                self.append(&text)
            }
            Edit::Replace { file, from, to } => {
                let path = self.path().join(file);
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("reading `{}`", path.display()))?;
                ensure!(text.contains(from), "`{file}` has no `{from}`");
                Ok(fs::write(&path, text.replace(from, to))?)
            }
            Edit::Ballast(bytes) => {
                fs::create_dir_all(self.path().join("files"))?;
                fs::write(self.path().join("files/ballast"), noise(*bytes))?;
                self.append("[[file]]\npath = \"/usr/share/ballast\"\nsource = \"files/ballast\"\n")
            }
        }
    }

    fn trust(&self, keys: &Keys) -> Result<()> {
        for (name, key) in [("first.pub", &keys.first), ("second.pub", &keys.second)] {
            fs::copy(Keys::public(key), self.path().join(name))?;
        }
        self.append("\n[update]\nkeys = [\"first.pub\", \"second.pub\"]\nthreshold = 2\n")
    }

    fn append(&self, more: &str) -> Result<()> {
        let path = self.path().join("image.toml");
        let text = fs::read_to_string(&path)?;
        Ok(fs::write(&path, text + "\n" + more)?)
    }
}

/// The same bytes each time (xorshift64).
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.take(bytes / 8).flat_map(u64::to_le_bytes).collect()
}

/// Copies a directory with all that is in it.
///
/// # Errors
/// Something cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading `{}`", from.display()))? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            // With its mode, which is part of the image.
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
