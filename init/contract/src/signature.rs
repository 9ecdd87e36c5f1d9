//! Public keys, and the envelope by which a document is signed with some of them.
//!
//! Which bytes are signed is the contract; making signatures is the builder's (`sign`).
//! Source: DSSE 1.0.2 (envelope, "Protocol"); RFC 8032 (Ed25519); FIPS 186-5, SEC 1 (ECDSA on P-256
//! with SHA-256, signatures as ASN.1 DER); RFC 5280, 4.1 (`SubjectPublicKeyInfo`); RFC 7468 (PEM).

use std::collections::BTreeSet;

use base64ct::{Base64, Encoding};
use der::asn1::ObjectIdentifier;
use p256::ecdsa::signature::Verifier;
use p256::pkcs8::{
    DecodePublicKey, Document, EncodePublicKey, SubjectPublicKeyInfoRef, der::Decode,
};
use serde::{Deserialize, Serialize};

use crate::Digest;

/// `id-Ed25519` (RFC 8410, 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// `id-ecPublicKey` (RFC 5480, 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Longest envelope in bytes: a manifest in base64 and some dozens of signatures.
pub const MAX_ENVELOPE: usize = 256 * 1024;
/// Most signatures that are looked at.
pub const MAX_SIGNATURES: usize = 64;

/// What a key can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256,
}

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: Key,
    id: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Ed25519(ed25519_dalek::VerifyingKey),
    EcdsaP256(p256::ecdsa::VerifyingKey),
}

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PEM of a `SubjectPublicKeyInfo`.
    #[error("expected a public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    Pem,
    /// A key of another kind, or a point that is not on the curve.
    #[error("expected an Ed25519 or ECDSA P-256 public key")]
    Algorithm,
}

impl PublicKey {
    /// Reads a PEM text.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (label, document) = Document::from_pem(text).map_err(|_| KeyError::Pem)?;
        match label {
            "PUBLIC KEY" => Self::from_der(document.as_bytes()),
            _ => Err(KeyError::Pem),
        }
    }

    /// Reads the DER bytes of a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_der(bytes: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(|_| KeyError::Pem)?;
        let algorithm = |_| KeyError::Algorithm;
        let key = match info.algorithm.oid {
            ED25519 => DecodePublicKey::from_public_key_der(bytes).map(Key::Ed25519),
            EC => DecodePublicKey::from_public_key_der(bytes).map(Key::EcdsaP256),
            _ => return Err(KeyError::Algorithm),
        };
        Ok(Self {
            key: key.map_err(algorithm)?,
            // One key has one DER form, so the id is that of the key, however its PEM is wrapped.
            id: Digest::of(bytes),
        })
    }

    /// SHA-256 of the DER bytes of the `SubjectPublicKeyInfo`: what the key is called everywhere.
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// What the key can do.
    pub const fn algorithm(&self) -> Algorithm {
        match self.key {
            Key::Ed25519(_) => Algorithm::Ed25519,
            Key::EcdsaP256(_) => Algorithm::EcdsaP256,
        }
    }

    /// The PEM text.
    pub fn to_pem(&self) -> String {
        let pem = match &self.key {
            Key::Ed25519(key) => key.to_public_key_pem(Default::default()),
            Key::EcdsaP256(key) => key.to_public_key_pem(Default::default()),
        };
        // A key that was read has a DER form; an empty text would be refused by every reader.
        pem.unwrap_or_default()
    }

    /// Whether `signature` is this key's over `message`: 64 bytes for Ed25519, DER for ECDSA.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Key::EcdsaP256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

/// A document with its signatures (DSSE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Media type of the document; signed with it.
    pub payload_type: String,
    /// The document in base64.
    pub payload: String,
    /// In any order.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// [`PublicKey::id`] of the signer, hex.
    pub keyid: String,
    /// In base64.
    pub sig: String,
}

/// Why a document is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not an envelope.
    #[error("expected a DSSE envelope: {0}")]
    Envelope(String),
    /// An envelope of something else.
    #[error("expected signatures over `{expected}`, found `{found}`")]
    PayloadType {
        /// Media type that was asked for.
        expected: &'static str,
        /// Media type of the envelope.
        found: String,
    },
    /// No signature at all.
    #[error("it is not signed")]
    Unsigned,
    /// No signature by a key that counts.
    #[error("it is signed by {found}, which is not trusted here; trusted: {trusted}")]
    Untrusted {
        /// Short ids of the signers.
        found: String,
        /// Short ids of the trusted keys.
        trusted: String,
    },
    /// A trusted key's name on a signature that it did not make.
    #[error("the signature of key {key} does not match: the document or the signature was changed")]
    Mismatch {
        /// Short id of the key.
        key: String,
    },
    /// Fewer good signatures than are asked for.
    #[error("expected good signatures by {threshold} trusted keys, found {found}")]
    Threshold {
        /// How many are asked for.
        threshold: usize,
        /// How many there are.
        found: usize,
    },
}

impl Envelope {
    /// An envelope of `payload` without signatures.
    pub fn new(payload_type: &str, payload: &[u8]) -> Self {
        Self {
            payload_type: payload_type.to_owned(),
            payload: Base64::encode_string(payload),
            signatures: Vec::new(),
        }
    }

    /// Adds a signature over [`signed_bytes`].
    pub fn sign(&mut self, key: &PublicKey, signature: &[u8]) {
        self.signatures.push(Signature {
            keyid: key.id().hex(),
            sig: Base64::encode_string(signature),
        });
    }

    /// Reads an envelope; nothing of it is believed yet.
    ///
    /// # Errors
    /// [`SignatureError::Envelope`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        serde_json::from_slice(bytes).map_err(|error| SignatureError::Envelope(error.to_string()))
    }

    /// The JSON bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Strings always serialize; an empty document would be refused by every reader.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The document, once `threshold` different keys of `keys` have signed it as `payload_type`.
    ///
    /// # Errors
    /// Any [`SignatureError`]; a bad signature in a trusted key's name refuses the whole, for
    /// somebody has tampered with it.
    pub fn open(
        &self,
        payload_type: &'static str,
        keys: &[PublicKey],
        threshold: usize,
    ) -> Result<Vec<u8>, SignatureError> {
        if self.payload_type != payload_type {
            return Err(SignatureError::PayloadType {
                expected: payload_type,
                found: self.payload_type.clone(),
            });
        }
        let payload = decode(&self.payload)?;
        let signers = self.signers(&signed_bytes(payload_type, &payload), keys)?;
        match (signers.len(), self.signatures.is_empty()) {
            (found, _) if found >= threshold.max(1) => Ok(payload),
            (_, true) => Err(SignatureError::Unsigned),
            (0, false) => Err(self.untrusted(keys)),
            (found, false) => Err(SignatureError::Threshold { threshold, found }),
        }
    }

    /// The keys of `keys` that signed `message`, each once.
    fn signers(
        &self,
        message: &[u8],
        keys: &[PublicKey],
    ) -> Result<BTreeSet<Digest>, SignatureError> {
        let mut signers = BTreeSet::new();
        for signature in self.signatures.iter().take(MAX_SIGNATURES) {
            let mut named = keys.iter().filter(|key| key.id().hex() == signature.keyid);
            let Some(key) = named.next() else {
                continue;
            };
            if !key.verifies(message, &decode(&signature.sig)?) {
                let key = short(&signature.keyid);
                return Err(SignatureError::Mismatch { key });
            }
            signers.insert(key.id());
        }
        Ok(signers)
    }

    fn untrusted(&self, keys: &[PublicKey]) -> SignatureError {
        let found = self.signatures.iter().map(|s| short(&s.keyid));
        let trusted = keys.iter().map(|key| short(&key.id().hex()));
        SignatureError::Untrusted {
            found: found.collect::<Vec<_>>().join(", "),
            trusted: trusted.collect::<Vec<_>>().join(", "),
        }
    }
}

/// The bytes that are signed for a document: DSSE's pre-authentication encoding, which ties a
/// signature to the type of what it signs.
pub fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

/// The start of a key id, for people; harmless whatever an envelope says.
pub fn short(id: &str) -> String {
    let digits = id.chars().filter(char::is_ascii_alphanumeric);
    digits.take(12).collect()
}

fn decode(text: &str) -> Result<Vec<u8>, SignatureError> {
    Base64::decode_vec(text).map_err(|error| SignatureError::Envelope(error.to_string()))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signer as _;

    use super::*;

    const TYPE: &str = "application/test";

    /// A signing key of either kind, made of one repeated byte.
    enum Signing {
        Ed25519(ed25519_dalek::SigningKey),
        EcdsaP256(p256::ecdsa::SigningKey),
    }

    impl Signing {
        fn ed25519(byte: u8) -> Self {
            Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[byte; 32]))
        }

        fn ecdsa(byte: u8) -> Self {
            Self::EcdsaP256(p256::ecdsa::SigningKey::from_slice(&[byte; 32]).unwrap())
        }

        fn public(&self) -> PublicKey {
            let pem = match self {
                Self::Ed25519(key) => key.verifying_key().to_public_key_pem(Default::default()),
                Self::EcdsaP256(key) => key.verifying_key().to_public_key_pem(Default::default()),
            };
            PublicKey::from_pem(&pem.unwrap()).unwrap()
        }

        fn sign(&self, envelope: &mut Envelope) {
            let bytes = signed_bytes(&envelope.payload_type, &decode(&envelope.payload).unwrap());
            let signature = match self {
                Self::Ed25519(key) => key.sign(&bytes).to_bytes().to_vec(),
                Self::EcdsaP256(key) => {
                    let signature: p256::ecdsa::DerSignature = key.sign(&bytes);
                    signature.as_bytes().to_vec()
                }
            };
            envelope.sign(&self.public(), &signature);
        }
    }

    fn signed_by(keys: &[&Signing]) -> Envelope {
        let mut envelope = Envelope::new(TYPE, b"document");
        keys.iter().for_each(|key| key.sign(&mut envelope));
        Envelope::parse(&envelope.encode()).unwrap()
    }

    #[test]
    fn keys_round_trip_and_have_one_name() {
        for (key, algorithm) in [
            (Signing::ed25519(1), Algorithm::Ed25519),
            (Signing::ecdsa(1), Algorithm::EcdsaP256),
        ] {
            let key = key.public();
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(PublicKey::from_pem(&key.to_pem()).unwrap(), key);
        }
        assert_ne!(
            Signing::ed25519(1).public().id(),
            Signing::ed25519(2).public().id()
        );
    }

    #[test]
    fn other_texts_are_no_keys() {
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in ["", "key", private] {
            assert_eq!(PublicKey::from_pem(text), Err(KeyError::Pem), "{text}");
        }
        // X25519 has the same shape and signs nothing.
        let der = Document::from_pem(&Signing::ed25519(1).public().to_pem())
            .unwrap()
            .1;
        let mut bytes = der.as_bytes().to_vec();
        bytes[8] = 110;
        assert_eq!(PublicKey::from_der(&bytes), Err(KeyError::Algorithm));
    }

    #[test]
    fn a_document_opens_with_enough_of_the_right_signatures() {
        let (a, b, c) = (Signing::ed25519(1), Signing::ecdsa(2), Signing::ed25519(3));
        let keys = [a.public(), b.public()];
        let mut renamed = signed_by(&[&c]);
        renamed.signatures[0].keyid = a.public().id().hex();
        let mut changed = signed_by(&[&a, &b]);
        changed.payload = Base64::encode_string(b"another");
        let untrusted = |s: SignatureError| matches!(s, SignatureError::Untrusted { .. });
        let mismatch = |s: SignatureError| matches!(s, SignatureError::Mismatch { .. });
        let few = |s: SignatureError| {
            s == SignatureError::Threshold {
                threshold: 2,
                found: 1,
            }
        };
        let unsigned = |s: SignatureError| s == SignatureError::Unsigned;
        assert_eq!(
            signed_by(&[&a, &b]).open(TYPE, &keys, 2).unwrap(),
            b"document"
        );
        assert_eq!(
            signed_by(&[&c, &b]).open(TYPE, &keys, 1).unwrap(),
            b"document"
        );
        type Check = fn(SignatureError) -> bool;
        let cases: [(Envelope, usize, Check); 7] = [
            (signed_by(&[]), 1, unsigned),
            (signed_by(&[]), 0, unsigned),
            (signed_by(&[&c]), 1, untrusted),
            (signed_by(&[&a]), 2, few),
            (signed_by(&[&a, &a]), 2, few),
            (renamed, 1, mismatch),
            (changed, 2, mismatch),
        ];
        for (envelope, threshold, expected) in cases {
            let error = envelope.open(TYPE, &keys, threshold).unwrap_err();
            assert!(expected(error.clone()), "{error}");
        }
    }

    #[test]
    fn a_signature_counts_for_its_type_alone() {
        let key = Signing::ed25519(1);
        let mut envelope = signed_by(&[&key]);
        let keys = [key.public()];
        assert!(matches!(
            envelope.open("application/other", &keys, 1),
            Err(SignatureError::PayloadType { .. })
        ));
        envelope.payload_type = "application/other".to_owned();
        assert!(matches!(
            envelope.open("application/other", &keys, 1),
            Err(SignatureError::Mismatch { .. })
        ));
    }

    #[test]
    fn signed_bytes_are_those_of_dsse() {
        // The example of the DSSE specification.
        let bytes = signed_bytes("http://example.com/HelloWorld", b"hello world");
        assert_eq!(
            bytes,
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
