//! Bundles as they lie in a layout, with the signatures beside them.

use std::collections::{BTreeMap, HashMap};

use bedplate_contract::{
    BundleManifest, Digest,
    bundle::{self, MAX_MANIFEST},
    signature::{Envelope, MAX_ENVELOPE, Signature},
};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, ImageManifestBuilder, MediaType};

use super::{BundleError, annotations, media};
use crate::oci::{self, Layout, LayoutDirectory, OciError};

/// Content of the empty config (OCI image-spec, manifest, "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";

/// A bundle of a layout; unsigned and unverified as far as anybody here knows.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What it says of itself.
    pub manifest: BundleManifest,
    /// The very bytes of that, which are signed.
    pub bytes: Vec<u8>,
    /// How the index names it.
    pub descriptor: Descriptor,
    /// The OCI manifest, with a config and layers that registries see.
    pub document: ImageManifest,
    /// Signatures of all its envelopes, by key and each once.
    pub signatures: Vec<Signature>,
}

impl Stored {
    /// The envelope with all its signatures.
    pub fn envelope(&self) -> Envelope {
        Envelope {
            signatures: self.signatures.clone(),
            ..Envelope::new(bundle::MANIFEST, &self.bytes)
        }
    }

    /// Adds `signatures`; of two by one key the one there stays.
    pub fn sign(&mut self, signatures: impl IntoIterator<Item = Signature>) {
        let all = self.signatures.drain(..).chain(signatures);
        let mut by_key = BTreeMap::new();
        for signature in all {
            by_key.entry(signature.keyid.clone()).or_insert(signature);
        }
        self.signatures = by_key.into_values().collect();
    }

    /// Name, version and profile, for people.
    pub fn title(&self) -> String {
        let BundleManifest { name, version, .. } = &self.manifest;
        format!("{name} {version} for {}", self.manifest.profile)
    }
}

/// The bundles of a layout, in the order of its index.
///
/// # Errors
/// A document that is not what it should be; an envelope of another manifest.
pub fn stored(layout: &Layout) -> Result<Vec<Stored>, BundleError> {
    let index = layout.index()?;
    let manifests = index.manifests().iter();
    let bundles = manifests.filter(|found| oci::is_artifact(found, bundle::ARTIFACT));
    bundles.map(|found| read(layout, &index, found)).collect()
}

fn read(layout: &Layout, index: &ImageIndex, found: &Descriptor) -> Result<Stored, BundleError> {
    let document: ImageManifest = layout.document("manifest of a bundle", found)?;
    let bytes = layout.bytes(document.config(), MAX_MANIFEST)?;
    let manifest = BundleManifest::parse(&bytes).map_err(|source| BundleError::Manifest {
        digest: Digest::of(&bytes),
        source,
    })?;
    let mut stored = Stored {
        manifest,
        bytes,
        descriptor: found.clone(),
        document,
        signatures: Vec::new(),
    };
    for envelope in envelopes(layout, index, found)? {
        let signatures = checked(&stored, &envelope)?.signatures;
        stored.sign(signatures);
    }
    Ok(stored)
}

/// The bytes of the envelopes whose subject is the manifest `of`.
fn envelopes(
    layout: &Layout,
    index: &ImageIndex,
    of: &Descriptor,
) -> Result<Vec<Vec<u8>>, OciError> {
    let mut found = Vec::new();
    let manifests = index.manifests().iter();
    for descriptor in manifests.filter(|d| oci::is_artifact(d, bundle::ENVELOPE_ARTIFACT)) {
        let manifest: ImageManifest = layout.document("manifest of an envelope", descriptor)?;
        let subject = manifest.subject().as_ref();
        if subject.is_some_and(|subject| subject.digest() == of.digest()) {
            for layer in manifest.layers() {
                found.push(layout.bytes(layer, MAX_ENVELOPE)?);
            }
        }
    }
    Ok(found)
}

/// The envelope, if it is one of this bundle.
fn checked(stored: &Stored, bytes: &[u8]) -> Result<Envelope, BundleError> {
    let envelope = Envelope::parse(bytes)?;
    let expected = Envelope::new(bundle::MANIFEST, &stored.bytes);
    let same =
        envelope.payload == expected.payload && envelope.payload_type == expected.payload_type;
    match same {
        true => Ok(envelope),
        false => Err(BundleError::OtherManifest(Digest::of(bytes))),
    }
}

/// Puts the envelope of a signed bundle into `layout`; returns how the index names it.
///
/// # Errors
/// A document that cannot be written.
pub fn envelope_descriptor(
    stored: &Stored,
    layout: &LayoutDirectory,
) -> Result<Descriptor, OciError> {
    let bytes = stored.envelope().encode();
    let kind = || media(bundle::ENVELOPE_ARTIFACT);
    let document = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .artifact_type(kind())
        .config(layout.put(MediaType::EmptyJSON, EMPTY)?)
        .layers(vec![layout.put(kind(), &bytes)?])
        .subject(subject(&stored.descriptor))
        .annotations(annotations(&stored.manifest))
        .build()
        .map_err(|error| OciError::document("manifest of an envelope", error))?;
    let what = "manifest of an envelope";
    let mut descriptor = layout.put_document(MediaType::ImageManifest, what, &document)?;
    descriptor.set_artifact_type(Some(kind()));
    descriptor.set_annotations(Some(annotations(&stored.manifest)));
    Ok(descriptor)
}

/// A subject is a bare reference: annotations are the index's.
fn subject(of: &Descriptor) -> Descriptor {
    let mut bare = of.clone();
    bare.set_annotations(None::<HashMap<String, String>>);
    bare
}
