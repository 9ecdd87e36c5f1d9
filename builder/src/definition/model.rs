//! The validated definition: what the later stages read.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr, path::PathBuf};

use bedplate_contract::{
    Cron,
    appliance::{Gate, Log, Network, Requirement, Secret},
    backup::Backup,
    service::{
        ConfigFile, Kind, Limits, NamedCheck, Permission, Probe, Restart, ServiceNetwork, Stop,
        Wait,
    },
};

use super::{Build, Mount, OciSource, Problem, Validation};

/// A validated definition for one profile.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Directory of `image.toml`.
    pub directory: PathBuf,
    /// `[image]`.
    pub image: Image,
    /// `[base]`, with the profile's extra packages merged in.
    pub base: Base,
    /// The profile.
    pub profile: Profile,
    /// `[build]` of the profile, then that of the image.
    pub builds: Vec<Build>,
    /// `[validate]`.
    pub validation: Validation,
    /// `[[user]]`, each once.
    pub users: Vec<User>,
    /// `[[file]]`, read and rendered; the files of trees stay paths until the layer stage.
    pub files: Vec<File>,
    /// `[[tree]]`: whole directories copied in.
    pub trees: Vec<Tree>,
    /// `[[directory]]`.
    pub directories: Vec<Directory>,
    /// `[[oci]]`, those that can be had.
    pub oci: Vec<OciSource>,
    /// Services that are left out, for their images cannot be had.
    pub left_out: Vec<String>,
    /// `[[volume]]`.
    pub volumes: Vec<Volume>,
    /// `[[secret]]`.
    pub secrets: Vec<Secret>,
    /// `[[service]]`, instances expanded, sorted so that each stands after what it requires.
    pub services: Vec<Service>,
    /// `[[backup]]`; the work of each is done by a service `backup-<name>`.
    pub backups: Vec<Backup>,
    /// `[firewall]`; absent: nothing is filtered.
    pub firewall: Option<Firewall>,
    /// `[gate]`.
    pub gate: Gate,
    /// `[network]`.
    pub network: Network,
    /// `[log]`.
    pub log: Log,
    /// `[update]`, with the keys that were given besides.
    pub update: Update,
    /// `[watchdog]`: milliseconds, 0 when it is off.
    pub watchdog_ms: u64,
    /// What may be meant and may be a slip; shown, never fatal.
    pub warnings: Vec<Problem>,
}

/// `[image]`.
#[derive(Debug, Clone)]
pub struct Image {
    /// `[a-z0-9][a-z0-9-]*`.
    pub name: String,
    /// UAPI.10 version without `+` and `_`.
    pub version: String,
    /// One line.
    pub summary: String,
}

/// `[base]`: which repository, which packages.
#[derive(Debug, Clone)]
pub struct Base {
    /// Repositories in order; the first is the main one.
    pub repositories: Vec<Repository>,
    /// Whether the distribution's Essential packages are part of the root (and maintainer scripts run).
    pub essential: bool,
    /// Package names, the profile's extras included; sorted, each once.
    pub packages: Vec<String>,
}

/// One deb repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Name that `--mirror NAME=URL` uses: `debian`, `debian-security`, or the user's own.
    pub archive: String,
    /// Suite, such as `trixie`, `trixie-updates`, `trixie-security`.
    pub suite: String,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// Keyring file on the host; absolute, or relative to the definition.
    pub keyring: PathBuf,
    /// URL when the definition names one (a vendor's); else found on the host.
    pub url: Option<String>,
}

/// `[update]`: whose bundles the image takes, and what its own bundle says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Public keys in PEM, in the order of the definition, each once. None: it takes no bundle.
    pub keys: Vec<String>,
    /// How many different keys must have signed; 1 to the number of keys, 1 without keys.
    pub threshold: u32,
    /// Oldest version that a host may run to take the image's bundle, and that it takes afterwards.
    pub minimum_version: Option<String>,
    /// When the image's bundle expires: RFC 3339, UTC, whole seconds.
    pub expires: Option<String>,
    /// Where upgrades come from when none is named: absolute path or URL.
    pub source: Option<String>,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            threshold: 1,
            minimum_version: None,
            expires: None,
            source: None,
        }
    }
}

/// `profiles/<name>.toml`.
#[derive(Debug, Clone)]
pub struct Profile {
    /// File stem.
    pub name: String,
    /// One line.
    pub summary: String,
    /// What hardware promises.
    pub requirements: Vec<Requirement>,
    /// Kernel package, such as `linux-image-cloud-amd64`.
    pub kernel_package: String,
    /// Extra words of the kernel command line.
    pub cmdline: Vec<String>,
    /// `/proc/sys` names with dots.
    pub sysctl: BTreeMap<String, String>,
    /// 2 MiB pages.
    pub hugepages: u64,
    /// Modules loaded by PID 1 besides what the disk and network need.
    pub modules: Vec<String>,
    /// Disk layout.
    pub disk: Disk,
    /// Values that templates read as `profile.values.KEY`.
    pub values: BTreeMap<String, String>,
}

/// `[disk]` of a profile, MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// At least 512, for firmware reads no smaller FAT32 (DESIGN 4).
    pub esp_mib: u64,
    /// Size of each root slot; `None`: twice the root image, rounded up to 64 MiB.
    pub slot_mib: Option<u64>,
    /// Least size of state, at least 300 (mkfs.xfs).
    pub state_mib: u64,
    /// Size of the disk the layout must fit; `None`: as large as the parts need.
    pub size_mib: Option<u64>,
}

/// `[[user]]`: an account with a fixed number, so that data keeps its owner from version to version.
///
/// A package that makes the same account (`postgres`, `redis`) keeps the one it finds, so these are
/// in `/etc/passwd` and `/etc/group` before packages are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User and group id.
    pub uid: u32,
    /// Supplementary group names.
    pub groups: Vec<String>,
    /// Home directory; `/nonexistent` by default.
    pub home: String,
}

/// `[[file]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path in the root.
    pub path: String,
    /// Final bytes: templates are rendered, sources read.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner as `user` or `user:group`, resolved against the root's passwd later.
    pub owner: String,
    /// Whether it must be there before packages are configured (preseeding their scripts).
    pub before_configure: bool,
}

/// `[[tree]]`: application code copied into the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Absolute path in the root.
    pub path: String,
    /// Where it comes from.
    pub origin: TreeOrigin,
    /// Owner.
    pub owner: String,
}

/// Where a tree comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeOrigin {
    /// A directory.
    Directory(PathBuf),
    /// A Python wheel.
    Wheel(PathBuf),
    /// A part of an image of [`Definition::oci`].
    Image {
        /// Name of the image.
        name: String,
        /// Absolute path in its root; `/` for all of it.
        from: String,
    },
}

/// `[[directory]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Absolute path in the root.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: String,
}

/// `[[volume]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Name.
    pub name: String,
    /// Absolute mount point.
    pub path: String,
    /// Owner, by name.
    pub owner: String,
    /// Permission bits.
    pub mode: u32,
    /// Version of the data.
    pub data_schema: u32,
    /// Whether programs may run from it.
    pub executable: bool,
}

/// `[firewall]`: what may come in, and which users stay inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewall {
    /// `[[firewall.allow]]`.
    pub allow: Vec<Allow>,
    /// `[[firewall.deny]]`.
    pub deny: Vec<Deny>,
}

/// `[[firewall.allow]]`: a hole for new connections from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// Where to.
    pub ports: Vec<Ports>,
    /// How.
    pub protocol: Protocol,
    /// Numeric addresses, or networks `address/length`, IPv4 and IPv6; empty: from anywhere.
    pub from: Vec<String>,
}

impl Firewall {
    /// Whether a new TCP connection from `source` to `port` comes in.
    pub fn lets_in(&self, source: Ipv4Addr, port: u16) -> bool {
        self.allow.iter().any(|hole| {
            let from = hole.from.is_empty() || hole.from.iter().any(|net| holds(net, source));
            let to = hole.ports.iter().any(|ports| ports.contains(port));
            hole.protocol == Protocol::Tcp && from && to
        })
    }
}

/// Whether `network`, an address or `address/length`, holds `address`.
fn holds(network: &str, address: Ipv4Addr) -> bool {
    let (base, length) = network.split_once('/').unwrap_or((network, "32"));
    let (Ok(base), Ok(length)) = (base.parse::<Ipv4Addr>(), length.parse::<u32>()) else {
        return false;
    };
    let differing = base.to_bits() ^ address.to_bits();
    differing
        .checked_shr(32_u32.saturating_sub(length))
        .unwrap_or(0)
        == 0
}

/// Ports from `first` to `last`, both of them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The lowest; at least 1.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl Ports {
    /// Whether `port` is one of them.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// Protocol of a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// `[[firewall.deny]]`: a user whose processes reach this machine alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deny {
    /// Login name.
    pub user: String,
    /// Addresses and networks that they reach all the same.
    pub except: Vec<String>,
}

/// A service before its names become numbers; fields as in [`bedplate_contract::service::Service`].
#[derive(Debug, Clone)]
pub struct Service {
    /// Name; `template@instance` for an instance.
    pub name: String,
    /// Daemon, oneshot or scheduled.
    pub kind: Kind,
    /// When a scheduled one runs.
    pub schedule: Option<Cron>,
    /// Program and arguments; empty when the configuration of its image has them.
    pub run: Vec<String>,
    /// Name of the image in whose root it runs.
    pub oci: Option<String>,
    /// What it sees in that root.
    pub mounts: Vec<Mount>,
    /// User name.
    pub user: String,
    /// Supplementary group names.
    pub groups: Vec<String>,
    /// Merged environment.
    pub environment: BTreeMap<String, String>,
    /// Variable to secret.
    pub secret_environment: BTreeMap<String, String>,
    /// Secrets as files.
    pub secrets: Vec<String>,
    /// Working directory; `None` for the image's, or `/`.
    pub working_directory: Option<String>,
    /// Directories under `/run`.
    pub runtime_directories: Vec<String>,
    /// Files with secrets, rendered but for those.
    pub config: Vec<ConfigFile>,
    /// Bytes of its own `/tmp` and `/var/tmp` each; `None`: the machine's.
    pub private_tmp_bytes: Option<u64>,
    /// Whether it may use the machine's GPUs: it works on one, or a probe of it asks the driver.
    pub gpu: bool,
    /// Device nodes besides the usual ones.
    pub devices: Vec<String>,
    /// Numbers of its capabilities.
    pub capabilities: Vec<u8>,
    /// What it may do besides what every service may.
    pub sandbox: Vec<Permission>,
    /// Which network it sees.
    pub network: ServiceNetwork,
    /// What it waits for besides services.
    pub wait: Vec<Wait>,
    /// TCP ports that it listens on, each once.
    pub ports: Vec<u16>,
    /// Names.
    pub requires: Vec<String>,
    /// Names.
    pub after: Vec<String>,
    /// Whether the gate waits for it.
    pub essential: bool,
    /// Restart policy.
    pub restart: Restart,
    /// Startup probe.
    pub startup: Option<Probe>,
    /// Readiness probe.
    pub ready: Option<Probe>,
    /// Liveness probe.
    pub live: Option<Probe>,
    /// Checks, by unique names.
    pub checks: Vec<NamedCheck>,
    /// Limits.
    pub limits: Limits,
    /// Stop.
    pub stop: Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firewall_lets_in_what_it_says() {
        let hole = |from: &[&str], first, last| Allow {
            ports: vec![Ports { first, last }],
            protocol: Protocol::Tcp,
            from: from.iter().map(|&text| text.to_owned()).collect(),
        };
        let mut firewall = Firewall {
            allow: vec![hole(&[], 80, 80), hole(&["10.0.0.0/16", "::1"], 8000, 8010)],
            deny: Vec::new(),
        };
        let (near, far) = ([10, 0, 2, 2].into(), [10, 1, 2, 2].into());
        let table = [
            (near, 80, true),
            (far, 80, true),
            (near, 8010, true),
            (far, 8010, false),
            (near, 8011, false),
        ];
        for (source, port, expected) in table {
            assert_eq!(firewall.lets_in(source, port), expected, "{source} {port}");
        }
        firewall.allow[0].protocol = Protocol::Udp;
        assert!(!firewall.lets_in(near, 80));
        let table = [
            ("10.0.2.2", true),
            ("0.0.0.0/0", true),
            ("10.0.2.2/32", true),
            ("10.0.2.3", false),
            ("10.0.2.0/31", false),
            ("2001:db8::/32", false),
        ];
        for (network, expected) in table {
            assert_eq!(holds(network, near), expected, "{network}");
        }
    }
}
