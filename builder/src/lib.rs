//! Bedplate's builder: definition → lock → plan → layers → image → artifacts.
//!
//! Each stage takes the value of the stage before by reference and returns the next; nobody
//! reaches back. Modules stand here in that order.

#![forbid(unsafe_code)]

pub mod bundle;
pub mod cli;
pub mod definition;
pub mod disk;
pub mod host;
pub mod image;
pub mod layer;
pub mod oci;
pub mod pipeline;
pub mod plan;
pub mod privilege;
pub mod publish;
pub mod registry;
pub mod resolve;
pub mod run;
pub mod sign;
pub mod sparse;
pub mod store;
pub mod stream;
pub mod sums;
pub mod tool;
pub mod verify;
