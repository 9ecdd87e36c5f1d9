//! A bundle as the file that a machine sees as a read-only disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::publish::{self, PublishError, Target, Unsigned};

/// What the guest calls its second disk.
pub const DEVICE: &str = "/dev/vdb";

/// A bundle that cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
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
    Archive(#[source] PublishError),
}

/// The file to attach for `bundle`: a tar file as it is, a directory as an archive in `scratch`.
///
/// An unsigned bundle is taken: that hosts refuse it is theirs to say.
///
/// # Errors
/// Nothing there, or a directory that is neither a build nor a published tree.
pub fn as_file(bundle: &Path, scratch: &Path) -> Result<PathBuf, BundleError> {
    let metadata = fs::metadata(bundle).map_err(|source| BundleError::Read {
        path: bundle.to_owned(),
        source,
    })?;
    if metadata.is_file() {
        return Ok(bundle.to_owned());
    }
    let file = scratch.join("bundle.tar");
    let target = Target::File(file.clone());
    let published = publish::publish(&[bundle.to_owned()], &target, Unsigned::Allow);
    published.map_err(BundleError::Archive)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_attached_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bundle.tar");
        fs::write(&file, "tar").unwrap();
        assert_eq!(as_file(&file, directory.path()).unwrap(), file);
    }

    #[test]
    fn anything_else_is_refused_before_a_machine_starts() {
        let directory = tempfile::tempdir().unwrap();
        let error = as_file(directory.path(), directory.path()).unwrap_err();
        assert!(matches!(error, BundleError::Archive(_)), "{error}");
        let missing = directory.path().join("missing");
        let error = as_file(&missing, directory.path()).unwrap_err();
        assert!(matches!(error, BundleError::Read { .. }), "{error}");
    }
}
