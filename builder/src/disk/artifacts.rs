//! What a build of a disk made, as a document beside the files.

use std::{fs, path::Path};

use bedplate_contract::{Digest, SchemaVersion};
use serde::{Deserialize, Serialize};

use super::{
    error::{DiskError, unread},
    output,
};

/// File name of the document.
const DOCUMENT: &str = "disk.json";

/// One file that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// File name in the directory of the build.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Digest of all bytes.
    pub digest: Digest,
}

/// What [`super::build`] made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifacts {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// dm-verity root hash; the UKI names it.
    pub root_hash: Digest,
    /// Release of the kernel, as `uname -r` prints it.
    pub kernel: String,
    /// The root image.
    pub root: Artifact,
    /// Superblock and hash tree.
    pub verity: Artifact,
    /// The UKI, `<name>_<version>.efi`.
    pub uki: Artifact,
    /// The whole disk, sparse.
    pub disk: Artifact,
}

impl Artifact {
    /// Measures the file `name` in `directory`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(directory: &Path, name: &str) -> Result<Self, DiskError> {
        let path = directory.join(name);
        let size = fs::metadata(&path).map_err(|e| unread(&path, e))?.len();
        Ok(Self {
            name: name.to_owned(),
            size,
            digest: output::digest(&path).map_err(|e| unread(&path, e))?,
        })
    }
}

impl Artifacts {
    /// Measures the files that a build made in `directory`.
    pub(super) fn measure(
        directory: &Path,
        uki: &str,
        root_hash: Digest,
        kernel: &str,
    ) -> Result<Self, DiskError> {
        Ok(Self {
            schema: SchemaVersion,
            root_hash,
            kernel: kernel.to_owned(),
            root: Artifact::of(directory, super::ROOT)?,
            verity: Artifact::of(directory, super::VERITY)?,
            uki: Artifact::of(directory, uki)?,
            disk: Artifact::of(directory, super::DISK)?,
        })
    }

    /// Reads the document of an earlier build in `directory`.
    ///
    /// # Errors
    /// It is not there, or of another version.
    pub fn load(directory: &Path) -> Result<Self, DiskError> {
        let path = directory.join(DOCUMENT);
        let bytes = fs::read(&path).map_err(|e| unread(&path, e))?;
        serde_json::from_slice(&bytes).map_err(|source| DiskError::Document { path, source })
    }

    /// Writes the document to `directory`.
    pub(super) fn save(&self, directory: &Path) -> Result<(), DiskError> {
        let path = directory.join(DOCUMENT);
        let bytes = serde_json::to_vec_pretty(self);
        let bytes = bytes.map_err(|source| DiskError::Document {
            path: path.clone(),
            source,
        })?;
        Ok(output::save(&path, &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), b"bytes").unwrap();
        let artifact = Artifact::of(directory.path(), "file").unwrap();
        assert_eq!((artifact.size, artifact.digest), (5, Digest::of(b"bytes")));
        let artifacts = Artifacts {
            schema: SchemaVersion,
            root_hash: Digest::of(b"root"),
            kernel: "6.12".to_owned(),
            root: artifact.clone(),
            verity: artifact.clone(),
            uki: artifact.clone(),
            disk: artifact,
        };
        artifacts.save(directory.path()).unwrap();
        assert_eq!(Artifacts::load(directory.path()).unwrap(), artifacts);
    }
}
