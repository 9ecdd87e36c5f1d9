//! Manifests and indexes: bytes of a registry as values that can be trusted in form.
//!
//! Source: image-spec 1.1, manifest, image-index, descriptor; Docker Image Manifest V2, Schema 2.

use bedplate_contract::Digest;
use serde::{Deserialize, Serialize};

/// Longest manifest, index or config in bytes (distribution-spec 1.1, "Pushing Manifests": registries
/// should take 4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// Most layers of an image: what overlay file systems of other engines carry.
const MAX_LAYERS: usize = 128;
/// Largest layer as it is transferred.
const MAX_LAYER: u64 = 16 << 30;
/// Most manifests of an index that are looked at.
const MAX_MANIFESTS: usize = 1024;

/// The one platform that appliances have.
const PLATFORM: (&str, &str) = ("linux", "amd64");

/// What a client accepts as a manifest or an index.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// Bytes by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// SHA-256.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Media type.
    pub media_type: String,
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// What a reference leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// The manifest of the one platform, out of several.
    Index(Blob),
}

/// The manifest of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its configuration.
    pub config: Blob,
    /// Its layers, the lowest first; every one in a form that can be unpacked.
    pub layers: Vec<Blob>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    manifests: Option<Vec<RawDescriptor>>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

impl Document {
    /// Reads a manifest or index.
    ///
    /// # Errors
    /// What was expected and found: other JSON, another platform alone, layers of unknown form, a
    /// document that is both (CVE-2021-41190), figures past all sense.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| format!("expected a manifest or an index: {error}"))?;
        if raw.schema_version != 2 {
            let found = raw.schema_version;
            return Err(format!("expected a manifest of schema 2, found {found}"));
        }
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) => choose(&manifests).map(Self::Index),
            (None, Some(config), Some(layers)) => {
                read_manifest(&config, &layers).map(Self::Manifest)
            }
            _ => Err("expected either a manifest or an index, found neither or both".to_owned()),
        }
    }
}

fn choose(manifests: &[RawDescriptor]) -> Result<Blob, String> {
    let (os, architecture) = PLATFORM;
    let fits = |found: &&RawDescriptor| {
        let platform = found.platform.as_ref();
        platform.is_some_and(|p| p.os == os && p.architecture == architecture)
    };
    let mut looked_at = manifests.iter().take(MAX_MANIFESTS);
    let only = match manifests {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    };
    match looked_at.find(fits).or(only) {
        Some(found) => found.blob(MAX_DOCUMENT),
        None => Err(format!(
            "expected a manifest for {os}/{architecture} in the index, found {}",
            platforms(manifests)
        )),
    }
}

fn platforms(manifests: &[RawDescriptor]) -> String {
    let named = manifests.iter().filter_map(|m| m.platform.as_ref());
    let mut names: Vec<_> = named
        .map(|p| format!("{}/{}", p.os, p.architecture))
        .collect();
    names.sort();
    names.dedup();
    names.truncate(16);
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn read_manifest(config: &RawDescriptor, layers: &[RawDescriptor]) -> Result<Manifest, String> {
    if layers.len() > MAX_LAYERS {
        let found = layers.len();
        return Err(format!(
            "expected at most {MAX_LAYERS} layers, found {found}"
        ));
    }
    let layer = |raw: &RawDescriptor| {
        let blob = raw.blob(MAX_LAYER)?;
        blob.compression().map(|_| blob)
    };
    Ok(Manifest {
        config: config.blob(MAX_DOCUMENT)?,
        layers: layers.iter().map(layer).collect::<Result<_, _>>()?,
    })
}

impl RawDescriptor {
    fn blob(&self, most: u64) -> Result<Blob, String> {
        let digest = self.digest.parse().map_err(|error| format!("{error}"))?;
        if self.size > most {
            let found = self.size;
            return Err(format!(
                "expected at most {most} bytes in {digest}, found {found}"
            ));
        }
        Ok(Blob {
            digest,
            size: self.size,
            media_type: self.media_type.clone(),
        })
    }
}

impl Blob {
    /// How it is compressed, if it is a layer that may be unpacked.
    ///
    /// # Errors
    /// Another media type.
    pub fn compression(&self) -> Result<Compression, String> {
        match self.media_type.as_str() {
            "application/vnd.oci.image.layer.v1.tar" => Ok(Compression::None),
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Ok(Compression::Gzip),
            "application/vnd.oci.image.layer.v1.tar+zstd" => Ok(Compression::Zstd),
            other => Err(format!(
                "expected a layer as tar, gzip or zstd, found `{other}`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

    fn blob(kind: &str, size: u64) -> String {
        let digest = Digest::of(kind.as_bytes());
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#)
    }

    fn manifest(layers: &[String]) -> String {
        let (config, layers) = (blob("c", 2), layers.join(","));
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}],"annotations":{{}}}}"#)
    }

    fn index(platforms: &[(&str, &str)]) -> String {
        let one = |(os, architecture): &(&str, &str)| {
            let digest = Digest::of(format!("{os}/{architecture}").as_bytes());
            format!(
                r#"{{"mediaType":"m","digest":"{digest}","size":7,"platform":{{"os":"{os}","architecture":"{architecture}","variant":"v8"}}}}"#
            )
        };
        let all: Vec<_> = platforms.iter().map(one).collect();
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, all.join(","))
    }

    #[test]
    fn an_index_leads_to_the_one_platform() {
        let text = index(&[
            ("linux", "arm64"),
            ("unknown", "unknown"),
            ("linux", "amd64"),
        ]);
        let Ok(Document::Index(found)) = Document::parse(text.as_bytes()) else {
            panic!("an index")
        };
        assert_eq!(found.digest, Digest::of(b"linux/amd64"));
        let text = index(&[("linux", "arm64"), ("windows", "amd64")]);
        let error = Document::parse(text.as_bytes()).unwrap_err();
        assert!(
            error.ends_with("found linux/arm64, windows/amd64"),
            "{error}"
        );
    }

    #[test]
    fn a_manifest_has_layers_that_can_be_unpacked() {
        let text = manifest(&[blob(LAYER, 1), blob(&format!("{LAYER}+zstd"), 2)]);
        let Ok(Document::Manifest(found)) = Document::parse(text.as_bytes()) else {
            panic!("a manifest")
        };
        let forms: Vec<_> = found
            .layers
            .iter()
            .map(|l| l.compression().unwrap())
            .collect();
        assert_eq!(forms, [Compression::None, Compression::Zstd]);
    }

    #[test]
    fn other_documents_are_refused() {
        let many = vec![blob(LAYER, 1); MAX_LAYERS + 1];
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let both = manifest(&[]).replace("\"config\"", "\"manifests\":[],\"config\"");
        for (text, expected) in [
            ("", "expected a manifest or an index"),
            ("[]", "expected a manifest or an index"),
            (r#"{"schemaVersion":1,"name":"x"}"#, "schema 2, found 1"),
            (r#"{"schemaVersion":2}"#, "neither or both"),
            (&both, "neither or both"),
            (&index(&[]), "found none"),
            (&manifest(&many), "at most 128 layers"),
            (&manifest(&[blob(foreign, 1)]), "foreign"),
            (&manifest(&[blob(LAYER, MAX_LAYER + 1)]), "at most"),
            (
                &manifest(&[]).replace("sha256:", "md5:"),
                "expected `sha256:`",
            ),
        ] {
            let error = Document::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
