//! The formats that the builder and the host share.
//!
//! The builder writes what is defined here, and every later `init` and `bedplatectl` must read it.
//! The crate does no I/O, reads no clock and knows no path of the build host: parsers take `&str`
//! or `&[u8]`, encoders return bytes. Machine-written documents carry `schema` first.

#![forbid(unsafe_code)]

pub mod appliance;
pub mod backup;
pub mod bundle;
pub mod cmdline;
pub mod control;
pub mod cron;
pub mod digest;
pub mod entry;
pub mod event;
pub mod fat;
pub mod frames;
pub mod gpt;
pub mod gpu;
pub mod gpu_check;
pub mod layout;
pub mod meta;
pub mod oci;
pub mod reference;
pub mod schema;
pub mod service;
#[cfg(feature = "trust")]
pub mod signature;
#[cfg(feature = "trust")]
pub mod trust;
pub mod utc;
pub mod verity;
#[cfg(feature = "trust")]
pub mod version;

pub use appliance::Appliance;
pub use bundle::BundleManifest;
pub use cron::Cron;
pub use digest::Digest;
pub use entry::EntryName;
pub use schema::SchemaVersion;
