//! Sets of programs that the builder itself runs, from Debian trixie whatever the image is made of.

use crate::definition::Repository;

/// A set of tools: its name in the lock, and the packages it is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolSet {
    /// Name in the lock.
    pub name: &'static str,
    /// Packages; the set holds all that they need as well.
    pub packages: &'static [&'static str],
}

/// What a build runs: file systems, the ESP, module lists, the boot loader it installs.
///
/// `libc-bin` and `dash` are not in the closure of the others, but the sandbox needs `ldconfig` and
/// a shell.
pub const BUILD: ToolSet = ToolSet {
    name: "tools",
    packages: &[
        "coreutils",
        "cpio",
        "dash",
        "dosfstools",
        "dpkg",
        "erofs-utils",
        "kmod",
        "libc-bin",
        "mtools",
        "systemd-boot-efi",
        "tar",
        "xfsprogs",
    ],
};

/// What `bedplate run` runs.
pub const RUN: ToolSet = ToolSet {
    name: "tools/run",
    packages: &["dash", "libc-bin", "ovmf", "qemu-system-x86"],
};

/// Readers of artifacts that are not ours, for the tests.
pub const TEST: ToolSet = ToolSet {
    name: "tools/test",
    packages: &[
        "bash",
        "busybox-static",
        "coreutils",
        "cosign",
        "cryptsetup-bin",
        "dash",
        "docker-registry",
        "dosfstools",
        "erofs-utils",
        "fdisk",
        "gdisk",
        "libc-bin",
        "mtools",
        "openssl",
        "qemu-utils",
        "skopeo",
        "systemd-ukify",
        "tar",
        "umoci",
        "zstd",
    ],
};

/// Where tools come from. QEMU older than 10 under TCG breaks guests with kernel 6.12, so the host's
/// own release does not do.
pub fn repository() -> Repository {
    Repository {
        archive: "debian".to_owned(),
        suite: "trixie".to_owned(),
        components: vec!["main".to_owned()],
        keyring: "/usr/share/keyrings/debian-archive-keyring.gpg".into(),
        url: None,
    }
}
