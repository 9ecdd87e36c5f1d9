//! Which modules a host wants, whatever its kernel has of them.
//!
//! Every listed module is loaded on every host, so only those stand here that load without their
//! hardware and are small. The drivers of Hyper-V and Xen refuse to load elsewhere, and those of
//! fast network cards take megabytes; a profile for such machines names them in `modules`.

/// What stage 1 needs to reach the root: disk controllers of hypervisors and servers, the verity
/// target and the file system. What a kernel does not have is left out.
pub const STAGE1: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "nvme",
    "ahci",
    "sd_mod",
    "dm_mod",
    "sha256_ssse3",
    "dm_verity",
    "erofs",
];

/// What PID 1 needs from the root: the ESP, state, the firmware's variables, the power button,
/// network cards, watchdog. What a kernel does not have is left out.
///
/// The kernel mounts a FAT with code page 437 and the character set `ascii` unless told otherwise.
pub const ROOT: &[&str] = &[
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "xfs",
    "efivarfs",
    "button",
    "evdev",
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "virtio_balloon",
    "e1000e",
    "igb",
    "ixgbe",
    "ena",
    "gve",
    "af_packet",
    "i6300esb",
];
