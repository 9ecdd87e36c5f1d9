//! Load order, missing modules, compressed files.

use std::fs;

use super::{modinfo::tests::module, *};

/// A root with kernel 6.12, `virtio_pci` built in, and these files with their `.modinfo`.
pub fn kernel(modules: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("usr/lib/modules/6.12/kernel");
    fs::create_dir_all(&directory).unwrap();
    let list = directory.parent().unwrap().join("modules.builtin");
    fs::write(list, "kernel/drivers/virtio/virtio_pci.ko\n").unwrap();
    for (file, modinfo) in modules {
        fs::write(directory.join(file), module(modinfo)).unwrap();
    }
    root
}

#[test]
fn each_module_stands_once_after_what_it_needs() {
    let root = kernel(&[
        ("dm-mod.ko", "depends="),
        ("dm-bufio.ko", "depends=dm-mod"),
        ("dm-verity.ko", "depends=dm-mod,dm-bufio,virtio_pci"),
        ("a.ko", "depends=\nsoftdep=pre: b nowhere"),
        ("b.ko", "depends=\nsoftdep=pre: a"),
    ]);
    let modules = Modules::open(root.path()).unwrap();
    assert_eq!(modules.release(), "6.12");
    let names = |wanted: &[&str]| -> Vec<String> {
        let closure = modules.closure(wanted).unwrap();
        closure.into_iter().map(|module| module.name).collect()
    };
    assert_eq!(
        names(&["dm-verity", "dm_mod"]),
        ["dm_mod", "dm_bufio", "dm_verity"]
    );
    assert_eq!(names(&["a"]), ["b", "a"]);
    assert_eq!(names(&["virtio_pci"]), [""; 0]);
    let path = &modules.closure(&["dm_mod"]).unwrap()[0].path;
    assert_eq!(path, "/usr/lib/modules/6.12/kernel/dm-mod.ko");
    assert_eq!(
        modules.available(&["nvme", "dm_mod", "virtio_pci"]),
        ["dm_mod", "virtio_pci"]
    );
}

#[test]
fn what_is_absent_is_named() {
    let root = kernel(&[("x.ko", "depends=y")]);
    let modules = Modules::open(root.path()).unwrap();
    for (name, message) in [
        ("z", "kernel 6.12 has no module `z`"),
        ("x", "kernel 6.12 has no module `y`, which `x` depends on"),
    ] {
        assert_eq!(modules.closure(&[name]).unwrap_err().to_string(), message);
    }
}

#[test]
fn there_must_be_one_kernel() {
    let root = tempfile::tempdir().unwrap();
    let message = Modules::open(root.path()).unwrap_err().to_string();
    assert!(message.ends_with("found none"), "{message}");
    for release in ["6.12", "6.13"] {
        fs::create_dir_all(root.path().join("usr/lib/modules").join(release)).unwrap();
    }
    let message = Modules::open(root.path()).unwrap_err().to_string();
    assert!(message.ends_with("found 6.12, 6.13"), "{message}");
}

#[test]
fn compressed_modules_are_opened() {
    let root = kernel(&[]);
    let directory = root.path().join("usr/lib/modules/6.12/kernel");
    let plain = module("depends=");
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    io::Write::write_all(&mut encoder, &plain).unwrap();
    fs::write(directory.join("x.ko.xz"), encoder.finish().unwrap()).unwrap();
    fs::write(
        directory.join("z.ko.zst"),
        zstd::encode_all(plain.as_slice(), 3).unwrap(),
    )
    .unwrap();
    let modules = Modules::open(root.path()).unwrap();
    for found in modules.closure(&["x", "z"]).unwrap() {
        assert_eq!(modules.content(&found).unwrap(), plain, "{}", found.path);
    }
}
