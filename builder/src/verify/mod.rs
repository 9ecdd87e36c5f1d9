//! Whether a bundle or an image is signed, whole, and of one piece.
//!
//! Works on an output directory, a published tree or a tar of one. Nothing but the given keys is
//! believed: signatures lead to the manifest, the manifest's digests to the content, and the content
//! is put together again: frames → root image → hash tree → root hash, which the UKI must name. The disk and
//! the other files of a build are those of the list that is signed with the image.

mod bundle;
mod error;
mod image;

use std::path::Path;

use bedplate_contract::{Digest, signature::PublicKey};

pub use self::error::{ContentError, VerifyError};
use crate::{
    bundle::{Stored, stored},
    oci::Layout,
    sign::{BUNDLE, OCI},
    sums,
};

/// Whom to believe.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The keys that count.
    pub keys: Vec<PublicKey>,
    /// How many of them must have signed; at least 1.
    pub threshold: usize,
}

/// One thing that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it is: `lab 1.0.0 for min`, or `image` with its digest.
    pub title: String,
    /// Ids of the keys whose signatures counted.
    pub signers: Vec<Digest>,
    /// The root hash of a bundle.
    pub root_hash: Option<Digest>,
    /// When hosts stop taking a bundle: theirs to judge, for the builder reads no clock for it.
    pub expires: Option<String>,
}

/// Verifies everything at `path`.
///
/// # Errors
/// The first thing that is not signed by enough keys, damaged, or of several pieces.
pub fn verify(path: &Path, policy: &Policy) -> Result<Vec<Verified>, VerifyError> {
    match path.join(BUNDLE).is_dir() {
        true => {
            let mut verified = tree(&path.join(BUNDLE), policy)?;
            let (image, sums) = image::verify(&Layout::open(&path.join(OCI))?, policy)?;
            let signers = image.signers.clone();
            verified.push(image);
            if let Some(sums) = sums.filter(|_| sums::covers(path)) {
                verified.extend(files(path, &sums, &signers)?);
            }
            Ok(verified)
        }
        false => tree(path, policy),
    }
}

/// Verifies the files that people flash or upload.
fn files(path: &Path, list: &Digest, signers: &[Digest]) -> Result<Vec<Verified>, VerifyError> {
    let names = sums::check(path, list)?.into_iter();
    let verified = names.map(|title| Verified {
        title,
        signers: signers.to_vec(),
        root_hash: None,
        expires: None,
    });
    Ok(verified.collect())
}

/// Verifies every bundle of a layout.
fn tree(path: &Path, policy: &Policy) -> Result<Vec<Verified>, VerifyError> {
    let layout = Layout::open(path)?;
    let bundles = stored(&layout)?;
    if bundles.is_empty() {
        return Err(VerifyError::NoBundle(path.to_owned()));
    }
    bundles
        .iter()
        .map(|stored| one(&layout, stored, policy))
        .collect()
}

fn one(layout: &Layout, stored: &Stored, policy: &Policy) -> Result<Verified, VerifyError> {
    let title = stored.title();
    let check = || -> Result<Vec<Digest>, ContentError> {
        let signers = bundle::signers(stored, policy)?;
        bundle::check_content(layout, stored)?;
        Ok(signers)
    };
    let signers = check().map_err(|source| VerifyError::Bundle {
        title: title.clone(),
        source,
    })?;
    Ok(Verified {
        title,
        signers,
        root_hash: Some(stored.manifest.root_hash),
        expires: stored.manifest.expires.clone(),
    })
}

#[cfg(test)]
mod tests;
