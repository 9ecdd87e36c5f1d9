//! What an upgrade consumes: the signed manifest of a bundle, and how its parts are named in OCI.
//!
//! A bundle is an OCI artifact in an image layout. Its index names, for each bundle, one manifest of
//! [`ARTIFACT`] (for registries and their tools) and one of [`ENVELOPE_ARTIFACT`] whose `subject` is
//! the first and whose only layer is the DSSE envelope ([`crate::signature::Envelope`]). The envelope
//! carries the [`BundleManifest`]; a host believes nothing else: it finds an envelope, checks its
//! signatures, and takes the content by the digests of the manifest from `blobs/sha256/`.

use serde::{Deserialize, Serialize};

use crate::{Digest, SchemaVersion};

/// `artifactType` of a bundle (OCI image-spec, manifest).
pub const ARTIFACT: &str = "application/vnd.bedplate.bundle.v1";
/// Media type of the [`BundleManifest`], and DSSE payload type of its envelope.
pub const MANIFEST: &str = "application/vnd.bedplate.bundle.manifest.v1+json";
/// Media type of the frames of the root image (see [`crate::frames`]); one after the other they are a
/// zstd file.
pub const ROOT: &str = "application/vnd.bedplate.root.v1+zstd";
/// Media type of the [`crate::frames::Index`] of those frames.
pub const ROOT_INDEX: &str = "application/vnd.bedplate.root.index.v1";
/// Media type of superblock and hash tree, as they lie in a slot.
pub const VERITY: &str = "application/vnd.bedplate.verity.v1";
/// Media type of the UKI.
pub const UKI: &str = "application/vnd.bedplate.uki.v1";
/// `artifactType` of the manifest that holds the signatures, and media type of the envelope.
pub const ENVELOPE_ARTIFACT: &str = "application/vnd.dsse.envelope.v1+json";

/// Annotations of both manifests in the index, by which a host chooses before it fetches: hints,
/// never believed. Name, version and profile of the image.
pub mod annotation {
    /// Image name.
    pub const NAME: &str = "org.opencontainers.image.title";
    /// Image version.
    pub const VERSION: &str = "org.opencontainers.image.version";
    /// Hardware profile.
    pub const PROFILE: &str = "bedplate.profile";
    /// Of an OCI image: version of the NVIDIA driver that it brings, such as `550.163.01`.
    pub const DRIVER: &str = "bedplate.nvidia.driver";
    /// Of an OCI image: newest CUDA that this driver offers, such as `12.4`.
    pub const CUDA: &str = "bedplate.nvidia.cuda";
}

/// Longest manifest in bytes, far above what a builder writes.
pub const MAX_MANIFEST: usize = 64 * 1024;

/// What is signed: identity, conditions and content of one version for one profile.
///
/// Field order is the order of the canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleManifest {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// Name of the image.
    pub name: String,
    /// Version of the image (UAPI.10).
    pub version: String,
    /// Hardware profile.
    pub profile: String,
    /// Oldest version that a host may run to take this bundle; also the oldest that a host takes
    /// once it runs this one. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<String>,
    /// RFC 3339, UTC (`2027-06-30T00:00:00Z`): from then on no host takes the bundle. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// dm-verity root hash; the UKI names it.
    pub root_hash: Digest,
    /// The root image, shipped as frames.
    pub root: RootContent,
    /// Superblock and hash tree, shipped as they are.
    pub verity: Content,
    /// The UKI, shipped as it is.
    pub uki: Content,
}

/// Bytes by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Digest of all bytes; the blob's name.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// The root image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootContent {
    /// The image as it lies in a slot.
    pub image: Content,
    /// All frames, one after the other.
    pub frames: Content,
    /// The [`crate::frames::Index`].
    pub index: Content,
}

impl BundleManifest {
    /// Reads a manifest whose signatures were checked.
    ///
    /// # Errors
    /// Text that is not JSON of this schema; the message has line and column.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The canonical bytes: fields in the order above, one closing newline.
    pub fn encode(&self) -> Vec<u8> {
        // Strings and numbers always serialize; an empty document would be refused by every reader.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Bytes that a host fetches for it when it has nothing yet.
    pub fn shipped_size(&self) -> u64 {
        let parts = [&self.root.frames, &self.root.index, &self.verity, &self.uki];
        let sizes = parts.into_iter().map(|content| content.size);
        sizes.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(byte: u8, size: u64) -> Content {
        let digest = Digest::from_bytes([byte; 32]);
        Content { digest, size }
    }

    fn manifest() -> BundleManifest {
        BundleManifest {
            schema: SchemaVersion,
            name: "lab".to_owned(),
            version: "1.0.1".to_owned(),
            profile: "min".to_owned(),
            minimum_version: None,
            expires: Some("2027-06-30T00:00:00Z".to_owned()),
            root_hash: Digest::from_bytes([1; 32]),
            root: RootContent {
                image: content(2, 4096),
                frames: content(3, 1000),
                index: content(4, 84),
            },
            verity: content(5, 8192),
            uki: content(6, 10),
        }
    }

    #[test]
    fn a_manifest_round_trips() {
        let bytes = manifest().encode();
        assert_eq!(BundleManifest::parse(&bytes).unwrap(), manifest());
        assert!(bytes.len() < MAX_MANIFEST && bytes.ends_with(b"}\n"));
        assert_eq!(manifest().shipped_size(), 1000 + 84 + 8192 + 10);
    }

    #[test]
    fn absent_conditions_are_not_written() {
        let free = BundleManifest {
            expires: None,
            ..manifest()
        };
        let text = String::from_utf8(free.encode()).unwrap();
        assert!(!text.contains("expires") && !text.contains("minimum_version"));
    }

    #[test]
    fn another_schema_is_refused() {
        let text = String::from_utf8(manifest().encode()).unwrap();
        let newer = text.replacen("\"schema\": 1", "\"schema\": 2", 1);
        let error = BundleManifest::parse(newer.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("expected schema 1, found 2"));
    }
}
