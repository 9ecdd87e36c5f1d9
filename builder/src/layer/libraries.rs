//! A program and all it needs to run, copied out of a root of tools.
//!
//! Follows `DT_NEEDED` of ELF files. Looks where Debian keeps libraries; programs that load more at
//! run time, or look elsewhere, are not for this.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use goblin::elf::Elf;

use super::tree::{Metadata, Tree, TreeError};

/// Where libraries are looked for, from the top of the root.
const DIRECTORIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "usr/lib64"];
/// The loader, which programs name by this path.
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";

/// A program or library that cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A file is not there.
    #[error("expected `{}` in the tools, found none", .0.display())]
    Absent(PathBuf),
    /// A file is no ELF file.
    #[error("cannot read the program headers of `{}`", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: goblin::error::Error,
    },
    /// A library is nowhere.
    #[error("expected the library `{name}` of `{}` in the tools, found none", program.display())]
    Missing {
        /// Name of the library.
        name: String,
        /// What needs it.
        program: PathBuf,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Copies `programs` (paths from the top of `root`), their libraries and the loader to `target` of
/// `tree`, where they lie as they do in `root`.
///
/// # Errors
/// A file that is absent, unreadable or no ELF file.
pub(super) fn copy(
    programs: &[&str],
    root: &Tree,
    tree: &Tree,
    target: &Path,
) -> Result<(), LibraryError> {
    let mut waiting: Vec<PathBuf> = programs.iter().map(PathBuf::from).collect();
    waiting.push(PathBuf::from(LOADER));
    let mut seen: BTreeSet<PathBuf> = waiting.iter().cloned().collect();
    while let Some(path) = waiting.pop() {
        let bytes = root.read(&path)?;
        let bytes = bytes.ok_or_else(|| LibraryError::Absent(path.clone()))?;
        for library in needed(&path, &bytes, root)? {
            if seen.insert(library.clone()) {
                waiting.push(library);
            }
        }
        tree.file(
            &target.join(&path),
            &mut bytes.as_slice(),
            Metadata::root(0o755),
        )?;
    }
    Ok(())
}

/// The libraries a file names, as paths from the top; the loader, which all name too, is there.
fn needed(path: &Path, bytes: &[u8], root: &Tree) -> Result<Vec<PathBuf>, LibraryError> {
    let elf = Elf::parse(bytes).map_err(|source| LibraryError::Elf {
        path: path.to_owned(),
        source,
    })?;
    let libraries = elf
        .libraries
        .iter()
        .filter(|name| !LOADER.ends_with(**name));
    libraries
        .map(|name| find(name, root)?.ok_or_else(|| missing(name, path)))
        .collect()
}

fn find(name: &str, root: &Tree) -> Result<Option<PathBuf>, TreeError> {
    for directory in DIRECTORIES {
        let place = Path::new(directory).join(name);
        if root.exists(&place)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn missing(name: &str, program: &Path) -> LibraryError {
    LibraryError::Missing {
        name: name.to_owned(),
        program: program.to_owned(),
    }
}
