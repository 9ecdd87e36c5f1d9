//! A bundle as the file that a machine sees as a read-only disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_contract::oci;

use crate::image::{ImageError, oci_archive};

/// Where the layout lies in a build's output directory.
const OF_A_BUILD: &str = "bundle";

/// What the guest calls its second disk.
pub const DEVICE: &str = "/dev/vdb";

/// A bundle that cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Nothing that a machine could read.
    #[error(
        "expected the output directory of a build, a published directory or a tar file of one, found `{}`",
        path.display()
    )]
    NoBundle {
        /// What was named.
        path: PathBuf,
    },
    /// It cannot be looked at.
    #[error("cannot read the bundle `{}`", path.display())]
    Read {
        /// What was named.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The archive.
    #[error("cannot put the bundle on a disk")]
    Archive(#[source] ImageError),
}

/// The file to attach for `bundle`: a tar file as it is, a directory as an archive in `scratch`.
///
/// # Errors
/// Something else than [`BundleError::NoBundle`] says, or an archive that cannot be written.
pub fn as_file(bundle: &Path, scratch: &Path) -> Result<PathBuf, BundleError> {
    let metadata = fs::metadata(bundle).map_err(|source| BundleError::Read {
        path: bundle.to_owned(),
        source,
    })?;
    if metadata.is_file() {
        return Ok(bundle.to_owned());
    }
    let candidates = [bundle.join(OF_A_BUILD), bundle.to_owned()];
    let layout = candidates
        .into_iter()
        .find(|directory| directory.join(oci::INDEX).is_file());
    let layout = layout.ok_or_else(|| BundleError::NoBundle {
        path: bundle.to_owned(),
    })?;
    let file = scratch.join("bundle.tar");
    oci_archive::write(&layout, &file).map_err(BundleError::Archive)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_layouts_and_files_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let build = directory.path().join("build");
        let layout = build.join("bundle");
        fs::create_dir_all(layout.join(oci::BLOBS)).unwrap();
        for name in ["oci-layout", "index.json"] {
            fs::write(layout.join(name), "{}").unwrap();
        }
        let from_build = as_file(&build, directory.path()).unwrap();
        let bytes = fs::read(&from_build).unwrap();
        let from_layout = as_file(&layout, directory.path()).unwrap();
        assert_eq!(fs::read(from_layout).unwrap(), bytes);
        assert_eq!(as_file(&from_build, directory.path()).unwrap(), from_build);
    }

    #[test]
    fn anything_else_is_refused_before_a_machine_starts() {
        let directory = tempfile::tempdir().unwrap();
        let error = as_file(directory.path(), directory.path()).unwrap_err();
        assert!(matches!(error, BundleError::NoBundle { .. }), "{error}");
        let missing = directory.path().join("missing");
        let error = as_file(&missing, directory.path()).unwrap_err();
        assert!(matches!(error, BundleError::Read { .. }), "{error}");
    }
}
