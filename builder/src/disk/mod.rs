//! A root tree and a kernel → what boots: EROFS image, hash tree, UKI, GPT disk.

pub mod cpio;
pub mod guid;
pub mod initramfs;
pub mod layout;
pub mod modinfo;
pub mod modules;
pub mod pe;
pub mod uki;
pub mod verity;
