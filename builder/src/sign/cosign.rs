//! Signatures of an OCI image as cosign reads and writes them.
//!
//! What is signed is a small JSON document that names the image's manifest. The signatures are layers
//! of a manifest of their own, which lies in the image's layout under the tag `sha256-<hex>.sig` that
//! a registry has for it, and with the annotations by which `cosign verify --local-image` finds both.
//!
//! Source: cosign, specs/SIGNATURE_SPEC.md; containers/image, docs/containers-signature.5.md ("simple
//! signing"); the layout annotations are those of `cosign save`.

use std::collections::HashMap;

use base64ct::{Base64, Encoding};
use bedplate_contract::{Digest, signature::PublicKey};
use oci_spec::image::{
    Arch, Descriptor, ImageConfigurationBuilder, ImageIndex, ImageManifest, ImageManifestBuilder,
    MediaType, Os, RootFsBuilder,
};
use serde::{Deserialize, Serialize};

use crate::oci::{self, Layout, LayoutDirectory, OciError};

/// Annotation of a manifest in a layout that says what it is to cosign.
pub const KIND: &str = "kind";
/// [`KIND`] of the image.
pub const IMAGE: &str = "dev.cosignproject.cosign/image";
/// [`KIND`] of its signatures.
pub const SIGNATURES: &str = "dev.cosignproject.cosign/sigs";
/// Media type of a [`Payload`].
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Annotation of a payload's layer: the signature in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What a payload says that it is.
const TYPE: &str = "cosign container image signature";
/// Longest payload in bytes.
const MOST: usize = 16 * 1024;

/// The document that is signed for an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    critical: Critical,
    /// What signers add.
    optional: Option<Optional>,
}

/// What else is signed with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Optional {
    /// Digest of the list of the files that lie beside it ([`crate::sums`]).
    sha256sums: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    r#type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: Digest,
}

impl Payload {
    /// The payload for the image `name` whose manifest has `digest`, and for the files whose list has
    /// the digest `sums`.
    pub fn new(name: &str, digest: &Digest, sums: Option<Digest>) -> Self {
        Self {
            critical: Critical {
                identity: Identity {
                    docker_reference: name.to_owned(),
                },
                image: Image {
                    docker_manifest_digest: *digest,
                },
                r#type: TYPE.to_owned(),
            },
            optional: sums.map(|sha256sums| Optional { sha256sums }),
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// Anything else, so that a signer never signs what only looks like one.
    pub fn parse(bytes: &[u8]) -> Result<Self, OciError> {
        let parsed: Self = serde_json::from_slice(bytes)
            .map_err(|error| OciError::document("signed payload", error))?;
        match parsed.critical.r#type == TYPE {
            true => Ok(parsed),
            false => {
                let what = format!("expected the type `{TYPE}`");
                Err(OciError::document("signed payload", what))
            }
        }
    }

    /// The bytes that are signed.
    ///
    /// # Errors
    /// None in practice; JSON can fail.
    pub fn encode(&self) -> Result<Vec<u8>, OciError> {
        oci::document("signed payload", self)
    }

    /// Digest of the image's manifest.
    pub const fn manifest(&self) -> &Digest {
        &self.critical.image.docker_manifest_digest
    }

    /// Digest of the list of the files beside the image.
    pub fn sums(&self) -> Option<Digest> {
        self.optional.as_ref().map(|optional| optional.sha256sums)
    }
}

/// The image of a layout: the manifest of it that holds no signatures.
pub fn image(index: &ImageIndex) -> Option<&Descriptor> {
    let mut manifests = index.manifests().iter();
    manifests.find(|manifest| oci::annotation(manifest, KIND) != Some(SIGNATURES))
}

/// Puts the `signatures` over `payload` into the layout of its image, in place of those there.
///
/// # Errors
/// A document that cannot be read or written.
pub fn attach(layout: &Layout, payload: &[u8], signatures: &[Vec<u8>]) -> Result<(), OciError> {
    let index = layout.index()?;
    let signed = |d: &&Descriptor| oci::annotation(d, KIND) != Some(SIGNATURES);
    let mut manifests: Vec<_> = index.manifests().iter().filter(signed).cloned().collect();
    let directory = LayoutDirectory::create(layout.path())?;
    if !signatures.is_empty() {
        manifests.push(put(&directory, payload, signatures)?);
    }
    directory.save_index(manifests)
}

fn put(
    layout: &LayoutDirectory,
    payload: &[u8],
    signatures: &[Vec<u8>],
) -> Result<Descriptor, OciError> {
    let manifest = Payload::parse(payload)?;
    let tag = format!("sha256-{}.sig", manifest.manifest().hex());
    let blob = layout.put(MediaType::Other(PAYLOAD.to_owned()), payload)?;
    let layers: Vec<_> = signatures.iter().map(|s| layer(&blob, s)).collect();
    let document = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(put_config(layout, &layers)?)
        .layers(layers)
        .build()
        .map_err(|error| OciError::document("manifest of signatures", error))?;
    let kind = MediaType::ImageManifest;
    let mut descriptor = layout.put_document(kind, "manifest of signatures", &document)?;
    let names = [(oci::REFERENCE, tag), (KIND, SIGNATURES.to_owned())];
    let names = names.map(|(key, value)| (key.to_owned(), value));
    descriptor.set_annotations(Some(names.into()));
    Ok(descriptor)
}

fn layer(payload: &Descriptor, signature: &[u8]) -> Descriptor {
    let mut layer = payload.clone();
    let pair = (SIGNATURE.to_owned(), Base64::encode_string(signature));
    layer.set_annotations(Some(HashMap::from([pair])));
    layer
}

/// A registry takes only manifests with a config.
fn put_config(layout: &LayoutDirectory, layers: &[Descriptor]) -> Result<Descriptor, OciError> {
    let failed = |error| OciError::document("config of signatures", error);
    let ids = layers.iter().map(|layer| layer.digest().to_string());
    let root = RootFsBuilder::default()
        .typ("layers")
        .diff_ids(ids.collect::<Vec<_>>())
        .build()
        .map_err(failed)?;
    let config = ImageConfigurationBuilder::default()
        .architecture(Arch::Other(String::new()))
        .os(Os::Other(String::new()))
        .rootfs(root)
        .build()
        .map_err(failed)?;
    layout.put_document(MediaType::ImageConfig, "config of signatures", &config)
}

/// Who signed an image, and what else with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signed<'a> {
    /// Those of the keys with a good signature.
    pub keys: Vec<&'a PublicKey>,
    /// Digest of the list of the files beside the image, where one was signed.
    pub sums: Option<Digest>,
}

/// What those of `keys` signed of the image `image` in its layout: all of them the same.
///
/// # Errors
/// A document that cannot be read, a payload of another image, or several payloads.
pub fn signed<'a>(
    layout: &Layout,
    image: &Digest,
    keys: &'a [PublicKey],
) -> Result<Signed<'a>, OciError> {
    let index = layout.index()?;
    let mut manifests = index.manifests().iter();
    let Some(manifest) = manifests.find(|d| oci::annotation(d, KIND) == Some(SIGNATURES)) else {
        return Ok(Signed::default());
    };
    let manifest: ImageManifest = layout.document("manifest of signatures", manifest)?;
    let mut pairs = Vec::new();
    for layer in manifest.layers() {
        let payload = layout.bytes(layer, MOST)?;
        if Payload::parse(&payload)?.manifest() != image {
            let what = "it signs another image than the one beside it";
            return Err(OciError::document("signed payload", what));
        }
        let signature = oci::annotation(layer, SIGNATURE).map(Base64::decode_vec);
        let signature = signature.and_then(Result::ok).unwrap_or_default();
        pairs.push((payload, signature));
    }
    let Some((payload, _)) = pairs.first() else {
        return Ok(Signed::default());
    };
    if pairs.iter().any(|(other, _)| other != payload) {
        let what = "expected one payload that all have signed, found several";
        return Err(OciError::document("signed payload", what));
    }
    let signed = |key: &&PublicKey| pairs.iter().any(|(p, s)| key.verifies(p, s));
    Ok(Signed {
        keys: keys.iter().filter(signed).collect(),
        sums: Payload::parse(payload)?.sums(),
    })
}
