//! Manifest, config and index of an image, and the directory that holds them.

use std::{collections::HashMap, path::Path};

use bedplate_contract::{Digest, bundle::annotation, layout::INIT};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor as OciDescriptor, HistoryBuilder, ImageConfiguration,
    ImageConfigurationBuilder, ImageManifestBuilder, MediaType, Os, RootFsBuilder,
};

use super::{ImageError, ImageLayer};
use crate::{
    layer::Driver,
    oci::{self, LayoutDirectory, OciError},
    sign::cosign,
};

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
    /// The NVIDIA driver in it.
    pub driver: Option<Driver>,
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
    let layout = LayoutDirectory::create(to)?;
    for layer in layers {
        layout.copy(&layer.path, &layer.descriptor.digest)?;
    }
    let config = configuration(layers, facts)?;
    let config = layout.put_document(MediaType::ImageConfig, "config", &config)?;
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
        .map_err(|error| OciError::document("manifest", error))?;
    let mut descriptor = layout.put_document(MediaType::ImageManifest, "manifest", &manifest)?;
    descriptor.set_annotations(Some(names(facts)));
    let manifest = oci::digest(&descriptor)?;
    layout.save_index(vec![descriptor])?;
    Ok(OciImage { manifest })
}

/// The tag by which skopeo and umoci name the image, and the kind by which cosign finds it.
fn names(facts: &ImageFacts) -> HashMap<String, String> {
    let pairs = [
        (oci::REFERENCE, facts.version.as_str()),
        (cosign::KIND, cosign::IMAGE),
    ];
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn configuration(
    layers: &[ImageLayer],
    facts: &ImageFacts,
) -> Result<ImageConfiguration, OciError> {
    let failed = |error| OciError::document("config", error);
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
    let driver = facts.driver.as_ref();
    let cuda = driver.and_then(|driver| driver.cuda.as_ref());
    let pairs = [
        (annotation::NAME, Some(&facts.name)),
        (annotation::VERSION, Some(&facts.version)),
        ("org.opencontainers.image.description", Some(&facts.summary)),
        (annotation::PROFILE, Some(&facts.profile)),
        (annotation::DRIVER, driver.map(|driver| &driver.version)),
        (annotation::CUDA, cuda),
    ];
    let known = pairs.into_iter();
    let known = known.filter_map(|(key, value)| Some((key.to_owned(), value?.clone())));
    known.collect()
}

fn layer_descriptor(layer: &ImageLayer) -> Result<OciDescriptor, OciError> {
    oci::descriptor(
        MediaType::ImageLayerGzip,
        &layer.descriptor.digest,
        layer.descriptor.size,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_the_driver_where_there_is_one() {
        let facts = |driver| ImageFacts {
            name: "a".to_owned(),
            version: "1".to_owned(),
            profile: "gpu".to_owned(),
            summary: String::new(),
            driver,
        };
        let driver = |cuda: Option<&str>| Driver {
            version: "550.163.01".to_owned(),
            cuda: cuda.map(str::to_owned),
        };
        for (driver, version, cuda) in [
            (None, None, None),
            (Some(driver(None)), Some("550.163.01"), None),
            (Some(driver(Some("12.4"))), Some("550.163.01"), Some("12.4")),
        ] {
            let labels = labels(&facts(driver));
            let label = |key: &str| labels.get(key).map(String::as_str);
            assert_eq!(label("bedplate.profile"), Some("gpu"));
            assert_eq!(label("bedplate.nvidia.driver"), version);
            assert_eq!(label("bedplate.nvidia.cuda"), cuda);
        }
    }
}
