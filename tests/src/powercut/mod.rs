//! The power is cut at every write of a record, and an independent judge looks at what is left.
//!
//! A cut leaves more than prefixes of what was written: the last write may be torn between any two
//! sectors, and of the writes since the last flush a disk may keep one and lose those before it.

pub mod disk;
pub mod judge;
pub mod loader;
pub mod log;
pub mod record;
mod sweep;
pub mod uki;

pub use record::Recording;
pub use sweep::{Options, Tally, sweep};
