//! Where things are: partitions of the disk, paths of the root.

/// One partition of an appliance disk (DESIGN 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// GPT partition name; stage 1 finds partitions by it.
    pub label: &'static str,
    /// GPT type GUID, in text form.
    pub type_guid: &'static str,
}

/// EFI system partition (UAPI.2 Discoverable Partitions).
pub const ESP: Partition = Partition {
    label: "esp",
    type_guid: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
};
/// Root image of slot A; type: x86-64 root (UAPI.2).
pub const SLOT_A: Partition = Partition {
    label: "slot-a",
    type_guid: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
};
/// Hash tree of slot A; type: x86-64 root verity (UAPI.2).
pub const SLOT_A_VERITY: Partition = Partition {
    label: "slot-a-verity",
    type_guid: "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
};
/// Root image of slot B.
pub const SLOT_B: Partition = Partition {
    label: "slot-b",
    ..SLOT_A
};
/// Hash tree of slot B.
pub const SLOT_B_VERITY: Partition = Partition {
    label: "slot-b-verity",
    ..SLOT_A_VERITY
};
/// Boot record and reports, raw; the type is Bedplate's own.
pub const META: Partition = Partition {
    label: "meta",
    type_guid: "b3d0f1a5-6c1e-4f0e-9d0b-2d6f5c3e8a71",
};
/// XFS with volumes, secrets and logs; type: generic Linux data, for it is found by its label.
pub const STATE: Partition = Partition {
    label: "state",
    type_guid: "0fc63daf-8483-4772-8e79-3d69d8477de4",
};

/// Every partition, in the order they lie on the disk; `STATE` is last so that it can grow.
pub const PARTITIONS: [Partition; 7] = [
    ESP,
    SLOT_A,
    SLOT_A_VERITY,
    SLOT_B,
    SLOT_B_VERITY,
    META,
    STATE,
];

/// Size of the meta partition in bytes.
pub const META_SIZE: u64 = 4 << 20;

/// Directory of UKIs on the ESP (UAPI.1 type 2).
pub const ENTRIES: &str = "EFI/Linux";

/// The `init` binary: `/init` of the initramfs too, and entry point of the OCI image.
pub const INIT: &str = "/usr/lib/bedplate/init";
/// The [`crate::Appliance`] document.
pub const APPLIANCE: &str = "/usr/lib/bedplate/appliance.json";
/// Keys that the host trusts, as `contract::trust` (feature `trust`) has them.
pub const TRUST: &str = "/usr/lib/bedplate/trust.json";
/// The host command line.
pub const BEDPLATECTL: &str = "/usr/bin/bedplatectl";
/// The GPU reader; absent from images whose profile asks for no GPU.
pub const GPU_PROBE: &str = "/usr/lib/bedplate/gpu-probe";
/// A tree of its own (loader, libraries, `usr/sbin/mkfs.xfs`, `xfs_repair`) for the state partition,
/// so that an image needs no package for it.
pub const STATE_TOOLS: &str = "/usr/lib/bedplate/state-tools";
/// Directory of the roots of container images, one directory per image.
pub const OCI_DIR: &str = "/usr/lib/bedplate/oci";
/// Modules that stage 1 loads, one path per line, in load order; in the initramfs only.
pub const STAGE1_MODULES: &str = "/usr/lib/bedplate/stage1.modules";
/// Modules that PID 1 loads from the root, one path per line, in load order.
pub const ROOT_MODULES: &str = "/usr/lib/bedplate/root.modules";

/// The rules of nftables that PID 1 loads before the network comes up; absent from images without
/// `[firewall]`.
pub const FIREWALL: &str = "/usr/lib/bedplate/firewall.nft";
/// What loads [`FIREWALL`] (nft(8), package `nftables`).
pub const NFT: &str = "/usr/sbin/nft";

/// Mount point of the state partition.
pub const STATE_DIR: &str = "/state";
/// Directory of volumes on the state partition, one directory per volume name.
pub const VOLUMES_DIR: &str = "/state/volumes";
/// Directory of generated secrets, one file per secret, root only.
pub const SECRETS_DIR: &str = "/state/secrets";
/// Label of a FAT file system that may bring secrets: the ESP's own, or that of another medium.
pub const PROVISION_LABEL: &str = "BEDPLATE";
/// Its directory of secrets, one file per secret.
pub const PROVISION_SECRETS: &str = "secrets";
/// Directory of service logs, one `<service>.log` per service.
pub const LOGS_DIR: &str = "/state/logs";
/// Where a service finds its secrets: `<dir>/<service>/<secret>`, readable by its user only.
///
/// The service's own directory is in its environment as `CREDENTIALS_DIRECTORY`.
pub const RUN_SECRETS_DIR: &str = "/run/credentials";
/// Locked by whoever writes the inactive slot or the ESP, so that two upgrades never meet.
pub const UPGRADE_LOCK: &str = "/run/bedplate/upgrade.lock";
/// The control socket; root by peer credentials.
pub const CONTROL_SOCKET: &str = "/run/bedplate/control.sock";
/// Name of the virtio-serial port over which a hypervisor may speak the control protocol.
pub const CONTROL_PORT: &str = "bedplate.control";
