//! Images of other people: by reference from a registry, or from a layout on disk.

mod reference;

pub use reference::{Reference, ReferenceError};
