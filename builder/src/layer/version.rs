//! Versions of the code that makes each layer, a part of its key.
//!
//! Raise one whenever the same inputs make another layer; layers above follow by themselves. What
//! all layers share (`unpack`, `tree`, `normalise`) raises [`BASE`] and [`KERNEL`].

/// Of `base`.
pub const BASE: u32 = 3;
/// Of `packages`.
pub const PACKAGES: u32 = 2;
/// Of `kernel`.
pub const KERNEL: u32 = 3;
/// Of the root that commands run in.
pub const BUILD_ROOT: u32 = 3;
/// Of what commands leave.
pub const BUILD: u32 = 1;
/// Of an image of a registry.
pub const IMAGE: u32 = 1;
/// Of `app`.
pub const APP: u32 = 1;
/// Of `config`.
pub const CONFIG: u32 = 1;
/// Of what judges the root.
pub const VALIDATE: u32 = 1;
/// Of `init`.
pub const INIT: u32 = 3;
