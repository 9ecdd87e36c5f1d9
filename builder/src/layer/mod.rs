//! Packages, files and host programs → the layers of the root.

pub mod deb;
pub mod extract;
pub mod tree;
pub mod unpack;

/// The time of everything that a build makes: 2025-01-01T00:00:00Z.
///
/// Older than any archive that is built from would be wrong for `make`-like tools, newer than now
/// would be in the future; all that counts is that it never changes.
pub const EPOCH: i64 = 1_735_689_600;
