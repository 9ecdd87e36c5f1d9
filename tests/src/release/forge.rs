//! Bundles that no builder would make: signed manifests with something wrong in them.
//!
//! The layout of a good bundle, with another manifest in it, signed here by whoever is told to.
//! Content is shared with the good one: a refusal comes before it is read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use bedplate_contract::{
    Digest,
    bundle::{self, BundleManifest},
    oci,
    signature::{self, Envelope, PublicKey},
};
use ed25519_dalek::{Signer, SigningKey, pkcs8::DecodePrivateKey};
use serde_json::{Value, json};

use super::Keys;

/// A layout whose manifest can be changed.
#[derive(Debug)]
pub struct Forge {
    directory: PathBuf,
    index: Value,
    /// Where the index lists the envelope, and where the bundle.
    envelope_at: usize,
    bundle_at: usize,
    /// What the good bundle says.
    pub manifest: BundleManifest,
}

impl Forge {
    /// Copies the layout `good` to `directory`.
    ///
    /// # Errors
    /// It is no layout with one bundle and one envelope.
    pub fn new(good: &Path, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory.join(oci::BLOBS))?;
        fs::copy(good.join("oci-layout"), directory.join("oci-layout"))?;
        for entry in fs::read_dir(good.join(oci::BLOBS))? {
            let entry = entry?;
            let target = directory.join(oci::BLOBS).join(entry.file_name());
            // Another file system cannot link.
            if fs::hard_link(entry.path(), &target).is_err() {
                fs::copy(entry.path(), &target)?;
            }
        }
        let index: Value = serde_json::from_slice(&fs::read(good.join(oci::INDEX))?)?;
        Ok(Self {
            directory: directory.to_owned(),
            envelope_at: find(&index, bundle::ENVELOPE_ARTIFACT)?,
            bundle_at: find(&index, bundle::ARTIFACT)?,
            index,
            manifest: read_manifest(good)?,
        })
    }

    /// Puts the manifest in, signed by the private keys `signers`.
    ///
    /// # Errors
    /// A key that is not Ed25519, or a file that cannot be written.
    pub fn sign(mut self, signers: &[&Path]) -> Result<()> {
        let payload = self.manifest.encode();
        let mut envelope = Envelope::new(bundle::MANIFEST, &payload);
        for key in signers {
            let private = fs::read_to_string(key)
                .with_context(|| format!("reading the key `{}`", key.display()))?;
            let signing = SigningKey::from_pkcs8_pem(&private)
                .map_err(|error| anyhow::anyhow!("reading `{}`: {error}", key.display()))?;
            let public = PublicKey::from_pem(&fs::read_to_string(Keys::public(key))?)?;
            let message = signature::signed_bytes(bundle::MANIFEST, &payload);
            envelope.sign(&public, &signing.sign(&message).to_bytes());
        }
        let manifest = self.replace_bundle(&payload)?;
        self.replace_envelope(&envelope.encode(), &manifest)?;
        let index = serde_json::to_vec_pretty(&self.index)?;
        Ok(fs::write(self.directory.join(oci::INDEX), index)?)
    }

    /// Takes the envelope out: a bundle as a build leaves it, before anybody has signed.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn open(mut self) -> Result<()> {
        let manifests = self.index["manifests"].as_array_mut().context("an index")?;
        manifests.remove(self.envelope_at);
        let index = serde_json::to_vec_pretty(&self.index)?;
        Ok(fs::write(self.directory.join(oci::INDEX), index)?)
    }

    /// The bundle's OCI manifest with another config; returns its descriptor.
    fn replace_bundle(&mut self, payload: &[u8]) -> Result<Value> {
        let config = self.put(payload)?;
        let mut manifest = self.read(self.bundle_at)?;
        merge(&mut manifest["config"], &config);
        let bytes = serde_json::to_vec(&manifest)?;
        self.relist(self.bundle_at, &bytes)
    }

    fn replace_envelope(&mut self, envelope: &[u8], subject: &Value) -> Result<()> {
        let layer = self.put(envelope)?;
        let mut manifest = self.read(self.envelope_at)?;
        merge(&mut manifest["layers"][0], &layer);
        merge(&mut manifest["subject"], subject);
        let bytes = serde_json::to_vec(&manifest)?;
        self.relist(self.envelope_at, &bytes).map(drop)
    }

    /// Lists `manifest` in the index, with the annotations that its bundle would have.
    fn relist(&mut self, at: usize, manifest: &[u8]) -> Result<Value> {
        let descriptor = self.put(manifest)?;
        let listed = &mut self.index["manifests"][at];
        merge(listed, &descriptor);
        let said = &self.manifest;
        for (key, value) in [
            (bundle::annotation::NAME, &said.name),
            (bundle::annotation::VERSION, &said.version),
            (bundle::annotation::PROFILE, &said.profile),
        ] {
            listed["annotations"][key] = json!(value);
        }
        Ok(descriptor)
    }

    fn read(&self, at: usize) -> Result<Value> {
        let digest: Digest = serde_json::from_value(self.index["manifests"][at]["digest"].clone())?;
        let path = self.directory.join(oci::blob(&digest));
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    fn put(&self, bytes: &[u8]) -> Result<Value> {
        let digest = Digest::of(bytes);
        fs::write(self.directory.join(oci::blob(&digest)), bytes)?;
        Ok(json!({ "digest": digest, "size": bytes.len() }))
    }
}

/// The manifest of a layout with one bundle.
///
/// # Errors
/// No such layout.
pub fn read_manifest(layout: &Path) -> Result<BundleManifest> {
    let index: oci::Index = serde_json::from_slice(&fs::read(layout.join(oci::INDEX))?)?;
    let listed = index.manifests.iter();
    let mut bundles =
        listed.filter(|manifest| manifest.artifact_type.as_deref() == Some(bundle::ARTIFACT));
    let bundle = bundles.next().context("a bundle in the index")?;
    let manifest: Value =
        serde_json::from_slice(&fs::read(layout.join(oci::blob(&bundle.digest)))?)?;
    let config: Digest = serde_json::from_value(manifest["config"]["digest"].clone())?;
    let bytes = fs::read(layout.join(oci::blob(&config)))?;
    Ok(BundleManifest::parse(&bytes)?)
}

fn find(index: &Value, artifact: &str) -> Result<usize> {
    let manifests = index["manifests"].as_array().context("an index")?;
    let found: Vec<usize> = (0..manifests.len())
        .filter(|at| manifests[*at]["artifactType"] == artifact)
        .collect();
    ensure!(found.len() == 1, "expected one `{artifact}` in {index}");
    Ok(found[0])
}

fn merge(into: &mut Value, from: &Value) {
    for key in ["digest", "size"] {
        into[key] = from[key].clone();
    }
}
