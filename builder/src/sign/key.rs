//! Keys that sign, and the PEM texts that hold them.
//!
//! A text is PKCS#8, bare or encrypted with a passphrase; OpenSSL and every other reader of PKCS#8
//! takes it. Source: RFC 5958 (PKCS#8), RFC 8018 6.2 (PBES2), RFC 7914 (scrypt), RFC 8410 (Ed25519).

use std::{fmt, io};

use bedplate_contract::signature::{self, Algorithm, PublicKey};
use ed25519_dalek::{SecretKey, Signer, pkcs8::KeypairBytes};
use p256::pkcs8::EncodePrivateKey;
use pkcs8::{
    EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument,
    der::{Decode, asn1::ObjectIdentifier},
    pkcs5::{pbes2, scrypt},
    spki::{EncodePublicKey, der::Document},
};

/// `id-Ed25519` (RFC 8410, 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// What a bare key's PEM is called.
const BARE: &str = "PRIVATE KEY";
/// What an encrypted key's PEM is called.
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// scrypt with 16 MiB, five times over: what OpenSSL reads within its limit of 32 MiB, and as slow
/// to guess as one pass over 128 MiB.
const LOG_N: u8 = 14;
const BLOCKS: u32 = 8;
const PASSES: u32 = 5;

/// A key that signs.
pub struct SigningKey {
    key: Key,
    public: PublicKey,
}

enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
}

/// A key that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The kernel gives no random numbers.
    #[error("cannot get random numbers of the kernel")]
    Random(#[source] io::Error),
    /// The public half of a pair.
    #[error("this is a public key; signing takes the private one")]
    Public,
    /// Another text.
    #[error(
        "expected a private key in PEM (PKCS#8, `-----BEGIN PRIVATE KEY-----`); `openssl pkcs8 -topk8` makes one of older forms"
    )]
    Pem,
    /// Another kind of key.
    #[error("expected an Ed25519 or ECDSA P-256 private key")]
    Algorithm,
    /// Encrypted, and no passphrase.
    #[error(
        "the key is encrypted; give its passphrase with --passphrase-file or BEDPLATE_PASSPHRASE"
    )]
    Locked,
    /// Encrypted with another passphrase.
    #[error("the passphrase does not open the key")]
    Passphrase,
    /// A key that cannot be written as PKCS#8.
    #[error("cannot encode the key")]
    Encode(#[source] pkcs8::Error),
}

/// A text that holds no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The private half of a pair.
    #[error(
        "this is a private key, which nobody but its owner may have; name the public one (`-----BEGIN PUBLIC KEY-----`)"
    )]
    Private,
    /// Another text.
    #[error(transparent)]
    Other(#[from] signature::KeyError),
}

/// Reads a public key in PEM.
///
/// # Errors
/// Another text; a private key is called one.
pub fn public_key(text: &str) -> Result<PublicKey, PublicKeyError> {
    match text.contains("PRIVATE KEY-----") {
        true => Err(PublicKeyError::Private),
        false => Ok(PublicKey::from_pem(text)?),
    }
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// No random numbers.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        loop {
            let secret: SecretKey = random()?;
            let key = match algorithm {
                Algorithm::Ed25519 => Key::Ed25519((&secret).into()),
                // One number in 2^32 is not below the group's order, and another is taken.
                Algorithm::EcdsaP256 => match p256::ecdsa::SigningKey::from_slice(&secret) {
                    Ok(key) => Key::EcdsaP256(key),
                    Err(_) => continue,
                },
            };
            return Self::new(key);
        }
    }

    /// Reads a PEM text; `passphrase` is asked for when the key is encrypted.
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn from_pem(text: &str, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        if text.contains("PUBLIC KEY-----") {
            return Err(KeyError::Public);
        }
        let (label, document) = SecretDocument::from_pem(text).map_err(|_| KeyError::Pem)?;
        match (label, passphrase) {
            (BARE, _) => Self::from_der(document.as_bytes()),
            (ENCRYPTED, None) => Err(KeyError::Locked),
            (ENCRYPTED, Some(passphrase)) => {
                Self::from_der(decrypt(document.as_bytes(), passphrase)?.as_bytes())
            }
            _ => Err(KeyError::Pem),
        }
    }

    fn from_der(bytes: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::from_der(bytes).map_err(|_| KeyError::Pem)?;
        let key = match info.algorithm.oid {
            ED25519 => {
                let pair = KeypairBytes::try_from(info).map_err(|_| KeyError::Algorithm)?;
                Key::Ed25519((&pair.secret_key).into())
            }
            // Refuses other curves, and what is no elliptic curve at all.
            _ => {
                let secret = p256::SecretKey::try_from(info).map_err(|_| KeyError::Algorithm)?;
                Key::EcdsaP256(secret.into())
            }
        };
        Self::new(key)
    }

    fn new(key: Key) -> Result<Self, KeyError> {
        let encoded = match &key {
            Key::Ed25519(key) => key.verifying_key().to_public_key_der(),
            Key::EcdsaP256(key) => key.verifying_key().to_public_key_der(),
        };
        let document: Document = encoded.map_err(|_| KeyError::Algorithm)?;
        let public = PublicKey::from_der(document.as_bytes());
        let public = public.map_err(|_: signature::KeyError| KeyError::Algorithm)?;
        Ok(Self { key, public })
    }

    /// The PEM text, encrypted when there is a passphrase.
    ///
    /// # Errors
    /// No random numbers for salt and initial vector.
    pub fn to_pem(&self, passphrase: Option<&[u8]>) -> Result<String, KeyError> {
        let der = match &self.key {
            // Without the public key: OpenSSL before 3.5 reads no version 2 of PKCS#8.
            Key::Ed25519(key) => KeypairBytes {
                secret_key: key.to_bytes(),
                public_key: None,
            }
            .to_pkcs8_der(),
            Key::EcdsaP256(key) => p256::SecretKey::from(key).to_pkcs8_der(),
        };
        let der = der.map_err(KeyError::Encode)?;
        let (label, document) = match passphrase {
            None => (BARE, der),
            Some(passphrase) => (ENCRYPTED, encrypt(der.as_bytes(), passphrase)?),
        };
        let text = document.to_pem(label, LineEnding::LF);
        let text = text.map_err(|error| KeyError::Encode(error.into()))?;
        Ok(text.as_str().to_owned())
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature over `message`: 64 bytes for Ed25519, DER for ECDSA. The same message gives the
    /// same signature (RFC 8032; RFC 6979).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Key::EcdsaP256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    /// The public half alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}

fn encrypt(der: &[u8], passphrase: &[u8]) -> Result<SecretDocument, KeyError> {
    let failed = |error: pkcs8::pkcs5::Error| KeyError::Encode(error.into());
    let cost = scrypt::Params::new(LOG_N, BLOCKS, PASSES).map_err(|_| {
        failed(pkcs8::pkcs5::Error::AlgorithmParametersInvalid {
            oid: pbes2::PBES2_OID,
        })
    })?;
    let (salt, vector): ([u8; 16], [u8; 16]) = (random()?, random()?);
    let parameters =
        pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, vector).map_err(failed)?;
    let info = PrivateKeyInfoRef::from_der(der).map_err(|e| KeyError::Encode(e.into()))?;
    let encrypted = info.encrypt_with_params(parameters, passphrase);
    encrypted.map_err(KeyError::Encode)
}

fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<SecretDocument, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Pem)?;
    // A wrong passphrase gives wrong padding, or bytes that are no key.
    info.decrypt(passphrase).map_err(|_| KeyError::Passphrase)
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    bedplate_sys::random::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Algorithm; 2] = [Algorithm::Ed25519, Algorithm::EcdsaP256];

    #[test]
    fn a_key_round_trips_and_signs() {
        for algorithm in BOTH {
            let key = SigningKey::generate(algorithm).unwrap();
            assert_eq!(key.public().algorithm(), algorithm);
            let signature = key.sign(b"message");
            for passphrase in [None, Some(b"open sesame".as_slice())] {
                let text = key.to_pem(passphrase).unwrap();
                let read = SigningKey::from_pem(&text, passphrase).unwrap();
                assert_eq!(read.public(), key.public());
                assert_eq!(read.sign(b"message"), signature);
            }
            assert!(key.public().verifies(b"message", &signature));
            assert!(!key.public().verifies(b"messages", &signature));
        }
    }

    #[test]
    fn other_texts_and_passphrases_are_refused() {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let locked = key.to_pem(Some(b"right")).unwrap();
        let public = key.public().to_pem();
        let x25519 = key.to_pem(None).unwrap();
        let x25519 = x25519.replacen("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu", 1);
        for (text, passphrase, expected) in [
            ("", None, "expected a private key in PEM"),
            (public.as_str(), None, "this is a public key"),
            (locked.as_str(), None, "the key is encrypted"),
            (
                locked.as_str(),
                Some(b"wrong".as_slice()),
                "the passphrase does not open",
            ),
            (x25519.as_str(), None, "expected an Ed25519 or ECDSA P-256"),
        ] {
            let error = SigningKey::from_pem(text, passphrase).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_private_key_is_no_public_one() {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        assert_eq!(
            public_key(&key.public().to_pem()).as_ref(),
            Ok(key.public())
        );
        for passphrase in [None, Some(b"secret".as_slice())] {
            let text = key.to_pem(passphrase).unwrap();
            assert_eq!(public_key(&text), Err(PublicKeyError::Private));
        }
    }

    #[test]
    fn debugging_shows_no_secret() {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let Key::Ed25519(secret) = &key.key else {
            panic!("another key")
        };
        let shown = format!("{key:?}");
        assert!(
            !shown.contains(&format!("{:?}", secret.to_bytes())),
            "{shown}"
        );
    }
}
