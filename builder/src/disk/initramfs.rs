//! The initramfs: `/init`, the modules of stage 1 and the list of them, empty mount points.
//!
//! The init binary and the kernel's modules in, a zstd-compressed cpio archive out. Modules are
//! stored uncompressed: inside the one zstd frame they take less room than as xz each, and stage 1
//! needs no decompressor.
//!
//! Source: kernel Documentation/filesystems/ramfs-rootfs-initramfs.rst.

use std::io;

use bedplate_contract::layout::STAGE1_MODULES;

use super::{
    cpio::{Archive, CpioError},
    modules::{Modules, ModulesError, STAGE1},
};

/// Where stage 1 mounts what it needs; `root` is what it switches to.
const MOUNT_POINTS: [&str; 5] = ["dev", "proc", "sys", "run", "root"];
/// A level that a build does not wait for, near the best ratio.
const LEVEL: i32 = 15;

/// An initramfs that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// A module is missing or unreadable.
    #[error("cannot collect the modules of stage 1")]
    Modules(#[from] ModulesError),
    /// A file does not fit the archive.
    #[error("cannot write the initramfs")]
    Cpio(#[from] CpioError),
    /// zstd refused.
    #[error("cannot compress the initramfs")]
    Compress(#[source] io::Error),
}

/// The compressed initramfs around `init` for the kernel that `modules` belong to.
///
/// # Errors
/// A module that cannot be read or does not fit.
pub fn build(init: &[u8], modules: &Modules) -> Result<Vec<u8>, InitramfsError> {
    let found = modules.closure(&modules.available(STAGE1))?;
    let mut files = Vec::new();
    for module in &found {
        files.push((uncompressed_name(&module.path), modules.content(module)?));
    }
    let list: String = files.iter().map(|(path, _)| format!("{path}\n")).collect();
    let mut archive = Archive::default();
    MOUNT_POINTS.iter().for_each(|path| archive.directory(path));
    archive.file("init", 0o755, init);
    archive.file(STAGE1_MODULES, 0o644, list.as_bytes());
    for (path, content) in &files {
        archive.file(path, 0o644, content);
    }
    compress(&archive.encode()?).map_err(InitramfsError::Compress)
}

fn uncompressed_name(path: &str) -> &str {
    let suffixes = [".xz", ".zst"].iter();
    suffixes
        .filter_map(|suffix| path.strip_suffix(suffix))
        .next()
        .unwrap_or(path)
}

/// One thread: with more, zstd's output depends on how it cuts the jobs.
fn compress(archive: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(archive, LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::modules::tests::kernel;

    #[test]
    fn modules_are_listed_in_load_order_and_stored_plain() {
        let root = kernel(&[
            ("dm-mod.ko", "depends="),
            ("dm-verity.ko", "depends=dm-mod"),
        ]);
        let modules = Modules::open(root.path()).unwrap();
        let bytes = build(b"init", &modules).unwrap();
        assert_eq!(bytes, build(b"init", &modules).unwrap());
        let archive = zstd::decode_all(bytes.as_slice()).unwrap();
        let text = String::from_utf8_lossy(&archive);
        let directory = "/usr/lib/modules/6.12/kernel";
        assert!(text.contains(&format!(
            "{directory}/dm-mod.ko\n{directory}/dm-verity.ko\n"
        )));
        for name in [
            "usr/lib/bedplate/stage1.modules\0",
            "init\0",
            "root\0",
            "dev\0",
        ] {
            assert!(text.contains(name), "{name}");
        }
    }

    #[test]
    fn suffixes_of_compression_are_dropped() {
        for (path, expected) in [
            ("/a.ko.xz", "/a.ko"),
            ("/a.ko.zst", "/a.ko"),
            ("/a.ko", "/a.ko"),
        ] {
            assert_eq!(uncompressed_name(path), expected);
        }
    }
}
