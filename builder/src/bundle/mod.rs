//! Artifacts of a disk → the bundle that an upgrade consumes.
//!
//! An OCI layout with one artifact: the root image in frames that are compressed one by one, their
//! index, the hash tree and the UKI; the config is the [`BundleManifest`], whose bytes are what is
//! signed. The same artifacts give the same bytes. Signatures are put beside it later
//! ([`crate::sign`]), and several bundles into one layout by [`crate::publish`].

mod error;
mod frames;
mod stored;

use std::{collections::HashMap, path::Path};

use bedplate_contract::{
    BundleManifest, SchemaVersion,
    bundle::{self, Content, RootContent, annotation},
};
use oci_spec::image::{Descriptor, ImageManifestBuilder, MediaType};

pub use self::{
    error::BundleError,
    stored::{Stored, envelope_descriptor, stored},
};
use crate::{
    definition::Update,
    disk::{Artifact, Artifacts},
    image::ImageFacts,
    oci::{self, LayoutDirectory, OciError},
};

/// Version of what [`build`] makes; part of its key.
pub const VERSION: u32 = 1;

/// What a bundle is made of.
#[derive(Debug, Clone, Copy)]
pub struct BundleRequest<'a> {
    /// Name, version and profile.
    pub facts: &'a ImageFacts,
    /// Its conditions.
    pub update: &'a Update,
    /// The directory of the artifacts of the disk.
    pub disk: &'a Path,
}

/// Writes the layout of the bundle into the empty directory `to`.
///
/// # Errors
/// An artifact cannot be read, or the layout not be written.
pub fn build(request: &BundleRequest<'_>, to: &Path) -> Result<(), BundleError> {
    let artifacts = Artifacts::load(request.disk).map_err(BundleError::Artifacts)?;
    let layout = LayoutDirectory::create(to)?;
    let (frames, index) = frames::put(&request.disk.join(&artifacts.root.name), &layout)?;
    for artifact in [&artifacts.verity, &artifacts.uki] {
        layout.copy(&request.disk.join(&artifact.name), &artifact.digest)?;
    }
    let root = RootContent {
        image: content(&artifacts.root),
        frames,
        index,
    };
    let manifest = manifest(request, &artifacts, root);
    let descriptor = put_artifact(&layout, &manifest)?;
    layout.save_index(vec![descriptor])?;
    Ok(())
}

fn content(artifact: &Artifact) -> Content {
    Content {
        digest: artifact.digest,
        size: artifact.size,
    }
}

fn manifest(
    request: &BundleRequest<'_>,
    artifacts: &Artifacts,
    root: RootContent,
) -> BundleManifest {
    let BundleRequest { facts, update, .. } = request;
    BundleManifest {
        schema: SchemaVersion,
        name: facts.name.clone(),
        version: facts.version.clone(),
        profile: facts.profile.clone(),
        minimum_version: update.minimum_version.clone(),
        expires: update.expires.clone(),
        root_hash: artifacts.root_hash,
        root,
        verity: content(&artifacts.verity),
        uki: content(&artifacts.uki),
    }
}

/// Puts config and manifest of the artifact; returns how the index names it.
fn put_artifact(
    layout: &LayoutDirectory,
    manifest: &BundleManifest,
) -> Result<Descriptor, OciError> {
    let config = layout.put(media(bundle::MANIFEST), &manifest.encode())?;
    let parts = [
        (bundle::ROOT, &manifest.root.frames),
        (bundle::ROOT_INDEX, &manifest.root.index),
        (bundle::VERITY, &manifest.verity),
        (bundle::UKI, &manifest.uki),
    ];
    let layers = parts.map(|(kind, part)| oci::descriptor(media(kind), &part.digest, part.size));
    let document = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .artifact_type(media(bundle::ARTIFACT))
        .config(config)
        .layers(layers.into_iter().collect::<Result<Vec<_>, _>>()?)
        .annotations(annotations(manifest))
        .build()
        .map_err(|error| OciError::document("manifest", error))?;
    let mut descriptor = layout.put_document(MediaType::ImageManifest, "manifest", &document)?;
    descriptor.set_artifact_type(Some(media(bundle::ARTIFACT)));
    let mut named = annotations(manifest);
    named.insert(oci::REFERENCE.to_owned(), reference(manifest));
    descriptor.set_annotations(Some(named));
    Ok(descriptor)
}

/// The hints by which a host chooses.
fn annotations(manifest: &BundleManifest) -> HashMap<String, String> {
    let pairs = [
        (annotation::NAME, &manifest.name),
        (annotation::VERSION, &manifest.version),
        (annotation::PROFILE, &manifest.profile),
    ];
    pairs
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .into()
}

/// The tag of a bundle: once in a repository of one image.
fn reference(manifest: &BundleManifest) -> String {
    format!("{}-{}", manifest.version, manifest.profile)
}

fn media(kind: &str) -> MediaType {
    MediaType::Other(kind.to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
