//! Keys that sign.

pub mod file;
pub mod key;

pub use self::key::SigningKey;
