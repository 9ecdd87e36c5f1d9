//! OCI image layouts: the one place that reads them and the one that writes them.
//!
//! A layout is a directory or an uncompressed tar of one. What is read is checked against its digest
//! before anybody sees it; what is written appears blob by blob, and the index last. What documents
//! mean is for others: images in [`crate::image`], bundles in [`crate::bundle`].
//!
//! Source: OCI image-spec 1.1: image-layout, index, manifest, descriptor.

mod archive;
mod error;
mod read;
mod write;

pub use archive::write_archive;
pub use error::OciError;
pub use read::Layout;
pub use write::{LayoutDirectory, document};

use bedplate_contract::Digest;
use oci_spec::image::{Descriptor, DescriptorBuilder, MediaType, Sha256Digest};

/// Content of `oci-layout`.
const MARKER: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}\n";
/// File name of the marker.
const MARKER_NAME: &str = "oci-layout";

/// Annotation by which tools name a manifest of a layout: `oci:DIR:NAME`.
pub const REFERENCE: &str = "org.opencontainers.image.ref.name";

/// A descriptor of a blob.
///
/// # Errors
/// None in practice; the library's builder can fail.
pub fn descriptor(kind: MediaType, digest: &Digest, size: u64) -> Result<Descriptor, OciError> {
    let hex: Sha256Digest = digest
        .hex()
        .parse()
        .map_err(|error: oci_spec::OciSpecError| OciError::document("digest", error))?;
    let built = DescriptorBuilder::default()
        .media_type(kind)
        .digest(hex)
        .size(size)
        .build();
    built.map_err(|error| OciError::document("descriptor", error))
}

/// The digest that a descriptor names.
///
/// # Errors
/// Another algorithm than SHA-256.
pub fn digest(descriptor: &Descriptor) -> Result<Digest, OciError> {
    let text = descriptor.digest().to_string();
    text.parse()
        .map_err(|error| OciError::document("digest", error))
}

/// The annotation `key` of a descriptor.
pub fn annotation<'a>(descriptor: &'a Descriptor, key: &str) -> Option<&'a str> {
    let annotations = descriptor.annotations().as_ref();
    annotations.and_then(|a| a.get(key)).map(String::as_str)
}

/// Whether the artifact type of a descriptor is `kind`.
pub fn is_artifact(descriptor: &Descriptor, kind: &str) -> bool {
    let found = descriptor.artifact_type().as_ref();
    found.is_some_and(|found| found.as_ref() == kind)
}
