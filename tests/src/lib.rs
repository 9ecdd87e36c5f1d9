//! The harness of the whole-product tests: the real `bedplate`, real images, real boots.
//!
//! Images and tools go into the store of the workspace's target directory (or `$BEDPLATE_STORE`),
//! so that all tests share what one of them built.

pub mod artifacts;
pub mod bedplate;
pub mod esp;
pub mod hostile;
pub mod machine;
pub mod vm;
