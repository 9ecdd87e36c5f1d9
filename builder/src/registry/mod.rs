//! Images of other people: by reference from a registry, or from a layout on disk.
//!
//! Reference → manifest of the one platform → [`PinnedImage`] (for the lock) → blobs in the store.
//! Every document and layer is checked against its digest before anybody reads it. What a layer means
//! is for [`crate::layer`].
//!
//! Source: OCI distribution-spec 1.1, image-spec 1.1, and the Docker media types that both name as
//! compatible.

mod challenge;
mod client;
mod config;
mod credentials;
mod document;
mod error;
mod location;
mod pull;
mod reference;
mod shelf;

pub use challenge::Challenge;
pub use config::ImageConfig;
pub use credentials::Credentials;
pub use document::{Blob, Compression, Document, MAX_DOCUMENT, Manifest};
pub use error::RegistryError;
pub use location::Location;
pub use pull::{Origins, PinnedImage, Puller};
pub use reference::{Reference, ReferenceError};
