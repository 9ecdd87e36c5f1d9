//! A layout as a directory that is being written.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bedplate_contract::{Digest, oci};
use oci_spec::image::{Descriptor, ImageIndexBuilder, MediaType};
use serde::Serialize;

use super::{MARKER, MARKER_NAME, OciError, descriptor};
use crate::{
    sparse,
    store::{atomic_write, fresh_file},
};

/// A layout that blobs are put into; the index makes them findable.
#[derive(Debug, Clone)]
pub struct LayoutDirectory {
    path: PathBuf,
}

impl LayoutDirectory {
    /// The layout at `path`, made when absent, with nothing in it.
    ///
    /// # Errors
    /// The directories cannot be made.
    pub fn create(path: &Path) -> Result<Self, OciError> {
        let blobs = path.join(oci::BLOBS);
        fs::create_dir_all(&blobs).map_err(|source| OciError::write(&blobs, source))?;
        let marker = path.join(MARKER_NAME);
        if !marker.exists() {
            atomic_write(&marker, MARKER)?;
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Where a blob lies.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.path.join(oci::blob(digest))
    }

    /// Puts `bytes`.
    ///
    /// # Errors
    /// Any of write, fsync, rename.
    pub fn put(&self, kind: MediaType, bytes: &[u8]) -> Result<Descriptor, OciError> {
        let digest = Digest::of(bytes);
        atomic_write(&self.blob(&digest), bytes)?;
        descriptor(kind, &digest, bytes.len() as u64)
    }

    /// Puts a document as JSON with sorted keys.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_document(
        &self,
        kind: MediaType,
        what: &'static str,
        value: &impl Serialize,
    ) -> Result<Descriptor, OciError> {
        self.put(kind, &document(what, value)?)
    }

    /// Puts a copy of the file `from`, whose digest is known.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn copy(&self, from: &Path, digest: &Digest) -> Result<(), OciError> {
        let to = self.blob(digest);
        // Two descriptors may name the same bytes.
        if to.exists() {
            return Ok(());
        }
        sparse::copy(from, &to).map_err(|source| OciError::write(&to, source))
    }

    /// Puts what `write` writes to a new file and calls by its digest.
    ///
    /// The blob is synced and then appears by rename: a crash leaves it whole or not at all.
    ///
    /// # Errors
    /// What `write` returns, or the layout's own.
    pub fn put_with<E: From<OciError>>(
        &self,
        write: impl FnOnce(&mut File) -> Result<Digest, E>,
    ) -> Result<Digest, E> {
        let blobs = self.path.join(oci::BLOBS);
        let failed = |source: io::Error| E::from(OciError::write(&blobs, source));
        let mut file = fresh_file(&blobs).map_err(failed)?;
        let digest = write(file.as_file_mut())?;
        let keep = || -> io::Result<()> {
            file.as_file_mut().flush()?;
            file.as_file().sync_all()?;
            file.persist(self.blob(&digest))?;
            File::open(&blobs)?.sync_all()
        };
        keep().map_err(failed)?;
        Ok(digest)
    }

    /// Replaces the index: what it names must be there.
    ///
    /// A crash before the rename leaves the old index, one after it the new; readers meet either.
    ///
    /// # Errors
    /// Any of write, fsync, rename; more manifests than a host reads.
    pub fn save_index(&self, manifests: Vec<Descriptor>) -> Result<(), OciError> {
        let index = ImageIndexBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageIndex)
            .manifests(manifests)
            .build()
            .map_err(|error| OciError::document("index", error))?;
        let text = document("index", &index)?;
        if text.len() > oci::MAX_DOCUMENT {
            let (found, most) = (text.len(), oci::MAX_DOCUMENT);
            let what = format!(
                "it would have {found} bytes, and hosts read at most {most}; publish to another place"
            );
            return Err(OciError::document("index", what));
        }
        Ok(atomic_write(&self.path.join(oci::INDEX), &text)?)
    }
}

/// JSON with sorted keys: the library's types hold maps in random order.
///
/// # Errors
/// What cannot be JSON.
pub fn document(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, OciError> {
    let mut value = serde_json::to_value(value).map_err(|error| OciError::document(what, error))?;
    value.sort_all_objects();
    serde_json::to_vec(&value).map_err(|error| OciError::document(what, error))
}
