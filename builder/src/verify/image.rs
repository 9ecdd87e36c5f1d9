//! The OCI image beside a bundle: its signatures and every blob that it names.

use std::io;

use bedplate_contract::Digest;
use oci_spec::image::{Descriptor, ImageManifest};

use super::{Policy, Verified, VerifyError};
use crate::{
    oci::{self, Layout, OciError},
    sign::cosign,
};

/// Verifies the image of a layout; also returns the digest of the list that was signed with it.
pub(super) fn verify(
    layout: &Layout,
    policy: &Policy,
) -> Result<(Verified, Option<Digest>), VerifyError> {
    let index = layout.index()?;
    let image = cosign::image(&index);
    let image = image.ok_or_else(|| VerifyError::NoImage(layout.path().to_owned()))?;
    let digest = oci::digest(image)?;
    let signed = cosign::signed(layout, &digest, &policy.keys)?;
    let signers = signers(&signed, &digest, policy)?;
    check_blobs(layout, image)?;
    let verified = Verified {
        title: format!("image {digest}"),
        signers,
        root_hash: None,
        expires: None,
    };
    Ok((verified, signed.sums))
}

fn signers(
    signed: &cosign::Signed<'_>,
    image: &Digest,
    policy: &Policy,
) -> Result<Vec<Digest>, VerifyError> {
    let signers = &signed.keys;
    match signers.len() >= policy.threshold.max(1) {
        true => Ok(signers.iter().map(|key| key.id()).collect()),
        false => Err(VerifyError::ImageSignatures {
            image: *image,
            threshold: policy.threshold,
            found: signers.len(),
        }),
    }
}

/// cosign checks the manifest alone; a changed layer is found here.
fn check_blobs(layout: &Layout, image: &Descriptor) -> Result<(), OciError> {
    let manifest: ImageManifest = layout.document("manifest of the image", image)?;
    for blob in manifest.layers().iter().chain([manifest.config()]) {
        layout.copy(&oci::digest(blob)?, blob.size(), &mut io::sink())?;
    }
    Ok(())
}
