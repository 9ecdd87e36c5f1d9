//! An OCI layout on disk as a place where an image comes from.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use bedplate_contract::Digest;
use oci_spec::image::Descriptor;

use super::{Blob, MAX_DOCUMENT, Reference, RegistryError};
use crate::{
    oci::{self, Layout, OciError},
    store::{Store, StoreError},
};

/// A layout that holds the image `name`.
#[derive(Debug)]
pub(super) struct Shelf<'a> {
    layout: Layout,
    name: &'a str,
}

impl<'a> Shelf<'a> {
    /// Opens the layout at `path`.
    pub fn open(path: &Path, name: &'a str) -> Result<Self, RegistryError> {
        let layout = Layout::open(path).map_err(failed(path, name))?;
        Ok(Self { layout, name })
    }

    /// The manifest or index of the image: the one that the reference's digest or tag names, or the
    /// only one.
    pub fn first(&self, reference: &Reference) -> Result<Vec<u8>, RegistryError> {
        let index = self.layout.index().map_err(|e| self.failed(e))?;
        let selector = reference.selector();
        let is_named = |found: &&Descriptor| {
            let name = oci::annotation(found, oci::REFERENCE);
            found.digest().to_string() == selector
                || name.is_some_and(|name| name == selector || name == reference.to_string())
        };
        let only = match &index.manifests()[..] {
            [only] if reference.digest.is_none() => Some(only),
            _ => None,
        };
        match index.manifests().iter().find(is_named).or(only) {
            Some(found) => {
                let digest = oci::digest(found).map_err(|e| self.failed(e))?;
                self.document(&digest, found.size())
            }
            None => Err(RegistryError::Document {
                reference: reference.to_string(),
                what: format!("`{}` holds no `{selector}`", self.layout.path().display()),
            }),
        }
    }

    /// A manifest by digest, checked.
    pub fn document(&self, digest: &Digest, size: u64) -> Result<Vec<u8>, RegistryError> {
        if size > MAX_DOCUMENT {
            return Err(self.failed(OciError::TooLong {
                digest: *digest,
                most: usize::try_from(MAX_DOCUMENT).unwrap_or(usize::MAX),
                found: size,
            }));
        }
        let mut bytes = Vec::new();
        let copied = self.layout.copy(digest, size, &mut bytes);
        copied.map_err(|error| self.failed(error))?;
        Ok(bytes)
    }

    /// A blob in the store, copied and checked unless it is there.
    pub fn blob(&self, blob: &Blob, store: &Store) -> Result<PathBuf, RegistryError> {
        let kept = store.realize_blob::<OciError>(&blob.digest, |path| {
            let created = File::create(path);
            let mut file = created.map_err(|e| StoreError::new("create", path, e))?;
            self.layout.copy(&blob.digest, blob.size, &mut file)
        });
        kept.map_err(|error| self.failed(error))
    }

    fn failed(&self, source: OciError) -> RegistryError {
        failed(self.layout.path(), self.name)(source)
    }
}

fn failed(path: &Path, name: &str) -> impl FnOnce(OciError) -> RegistryError {
    let (path, name) = (path.to_owned(), name.to_owned());
    move |source| RegistryError::Layout {
        name,
        path,
        source: Box::new(source),
    }
}
