//! What a host believes: the document `/usr/lib/bedplate/trust.json` of a verified root.

use serde::{Deserialize, Serialize};

use crate::{
    SchemaVersion,
    bundle::{self, BundleManifest},
    signature::{Envelope, KeyError, PublicKey, SignatureError},
};

/// Keys, threshold and floor, baked into the image from `[update]`.
///
/// Field order is the order of the canonical JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// Public keys in PEM. None: the host takes no upgrade.
    pub keys: Vec<String>,
    /// How many different keys must have signed; at least 1.
    pub threshold: u32,
    /// Oldest version that the host takes ([`BundleManifest::minimum_version`] of the image itself).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// Where upgrades come from when none is named: directory, file or URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Why a bundle's manifest is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The image was built without keys.
    #[error("this image trusts no key, so it takes no bundle; build it with `[update] keys`")]
    NoKeys,
    /// A key of the trust document.
    #[error("key {number} of `trust.json` cannot be used")]
    Key {
        /// Its place, from 1.
        number: usize,
        /// Cause.
        source: KeyError,
    },
    /// The signatures do not suffice.
    #[error("the bundle is refused")]
    Signature(#[from] SignatureError),
    /// Signed, and still no manifest of this version.
    #[error("the bundle's manifest cannot be read: {0}")]
    Manifest(String),
}

impl Trust {
    /// Reads the document.
    ///
    /// # Errors
    /// Text that is not JSON of this schema; the message has line and column.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The canonical text, with one closing newline.
    pub fn encode(&self) -> String {
        // Strings and numbers always serialize; an empty text would be refused by every reader.
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .unwrap_or_default()
    }

    /// The manifest in `envelope`, if enough trusted keys have signed it.
    ///
    /// # Errors
    /// Any [`TrustError`].
    pub fn open(&self, envelope: &Envelope) -> Result<BundleManifest, TrustError> {
        if self.keys.is_empty() {
            return Err(TrustError::NoKeys);
        }
        let keys = self.public_keys()?;
        let threshold = usize::try_from(self.threshold).unwrap_or(usize::MAX);
        let bytes = envelope.open(bundle::MANIFEST, &keys, threshold)?;
        BundleManifest::parse(&bytes).map_err(|error| TrustError::Manifest(error.to_string()))
    }

    fn public_keys(&self) -> Result<Vec<PublicKey>, TrustError> {
        let keys = self.keys.iter().enumerate().map(|(at, pem)| {
            let number = at + 1;
            PublicKey::from_pem(pem).map_err(|source| TrustError::Key { number, source })
        });
        keys.collect()
    }
}
