//! What one key says to a request: `signature-<short id>.json`.

use std::{fs, path::Path};

use base64ct::{Base64, Encoding};
use bedplate_contract::{
    Digest, SchemaVersion,
    signature::{PublicKey, short},
};
use serde::{Deserialize, Serialize};

use super::{Kind, SignError, SignRequest, SigningKey};
use crate::store;

/// What the name of an answer begins and ends with.
const PREFIX: &str = "signature-";
const ENDING: &str = ".json";

/// The signatures of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// [`SignRequest::digest`] of what is answered.
    pub request: Digest,
    /// The public key in PEM.
    pub key: String,
    /// One for each item of the request, in its order.
    pub signatures: Vec<ItemSignature>,
}

/// The signature over one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemSignature {
    /// Which one.
    pub kind: Kind,
    /// In base64.
    pub signature: String,
}

/// An answer whose signatures were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub key: PublicKey,
    pub bundle: Vec<u8>,
    pub image: Vec<u8>,
}

impl Answer {
    /// Signs everything that `request` asks for.
    ///
    /// # Errors
    /// A request that is not to be trusted; nothing is signed then.
    pub fn new(request: &SignRequest, key: &SigningKey) -> Result<Self, SignError> {
        request.contents()?;
        let sign = |item: &super::Item| {
            Ok(ItemSignature {
                kind: item.kind,
                signature: Base64::encode_string(&key.sign(&item.message()?)),
            })
        };
        let signatures: Result<Vec<_>, SignError> = request.items.iter().map(sign).collect();
        Ok(Self {
            schema: SchemaVersion,
            request: request.digest(),
            key: key.public().to_pem(),
            signatures: signatures?,
        })
    }

    /// Reads an answer; nothing of it is believed yet.
    ///
    /// # Errors
    /// No such file, or another document.
    pub fn load(path: &Path) -> Result<Self, SignError> {
        let bytes = fs::read(path).map_err(|source| SignError::read(path, source))?;
        serde_json::from_slice(&bytes).map_err(|source| SignError::Document {
            expected: "an answer to a sign request",
            path: path.to_owned(),
            source,
        })
    }

    /// Writes it, all or nothing.
    ///
    /// # Errors
    /// Any of write, fsync, rename.
    pub fn save(&self, path: &Path) -> Result<(), SignError> {
        // Strings and numbers always serialize; an empty document would be refused by every reader.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        Ok(store::atomic_write(path, &bytes)?)
    }

    /// Name of the answer's file beside the request: one a key.
    pub fn file_name(key: &PublicKey) -> String {
        format!("{PREFIX}{}{ENDING}", short(&key.id().hex()))
    }

    /// Whether a file is called as answers are.
    pub fn is_file_name(name: &str) -> bool {
        let inner = name.strip_prefix(PREFIX);
        inner.is_some_and(|inner| inner.ends_with(ENDING))
    }

    /// The signatures, once all of them are this key's over this request.
    ///
    /// # Errors
    /// An answer to another request; a key that is none; a signature that does not verify or is
    /// missing. `name` is what the answer is called.
    pub(super) fn check(&self, request: &SignRequest, name: &str) -> Result<Checked, SignError> {
        let bad = |what: String| SignError::BadAnswer {
            answer: name.to_owned(),
            what,
        };
        if self.request != request.digest() {
            return Err(SignError::OtherRequest {
                answer: name.to_owned(),
            });
        }
        let key = PublicKey::from_pem(&self.key).map_err(|error| bad(error.to_string()))?;
        let signature = |kind: Kind| {
            let what = || {
                bad(format!(
                    "its signature over the {} does not verify",
                    kind.noun()
                ))
            };
            let item = request.items.iter().find(|item| item.kind == kind);
            let found = self.signatures.iter().find(|found| found.kind == kind);
            let (Some(item), Some(found)) = (item, found) else {
                return Err(bad(format!("it does not sign the {}", kind.noun())));
            };
            let signature = Base64::decode_vec(&found.signature).map_err(|_| what())?;
            match key.verifies(&item.message()?, &signature) {
                true => Ok(signature),
                false => Err(what()),
            }
        };
        Ok(Checked {
            bundle: signature(Kind::Bundle)?,
            image: signature(Kind::Image)?,
            key,
        })
    }
}

impl Kind {
    /// What it is called.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Image => "image",
        }
    }
}
