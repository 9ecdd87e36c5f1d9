//! The harness of the whole-product tests: the real `bedplate`, real images, real boots.
//!
//! Images and tools go into the store of the workspace's target directory (or `$BEDPLATE_STORE`),
//! so that all tests share what one of them built.

pub mod artifacts;
pub mod bedplate;
pub mod disk;
pub mod esp;
pub mod figures;
pub mod hostile;
pub mod images;
pub mod machine;
// One server for the tests of all crates; the builder's cannot depend on this one.
#[path = "../../builder/tests/repository/server.rs"]
pub mod mirror;
pub mod powercut;
pub mod registry;
pub mod release;
pub mod story;
pub mod systems;
pub mod toolbox;
pub mod vm;
pub mod web;
