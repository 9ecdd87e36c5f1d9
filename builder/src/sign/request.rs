//! What a build asks to be signed: `sign-request.json`.
//!
//! The request holds the very bytes, so that a machine that has only this file can show and sign
//! them. A signer believes nothing that stands beside them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64ct::{Base64, Encoding};
use bedplate_contract::{BundleManifest, Digest, SchemaVersion, bundle, signature::signed_bytes};
use serde::{Deserialize, Serialize};

use super::{BUNDLE, OCI, SignError, cosign};
use crate::{
    bundle::{Stored, stored},
    oci::{self, Layout},
    store, sums,
};

/// File name of the request in an output directory.
pub const REQUEST: &str = "sign-request.json";

/// Everything of one build that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// Name of the image.
    pub name: String,
    /// Version of the image.
    pub version: String,
    /// Hardware profile.
    pub profile: String,
    /// The things to sign: one of each [`Kind`], in their order.
    pub items: Vec<Item>,
}

/// One thing to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Media type of the payload.
    pub payload_type: String,
    /// Digest of the payload.
    pub digest: Digest,
    /// The payload in base64.
    pub payload: String,
}

/// What a payload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The manifest of the bundle; signed as DSSE has it.
    Bundle,
    /// The payload that names the OCI image; signed as it is.
    Image,
}

/// The payloads of a request, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What hosts will believe.
    pub bundle: BundleManifest,
    /// The image's manifest.
    pub image: Digest,
}

impl SignRequest {
    /// The request of the bundle and image in `directory`, and of the list of the files beside them.
    ///
    /// # Errors
    /// A layout that cannot be read.
    pub fn of(directory: &Path) -> Result<Self, SignError> {
        let bundle = only_bundle(directory)?;
        let image = image_digest(directory)?;
        let sums = sums::digest(directory).map_err(|e| SignError::read(directory, e))?;
        let payload = cosign::Payload::new(&bundle.manifest.name, &image, sums).encode()?;
        Ok(Self {
            schema: SchemaVersion,
            name: bundle.manifest.name.clone(),
            version: bundle.manifest.version.clone(),
            profile: bundle.manifest.profile.clone(),
            items: vec![
                Item::new(Kind::Bundle, bundle::MANIFEST, &bundle.bytes),
                Item::new(Kind::Image, cosign::PAYLOAD, &payload),
            ],
        })
    }

    /// Reads the request at `path`, a file or the directory that holds it.
    ///
    /// # Errors
    /// No such file, or another document.
    pub fn load(path: &Path) -> Result<Self, SignError> {
        let path = Self::path(path);
        let bytes = fs::read(&path).map_err(|source| SignError::read(&path, source))?;
        serde_json::from_slice(&bytes).map_err(|source| SignError::Document {
            expected: "a sign request",
            path,
            source,
        })
    }

    /// The file of the request at `path`, a file or the directory that holds it.
    pub fn path(path: &Path) -> PathBuf {
        match path.is_dir() {
            true => path.join(REQUEST),
            false => path.to_owned(),
        }
    }

    /// Writes it to `directory`, all or nothing.
    ///
    /// # Errors
    /// Any of write, fsync, rename.
    pub fn save(&self, directory: &Path) -> Result<(), SignError> {
        Ok(store::atomic_write(
            &directory.join(REQUEST),
            &self.encode(),
        )?)
    }

    /// The digest by which an answer names it; the same however the file is laid out.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        // Strings and numbers always serialize; an empty document would be refused by every reader.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// What the payloads say, once everything beside them agrees with them.
    ///
    /// # Errors
    /// Another set of items, a payload that is none, or a name, version or digest of something else.
    pub fn contents(&self) -> Result<Contents, SignError> {
        let [bundle, image] = &self.items[..] else {
            let found = self.items.len();
            return refuse(format!(
                "expected a bundle and an image, found {found} items"
            ));
        };
        let bytes = bundle.payload(Kind::Bundle, bundle::MANIFEST)?;
        let manifest = BundleManifest::parse(&bytes);
        let manifest = manifest.map_err(|e| SignError::Request(format!("its bundle: {e}")))?;
        let payload = image.payload(Kind::Image, cosign::PAYLOAD)?;
        let image = *cosign::Payload::parse(&payload)?.manifest();
        let said = (&self.name, &self.version, &self.profile);
        let meant = (&manifest.name, &manifest.version, &manifest.profile);
        if said != meant {
            let (name, version, profile) = meant;
            return refuse(format!("its bundle is {name} {version} for {profile}"));
        }
        Ok(Contents {
            bundle: manifest,
            image,
        })
    }
}

impl Item {
    fn new(kind: Kind, payload_type: &str, payload: &[u8]) -> Self {
        Self {
            kind,
            payload_type: payload_type.to_owned(),
            digest: Digest::of(payload),
            payload: Base64::encode_string(payload),
        }
    }

    /// The payload, if it is of that kind and type and has its digest.
    fn payload(&self, kind: Kind, payload_type: &str) -> Result<Vec<u8>, SignError> {
        let bytes = Base64::decode_vec(&self.payload).unwrap_or_default();
        let fits = self.kind == kind && self.payload_type == payload_type;
        match fits && Digest::of(&bytes) == self.digest {
            true => Ok(bytes),
            false => refuse(format!("expected {payload_type} with its digest")),
        }
    }

    /// The bytes that a key signs.
    ///
    /// # Errors
    /// A payload of another kind or digest.
    pub fn message(&self) -> Result<Vec<u8>, SignError> {
        match self.kind {
            Kind::Bundle => {
                let payload = self.payload(self.kind, bundle::MANIFEST)?;
                Ok(signed_bytes(bundle::MANIFEST, &payload))
            }
            Kind::Image => self.payload(self.kind, cosign::PAYLOAD),
        }
    }
}

fn refuse<T>(what: String) -> Result<T, SignError> {
    Err(SignError::Request(what))
}

/// The bundle of an output directory.
pub(super) fn only_bundle(directory: &Path) -> Result<Stored, SignError> {
    let path = directory.join(BUNDLE);
    let mut bundles = stored(&Layout::open(&path)?)?;
    match (bundles.pop(), bundles.is_empty()) {
        (Some(bundle), true) => Ok(bundle),
        (_, _) => Err(SignError::Changed(path)),
    }
}

/// The image of an output directory.
pub(super) fn image_digest(directory: &Path) -> Result<Digest, SignError> {
    let path = directory.join(OCI);
    let index = Layout::open(&path)?.index()?;
    match cosign::image(&index) {
        Some(image) => Ok(oci::digest(image)?),
        None => Err(SignError::Changed(path)),
    }
}
