//! Signing in two passes: a build asks, anybody with a key answers, and the answers are attached.
//!
//! Output directory → [`SignRequest`] (the very bytes to sign) → [`Answer`] of one key, on a machine
//! that needs only the request → [`attach()`], which finishes the two layouts without a rebuild. An
//! answer is of use for its request alone. Which keys a host trusts, and how many, is the image's
//! ([`crate::definition`]); what is signed is [`bedplate_contract::signature`]'s.

mod answer;
mod attach;
pub mod cosign;
mod error;
pub mod file;
pub mod key;
mod request;

pub use self::{
    answer::Answer,
    attach::{Kept, attach, keep},
    error::SignError,
    key::SigningKey,
    request::{Contents, Item, Kind, REQUEST, SignRequest},
};

/// Directory of the bundle's layout in an output directory.
pub const BUNDLE: &str = "bundle";
/// Directory of the image's layout in an output directory.
pub const OCI: &str = "oci";

#[cfg(test)]
pub(crate) mod tests;
