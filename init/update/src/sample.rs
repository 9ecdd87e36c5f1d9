//! A machine and a bundle for it, which the tests of several modules judge.

use bedplate_contract::{
    BundleManifest, Digest, SchemaVersion,
    bundle::{self, Content, RootContent},
    control::BootState,
    signature::{Envelope, PublicKey, signed_bytes},
    trust::Trust,
};
use ed25519_dalek::{Signer, SigningKey, pkcs8::EncodePublicKey};

use crate::admission::{Facts, Inactive};

fn content(byte: u8, size: u64) -> Content {
    let digest = Digest::from_bytes([byte; 32]);
    Content { digest, size }
}

/// Version 1.0.1 of `lab` for `min`.
pub fn manifest() -> BundleManifest {
    BundleManifest {
        schema: SchemaVersion,
        name: "lab".to_owned(),
        version: "1.0.1".to_owned(),
        profile: "min".to_owned(),
        minimum_version: Some("1.0.0".to_owned()),
        expires: Some("1970-01-03T00:00:00Z".to_owned()),
        root_hash: Digest::from_bytes([1; 32]),
        root: RootContent {
            image: content(2, 4096),
            frames: content(3, 1000),
            index: content(4, 84),
        },
        verity: content(5, 8192),
        uki: content(6, 1000),
    }
}

/// A machine that takes it.
pub fn facts() -> Facts {
    Facts {
        now: 86_400,
        name: "lab".to_owned(),
        version: "1.0.0".to_owned(),
        profile: "min".to_owned(),
        boot: BootState::Healthy,
        quarantine: vec![],
        blessed: Some(Digest::of(b"running")),
        inactive: Inactive {
            letter: "b",
            root_hash: None,
            root: 4096,
            tree: 8192,
        },
        esp: 1000,
    }
}

fn key(byte: u8) -> (SigningKey, PublicKey) {
    let key = SigningKey::from_bytes(&[byte; 32]);
    let pem = key.verifying_key().to_public_key_pem(Default::default());
    let public = PublicKey::from_pem(&pem.unwrap()).unwrap();
    (key, public)
}

/// Keys 1 and 2, both of which must have signed.
pub fn trust() -> Trust {
    Trust {
        keys: [1, 2].map(|byte| key(byte).1.to_pem()).to_vec(),
        threshold: 2,
        floor: Some("0.9".to_owned()),
        ..Trust::default()
    }
}

/// The manifest signed by the keys that are named by their byte.
pub fn envelope(manifest: &BundleManifest, signers: &[u8]) -> Vec<u8> {
    let bytes = manifest.encode();
    let mut envelope = Envelope::new(bundle::MANIFEST, &bytes);
    for byte in signers {
        let (key, public) = key(*byte);
        let signature = key.sign(&signed_bytes(bundle::MANIFEST, &bytes));
        envelope.sign(&public, &signature.to_bytes());
    }
    envelope.encode()
}
