//! A root tree and a kernel → what boots: EROFS image, hash tree, UKI, GPT disk.

pub mod modinfo;
pub mod modules;
