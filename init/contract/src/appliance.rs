//! The document `/usr/lib/bedplate/appliance.json`: all that `init` is told by the builder.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{SchemaVersion, backup::Backup, service::Service};

/// An appliance, resolved and validated at build time.
///
/// Field order is the order of the canonical JSON; maps are sorted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Appliance {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// Name of the image.
    pub name: String,
    /// Version of the image (UAPI.10).
    pub version: String,
    /// Hardware profile it was built for.
    pub profile: String,
    /// Before when it was certainly not built, in milliseconds since 1970: no host's clock shows less.
    #[serde(default)]
    pub built_ms: u64,
    /// What the hardware must offer.
    #[serde(default)]
    pub requirements: Vec<Requirement>,
    /// `/proc/sys` names with dots, to values.
    #[serde(default)]
    pub sysctl: BTreeMap<String, String>,
    /// 2 MiB huge pages to reserve.
    #[serde(default)]
    pub hugepages: u64,
    /// Host name and addresses.
    pub network: Network,
    /// Whether [`crate::layout::FIREWALL`] is loaded before the network comes up.
    #[serde(default)]
    pub firewall: bool,
    /// Data that outlives versions.
    #[serde(default)]
    pub volumes: Vec<Volume>,
    /// Values made or brought on the host.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// Services, sorted so that each stands after what it requires.
    pub services: Vec<Service>,
    /// What is archived, each by a scheduled service of `services`.
    #[serde(default)]
    pub backups: Vec<Backup>,
    /// What must hold before the boot is blessed.
    pub gate: Gate,
    /// Rotation of captured output.
    pub log: Log,
    /// Milliseconds of silence of PID 1 after which the hardware watchdog resets the machine; 0
    /// leaves the watchdog off.
    #[serde(default)]
    pub watchdog_ms: u64,
}

/// One promise of the hardware profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// What is promised, with the least value.
    pub promise: Promise,
    /// What follows when it does not hold.
    pub enforce: Enforce,
}

/// A promise that `init` can measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// Online CPUs.
    CpuCores(u32),
    /// `MemTotal`, MiB.
    MemoryMib(u64),
    /// Size of the disk that holds the state partition, GiB.
    DiskGib(u64),
    /// Speed of the fastest link, Mbit/s.
    NicMbps(u64),
    /// NVIDIA GPUs.
    GpuCount(u32),
    /// Memory of the smallest GPU, MiB.
    GpuMemoryMib(u64),
}

/// What follows a broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforce {
    /// The gate fails.
    Refuse,
    /// It is reported.
    Warn,
}

/// Host name and addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Host name.
    pub hostname: String,
    /// How the first Ethernet link is configured; loopback always is.
    pub mode: NetworkMode,
}

/// How a link gets its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// Loopback alone.
    None,
    /// DHCPv4; the lease is renewed.
    Dhcp,
    /// Fixed.
    Static {
        /// `a.b.c.d/prefix`.
        address: String,
        /// Default route, numeric.
        gateway: Option<String>,
        /// Name servers, numeric.
        nameservers: Vec<String>,
    },
}

/// A directory on the state partition, bound into the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Unique; directory name under [`crate::layout::VOLUMES_DIR`].
    pub name: String,
    /// Absolute mount point.
    pub path: String,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Permission bits, such as 0o700.
    pub mode: u32,
    /// Version of the data in it; a new volume is stamped with it.
    pub data_schema: u32,
    /// Whether programs may run from it.
    #[serde(default)]
    pub executable: bool,
}

/// A value that is never in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Unique; file name under [`crate::layout::SECRETS_DIR`].
    pub name: String,
    /// Where it comes from.
    pub source: SecretSource,
    /// Whether a medium that brings another value replaces the one that is kept; of one that is brought
    /// alone. A medium is not authenticated: whoever plugs one in chooses the value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
}

/// Where a secret comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// Made from the kernel's random numbers at first boot: this many characters of `[A-Za-z0-9]`.
    Generated(u32),
    /// Brought by whoever provisions the host; the services that need it wait for it.
    Provisioned,
    /// Brought too, or not: then it is empty, and nothing waits for it.
    Optional,
}

impl SecretSource {
    /// Whether somebody brings it to the host, or may.
    pub const fn is_brought(self) -> bool {
        matches!(self, Self::Provisioned | Self::Optional)
    }
}

/// When a boot is good, and what follows when it is so no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Milliseconds from the start of PID 1 in the root; past them the gate fails.
    pub deadline_ms: u64,
    /// Milliseconds for which all essential services must stay ready.
    pub stable_for_ms: u64,
    /// Whether the machine must have an address for it. False in documents that were made before
    /// there was the choice.
    #[serde(default)]
    pub network: bool,
    /// What follows when an essential service gives up after the gate.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What follows when an essential service gives up after the gate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The machine stays as it is and says so.
    #[default]
    Stay,
    /// It starts again, at most so many times in a row, then it stays.
    Restart {
        /// Times in a row; a boot that was healthy for an hour ends a row.
        attempts: u32,
    },
    /// It goes back to the other version, if that has passed its gate, and does not take this one
    /// again; else it stays.
    Rollback,
}

/// Rotation of a service's captured output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// A log past this many bytes is rotated.
    pub max_bytes: u64,
    /// Rotated files kept per service.
    pub keep: u32,
    /// Lines per second and service; past them lines are dropped and counted.
    pub lines_per_second: u32,
}

impl Appliance {
    /// Reads the document.
    ///
    /// # Errors
    /// Text that is not JSON of this schema; the message has line and column.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The canonical text: fields in the order above, sorted maps, one closing newline.
    pub fn encode(&self) -> String {
        // Strings, numbers and string-keyed maps always serialize; an empty text would be refused
        // by every reader.
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .unwrap_or_default()
    }
}
