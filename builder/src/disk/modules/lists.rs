//! Which modules a host wants, whatever its kernel has of them.
//!
//! Every listed module is loaded on every host, so only those stand here that load without their
//! hardware and are small. The drivers of Hyper-V and Xen refuse to load elsewhere, and those of
//! fast network cards take megabytes; a profile for such machines names them in `modules`.

/// What stage 1 needs to reach the root: watchdogs first, each armed by `init` before the next module is
/// loaded, so that a hang in what follows is reset; their last resort, which is loaded where none of them
/// found a device; disk controllers of hypervisors and servers, the verity target and the file system; and what it needs
/// where it stays: the ESP, and the port over which a hypervisor asks. What a kernel does not have is
/// left out.
///
/// The kernel mounts a FAT with code page 437 and the character set `ascii` unless told otherwise.
pub const STAGE1: &[&str] = &[
    "i6300esb",
    "wdat_wdt",
    "lpc_ich",
    "iTCO_wdt",
    "sp5100_tco",
    "hpwdt",
    "softdog",
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
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "virtio_console",
];

/// What PID 1 needs from the root: state, the firmware's variables, the power button, network cards.
/// What a kernel does not have is left out, and what stage 1 loaded is there.
pub const ROOT: &[&str] = &[
    "xfs",
    "efivarfs",
    "button",
    "evdev",
    "virtio_net",
    "virtio_rng",
    "virtio_balloon",
    "e1000e",
    "igb",
    "ixgbe",
    "ena",
    "gve",
    "af_packet",
];

/// What brings secrets: a FAT on a USB stick. Disks and the ESP are stage 1's.
pub const PROVISION: &[&str] = &[
    "xhci_pci",
    "ehci_pci",
    "usb_storage",
    "uas",
    "sd_mod",
    "vfat",
    "nls_cp437",
    "nls_ascii",
];

/// What the rules of a firewall are made of: `ct state` in both families, and `reject`. The rest is
/// in `nf_tables` itself.
pub const FIREWALL: &[&str] = &["nf_tables", "nf_conntrack", "nft_ct", "nft_reject_inet"];
