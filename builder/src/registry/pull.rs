//! A reference → pinned digests → blobs in the store.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bedplate_contract::Digest;
use serde::{Deserialize, Serialize};

use super::{
    Blob, Document, ImageConfig, Location, Manifest, Reference, RegistryError, client::Client,
    shelf::Shelf,
};
use crate::{
    definition::OciSource,
    resolve::{download::Downloader, parallel, progress::Progress},
    store::Store,
};

/// An image by digests, as the lock has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedImage {
    /// Name in the definition.
    pub name: String,
    /// Reference of the definition that this answers.
    pub reference: String,
    /// Digest of the manifest for the one platform.
    pub manifest: Digest,
    /// Its configuration.
    pub config: Blob,
    /// Its layers, the lowest first.
    pub layers: Vec<Blob>,
}

/// Where images come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// The registry of references that name none.
    pub registry: Option<Location>,
    /// Name in the definition → an OCI layout; it goes before any registry.
    pub layouts: BTreeMap<String, PathBuf>,
}

/// What images are pulled with.
#[derive(Debug, Clone, Copy)]
pub struct Puller<'a> {
    /// Where they come from.
    pub origins: &'a Origins,
    /// How files are fetched.
    pub downloader: &'a Downloader,
    /// Where they are kept.
    pub store: &'a Store,
    /// Where progress is shown.
    pub progress: &'a Progress,
}

/// Where one image comes from.
enum Origin<'a> {
    Layout(&'a Path),
    Registry(Location),
}

impl Origins {
    fn of(&self, name: &str, reference: &Reference) -> Option<Origin<'_>> {
        if let Some(path) = self.layouts.get(name) {
            return Some(Origin::Layout(path));
        }
        // A host that the reference names is a location without a prefix.
        let own = reference
            .registry
            .as_ref()
            .and_then(|host| host.parse().ok());
        own.or_else(|| self.registry.clone()).map(Origin::Registry)
    }
}

impl PinnedImage {
    /// Configuration and layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        std::iter::once(&self.config).chain(&self.layers)
    }

    /// The configuration, from the store.
    ///
    /// # Errors
    /// It is not there, or is none of an image with these layers.
    pub fn configuration(&self, store: &Store) -> Result<ImageConfig, RegistryError> {
        let path = store.blob(&self.config.digest);
        let bytes = std::fs::read(&path).map_err(|_| RegistryError::NotStored {
            name: self.name.clone(),
            digest: self.config.digest,
        })?;
        self.read_configuration(&bytes)
    }

    fn read_configuration(&self, bytes: &[u8]) -> Result<ImageConfig, RegistryError> {
        let refuse = |what| RegistryError::Document {
            reference: self.reference.clone(),
            what,
        };
        let config = ImageConfig::parse(bytes).map_err(refuse)?;
        let (layers, named) = (self.layers.len(), config.diff_ids.len());
        if layers != named {
            let what = format!("its manifest has {layers} layers, its configuration {named}");
            return Err(refuse(what));
        }
        Ok(config)
    }
}

impl Puller<'_> {
    /// Follows the reference of `image` to digests; reads manifest and configuration, no layer.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn pin(&self, image: &OciSource) -> Result<PinnedImage, RegistryError> {
        let OciSource { name, reference } = image;
        let origin = self.origins.of(name, reference);
        let origin = origin.ok_or_else(|| RegistryError::NoOrigin {
            name: name.clone(),
            reference: reference.to_string(),
        })?;
        match origin {
            Origin::Layout(path) => {
                let shelf = Shelf::open(path, name)?;
                let first = shelf.first(reference)?;
                let pinned = pin(image, first, |blob| shelf.document(&blob.digest, blob.size))?;
                shelf.blob(&pinned.config, self.store)?;
                pinned.configuration(self.store)?;
                Ok(pinned)
            }
            Origin::Registry(location) => {
                let client = self.client(&location, reference);
                let first = client.manifest(&reference.selector())?;
                let next = |blob: &Blob| client.manifest(&blob.digest.to_string());
                let pinned = pin(image, first, next)?;
                let bar = self.progress.bytes(name, pinned.config.size);
                client.blob(&pinned.config, self.store, &bar)?;
                pinned.configuration(self.store)?;
                Ok(pinned)
            }
        }
    }

    /// Brings everything of `image` into the store; what is there is not asked for.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn fetch(&self, image: &PinnedImage) -> Result<(), RegistryError> {
        let missing = self.missing(image);
        let Some(first) = missing.first() else {
            return Ok(());
        };
        let reference = reference(image)?;
        match self.origins.of(&image.name, &reference) {
            None => Err(RegistryError::NotStored {
                name: image.name.clone(),
                digest: first.digest,
            }),
            Some(Origin::Layout(path)) => {
                let shelf = Shelf::open(path, &image.name)?;
                let mut blobs = missing.into_iter();
                blobs.try_for_each(|blob| shelf.blob(blob, self.store).map(drop))
            }
            Some(Origin::Registry(location)) => {
                let client = self.client(&location, &reference);
                parallel::each(&missing, |blob| {
                    let bar = self.progress.bytes(&image.name, blob.size);
                    client.blob(blob, self.store, &bar).map(drop)
                })
            }
        }
    }

    /// What of `image` the store does not have, each once.
    pub fn missing<'a>(&self, image: &'a PinnedImage) -> Vec<&'a Blob> {
        let mut missing: Vec<&Blob> = image.blobs().collect();
        missing.sort_by_key(|blob| blob.digest);
        missing.dedup_by_key(|blob| blob.digest);
        missing.retain(|blob| !self.store.blob(&blob.digest).is_file());
        missing
    }

    fn client<'b>(&'b self, location: &'b Location, reference: &'b Reference) -> Client<'b> {
        let (repository, text) = (&reference.repository, reference.to_string());
        Client::new(self.downloader, location, repository, text)
    }
}

fn reference(image: &PinnedImage) -> Result<Reference, RegistryError> {
    image
        .reference
        .parse()
        .map_err(|error| RegistryError::Document {
            reference: image.reference.clone(),
            what: format!("{error}"),
        })
}

/// Follows `first`, a manifest or an index, to the manifest of the one platform.
///
/// An index of indexes is no image that any engine runs.
fn pin(
    image: &OciSource,
    first: Vec<u8>,
    next: impl Fn(&Blob) -> Result<Vec<u8>, RegistryError>,
) -> Result<PinnedImage, RegistryError> {
    let refuse = |what| RegistryError::Document {
        reference: image.reference.to_string(),
        what,
    };
    check_digest(image, &first)?;
    let (bytes, manifest) = match Document::parse(&first).map_err(refuse)? {
        Document::Manifest(manifest) => (first, manifest),
        Document::Index(blob) => {
            let bytes = next(&blob)?;
            match Document::parse(&bytes).map_err(refuse)? {
                Document::Manifest(manifest) => (bytes, manifest),
                Document::Index(_) => {
                    return Err(refuse(
                        "expected a manifest in its index, found an index".to_owned(),
                    ));
                }
            }
        }
    };
    let Manifest { config, layers } = manifest;
    Ok(PinnedImage {
        name: image.name.clone(),
        reference: image.reference.to_string(),
        manifest: Digest::of(&bytes),
        config,
        layers,
    })
}

/// What a reference with a digest leads to has it, wherever it came from.
fn check_digest(image: &OciSource, bytes: &[u8]) -> Result<(), RegistryError> {
    let found = Digest::of(bytes);
    match image.reference.digest {
        Some(expected) if expected != found => Err(RegistryError::Digest {
            reference: image.reference.to_string(),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}
