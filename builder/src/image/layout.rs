//! Manifest, config and index of an image, and the directory that holds them.

use std::{collections::HashMap, fs, path::Path};

use bedplate_contract::{Digest, layout::INIT};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor as OciDescriptor, DescriptorBuilder, HistoryBuilder,
    ImageConfiguration, ImageConfigurationBuilder, ImageIndexBuilder, ImageManifestBuilder,
    MediaType, Os, RootFsBuilder, Sha256Digest,
};
use serde::Serialize;

use super::{ImageError, ImageLayer};
use crate::store::atomic_write;

/// When every image was made, in RFC 3339: [`crate::layer::EPOCH`].
const CREATED: &str = "2025-01-01T00:00:00Z";

/// What labels and annotations say of an image.
#[derive(Debug, Clone)]
pub struct ImageFacts {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Profile.
    pub profile: String,
    /// One line.
    pub summary: String,
}

/// A written layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciImage {
    /// Digest of the manifest: the image's identity.
    pub manifest: Digest,
}

/// Writes the layout of an image of `layers`, lowest first, into the empty directory `to`.
///
/// # Errors
/// A file that cannot be written.
pub fn write_layout(
    layers: &[ImageLayer],
    facts: &ImageFacts,
    to: &Path,
) -> Result<OciImage, ImageError> {
    let blobs = to.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|source| ImageError::write(&blobs, source))?;
    for layer in layers {
        link_or_copy(&layer.path, &blobs.join(layer.descriptor.digest.hex()))?;
    }
    let config = document("config", &configuration(layers, facts)?)?;
    let config = put(&blobs, MediaType::ImageConfig, &config)?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(
            layers
                .iter()
                .map(layer_descriptor)
                .collect::<Result<Vec<_>, _>>()?,
        )
        .annotations(labels(facts))
        .build()
        .map_err(|error| ImageError::document("manifest", error))?;
    let text = document("manifest", &manifest)?;
    let descriptor = put(&blobs, MediaType::ImageManifest, &text)?;
    write_index(descriptor, facts, to)?;
    Ok(OciImage {
        manifest: Digest::of(&text),
    })
}

fn write_index(
    mut manifest: OciDescriptor,
    facts: &ImageFacts,
    to: &Path,
) -> Result<(), ImageError> {
    // The tag by which skopeo and umoci name the image: `oci:DIR:VERSION`.
    let tag = [(
        "org.opencontainers.image.ref.name".to_owned(),
        facts.version.clone(),
    )];
    manifest.set_annotations(Some(HashMap::from(tag)));
    let index = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests([manifest])
        .build()
        .map_err(|error| ImageError::document("index", error))?;
    atomic_write(&to.join("index.json"), &document("index", &index)?)?;
    Ok(atomic_write(
        &to.join("oci-layout"),
        b"{\"imageLayoutVersion\":\"1.0.0\"}\n",
    )?)
}

fn configuration(
    layers: &[ImageLayer],
    facts: &ImageFacts,
) -> Result<ImageConfiguration, ImageError> {
    let failed = |error| ImageError::document("config", error);
    let config = ConfigBuilder::default()
        .entrypoint([INIT.to_owned()])
        .labels(labels(facts))
        .build()
        .map_err(failed)?;
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|l| l.descriptor.diff_id.to_string())
        .collect();
    let root = RootFsBuilder::default()
        .typ("layers")
        .diff_ids(diff_ids)
        .build()
        .map_err(failed)?;
    let history = layers.iter().map(|layer| {
        HistoryBuilder::default()
            .created(CREATED)
            .created_by(format!("bedplate {}", layer.name))
            .build()
    });
    ImageConfigurationBuilder::default()
        .created(CREATED)
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(config)
        .rootfs(root)
        .history(history.collect::<Result<Vec<_>, _>>().map_err(failed)?)
        .build()
        .map_err(failed)
}

/// Labels and annotations (OCI image-spec, annotations).
fn labels(facts: &ImageFacts) -> HashMap<String, String> {
    let pairs = [
        ("org.opencontainers.image.title", &facts.name),
        ("org.opencontainers.image.version", &facts.version),
        ("org.opencontainers.image.description", &facts.summary),
        ("bedplate.profile", &facts.profile),
    ];
    pairs
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .into()
}

fn layer_descriptor(layer: &ImageLayer) -> Result<OciDescriptor, ImageError> {
    descriptor(
        MediaType::ImageLayerGzip,
        &layer.descriptor.digest,
        layer.descriptor.size,
    )
}

fn descriptor(kind: MediaType, digest: &Digest, size: u64) -> Result<OciDescriptor, ImageError> {
    let digest: Sha256Digest = digest
        .hex()
        .parse()
        .map_err(|error: oci_spec::OciSpecError| ImageError::document("digest", error))?;
    let built = DescriptorBuilder::default()
        .media_type(kind)
        .digest(digest)
        .size(size)
        .build();
    built.map_err(|error| ImageError::document("descriptor", error))
}

fn put(blobs: &Path, kind: MediaType, bytes: &[u8]) -> Result<OciDescriptor, ImageError> {
    let digest = Digest::of(bytes);
    atomic_write(&blobs.join(digest.hex()), bytes)?;
    descriptor(kind, &digest, bytes.len() as u64)
}

/// JSON with sorted keys: the types hold maps in random order.
fn document(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, ImageError> {
    let mut value =
        serde_json::to_value(value).map_err(|error| ImageError::document(what, error))?;
    value.sort_all_objects();
    serde_json::to_vec(&value).map_err(|error| ImageError::document(what, error))
}

fn link_or_copy(from: &Path, to: &Path) -> Result<(), ImageError> {
    // Two layers may be the same bytes.
    if to.exists() || fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to)
        .map(drop)
        .map_err(|source| ImageError::write(to, source))
}
