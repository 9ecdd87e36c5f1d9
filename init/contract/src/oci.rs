//! The few words of OCI documents that a host reads of a bundle's layout.
//!
//! Everything here is unsigned: it leads to an envelope, and the envelope's signatures decide.
//! Source: OCI image-spec 1.1: image-layout, index, manifest.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Digest;

/// File name of the index in a layout.
pub const INDEX: &str = "index.json";
/// Directory of the blobs, named by the hex digits of their digests.
pub const BLOBS: &str = "blobs/sha256";
/// Longest index or manifest in bytes.
pub const MAX_DOCUMENT: usize = 1 << 20;

/// `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// What the layout holds.
    pub manifests: Vec<Descriptor>,
}

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the blob.
    pub media_type: String,
    /// Of a manifest: what the artifact is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Digest of the blob.
    pub digest: Digest,
    /// Bytes of the blob.
    pub size: u64,
    /// Hints.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// What the artifact is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Its content.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// What it is about.
    #[serde(default)]
    pub subject: Option<Descriptor>,
}

impl Descriptor {
    /// The annotation `key`.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }
}

/// Path of a blob in a layout.
pub fn blob(digest: &Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_besides_is_ignored() {
        let digest = Digest::of(b"x");
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"i","manifests":[{{"mediaType":"m","artifactType":"a",
            "digest":"{digest}","size":1,"platform":{{"os":"linux"}},"annotations":{{"k":"v"}}}}]}}"#
        );
        let index: Index = serde_json::from_str(&text).unwrap();
        let [only] = &index.manifests[..] else {
            panic!("one manifest")
        };
        assert_eq!(only.annotation("k"), Some("v"));
        assert_eq!(only.artifact_type.as_deref(), Some("a"));
        assert_eq!(blob(&only.digest), format!("blobs/sha256/{}", digest.hex()));
    }
}
