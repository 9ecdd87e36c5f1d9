//! What `init` is told of one service: resolved, numeric, validated by the builder.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{Cron, reference};

/// One process that `init` starts, probes and restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Unique; `[a-z0-9][a-z0-9_.@-]*`, at most 63 bytes. An instance is `template@instance`.
    pub name: String,
    /// How its exit is read.
    pub kind: Kind,
    /// When a scheduled service runs (UTC); absent: only on demand. Other kinds have none.
    #[serde(default)]
    pub schedule: Option<Cron>,
    /// Absolute program, then arguments; never a shell string.
    pub run: Vec<String>,
    /// Numeric user.
    pub uid: u32,
    /// Numeric primary group.
    pub gid: u32,
    /// Numeric supplementary groups.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// Environment, files and literals already merged.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Variable to secret name: filled in when the process starts, never in the image.
    #[serde(default)]
    pub secret_environment: BTreeMap<String, String>,
    /// Secrets that the service may read as files in `CREDENTIALS_DIRECTORY`.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Absolute, in `root`.
    pub working_directory: String,
    /// Directory that is `/` for it, read-only; absent: the root of the appliance.
    #[serde(default)]
    pub root: Option<String>,
    /// What it sees in `root` besides, each after what it lies in.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Directories made (mode 0755, owned by the user) under `/run` before each start.
    #[serde(default)]
    pub runtime_directories: Vec<String>,
    /// Files with secrets, written before each start and removed after its end.
    #[serde(default)]
    pub config: Vec<ConfigFile>,
    /// Bytes of memory that its own `/tmp` and its own `/var/tmp` may hold each; absent: it shares
    /// the machine's.
    #[serde(default)]
    pub private_tmp_bytes: Option<u64>,
    /// Whether it may use the machine's GPUs; `root`, where it has one, shows their device nodes.
    #[serde(default)]
    pub gpu: bool,
    /// Device nodes that it sees besides the usual ones, as absolute paths below `/dev`.
    #[serde(default)]
    pub devices: Vec<String>,
    /// Capabilities that its processes have, by their numbers ([`CAPABILITIES`]); user 0 has no others.
    #[serde(default)]
    pub capabilities: Vec<u8>,
    /// What it may do besides what every service may.
    #[serde(default)]
    pub sandbox: Vec<Permission>,
    /// Which network it sees.
    #[serde(default)]
    pub network: ServiceNetwork,
    /// What must hold before each start, asked in this order once nothing else holds it back.
    #[serde(default)]
    pub wait: Vec<Wait>,
    /// Names that must be ready (daemon) or done (oneshot) first; a failed one holds this one back.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Names that must have been started or given up first, when they exist; order only.
    #[serde(default)]
    pub after: Vec<String>,
    /// Whether the gate waits for it.
    pub essential: bool,
    /// What follows an exit.
    pub restart: Restart,
    /// Holds the other probes back until it first succeeds.
    #[serde(default)]
    pub startup: Option<Probe>,
    /// Decides whether dependants may start and whether the gate counts it; absent: ready once started.
    #[serde(default)]
    pub ready: Option<Probe>,
    /// A failure past its threshold kills and restarts the service.
    #[serde(default)]
    pub live: Option<Probe>,
    /// What is asked of it besides once it is ready; no answer restarts it.
    #[serde(default)]
    pub checks: Vec<NamedCheck>,
    /// What the cgroup and rlimits enforce.
    #[serde(default)]
    pub limits: Limits,
    /// How it is asked to end.
    pub stop: Stop,
}

/// A file that one service reads, with values that no image holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Relative to `/run`, in one of the service's runtime directories.
    pub path: String,
    /// Its text; see [`crate::reference`] for what stands for secrets.
    pub content: String,
    /// Permission bits; owner and group are the service's.
    pub mode: u32,
}

/// A condition that holds a service back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What must hold.
    #[serde(rename = "for")]
    pub condition: Condition,
    /// Milliseconds between questions; at least 100.
    pub period_ms: u64,
    /// Milliseconds until a question counts as failed.
    pub timeout_ms: u64,
}

/// What a service waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// This answers well; it may be on another machine.
    Check(Check),
    /// Something is at this absolute path.
    Path(String),
}

/// A file or directory of the appliance that a service sees in a root of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path in the appliance.
    pub source: String,
    /// Absolute path in the service's root, without symbolic links; there, or below `/run` or `/tmp`.
    pub target: String,
    /// Whether the service may write there, as far as owners and modes let it.
    pub writable: bool,
    /// Whether programs may run from there although it is writable.
    #[serde(default)]
    pub executable: bool,
}

/// Something that no service may do unless its definition names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// `bpf(2)`.
    Bpf,
    /// Setting the clock, as far as `sys_time` lets it.
    Clock,
    /// Programs run from what it can write: its `/tmp`, `/dev/shm` and runtime directories.
    Exec,
    /// `open_by_handle_at(2)`.
    FileHandles,
    /// `io_uring_setup(2)`, whose requests pass by the filter of system calls.
    IoUring,
    /// `keyctl(2)`, `add_key(2)`, `request_key(2)`.
    Keyring,
    /// Mounting, as far as `sys_admin` or a user namespace lets it.
    Mount,
    /// Namespaces of its own, a user namespace among them.
    Namespaces,
    /// `perf_event_open(2)`.
    Perf,
    /// The processes of others in `/proc`.
    Processes,
    /// `ptrace(2)`, `process_vm_readv(2)` and their like.
    Ptrace,
    /// Sockets of other families than Unix, IPv4, IPv6 and netlink.
    Sockets,
    /// `userfaultfd(2)`.
    Userfaultfd,
}

/// The permissions, by the names of their definition.
pub const PERMISSIONS: [(&str, Permission); 13] = [
    ("bpf", Permission::Bpf),
    ("clock", Permission::Clock),
    ("exec", Permission::Exec),
    ("file-handles", Permission::FileHandles),
    ("io-uring", Permission::IoUring),
    ("keyring", Permission::Keyring),
    ("mount", Permission::Mount),
    ("namespaces", Permission::Namespaces),
    ("perf", Permission::Perf),
    ("processes", Permission::Processes),
    ("ptrace", Permission::Ptrace),
    ("sockets", Permission::Sockets),
    ("userfaultfd", Permission::Userfaultfd),
];

/// The capabilities that a definition may name, with their bits (capabilities(7), linux/capability.h): those
/// that reach one thing. Those with which a process has the machine (`sys_module`, `sys_rawio`, `mac_admin`
/// and the like) are in no list.
pub const CAPABILITIES: [(&str, u8); 20] = [
    ("audit_write", 29),
    ("chown", 0),
    ("dac_override", 1),
    ("dac_read_search", 2),
    ("fowner", 3),
    ("ipc_lock", 14),
    ("kill", 5),
    ("net_admin", 12),
    ("net_bind_service", 10),
    ("net_raw", 13),
    ("perfmon", 38),
    ("setgid", 6),
    ("setpcap", 8),
    ("setuid", 7),
    ("sys_admin", 21),
    ("sys_chroot", 18),
    ("sys_nice", 23),
    ("sys_ptrace", 19),
    ("sys_resource", 24),
    ("sys_time", 25),
];

/// Processes and threads of a service that names no limit: a fork bomb ends here.
pub const PIDS: u32 = 4096;

/// Bytes of each runtime directory of a service that names no limit: sockets, pids and small files.
pub const RUNTIME_BYTES: u64 = 64 << 20;

/// Which network a service sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceNetwork {
    /// The machine's.
    #[default]
    Host,
    /// One of its own with its loopback alone: it reaches nobody, and nobody it.
    None,
}

/// How a service's exit is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Runs until stopped; every exit is unexpected.
    Daemon,
    /// Runs once per boot; exit 0 is done, which counts as ready.
    Oneshot,
    /// Runs at its times and on demand, never twice at once; exit 0 is done. Nothing waits for it.
    Scheduled,
}

/// When and how fast a service is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Which exits are followed by a start.
    pub when: RestartWhen,
    /// First delay in milliseconds; doubles with every restart, with up to 25 % jitter.
    pub delay_ms: u64,
    /// Ceiling of the delay in milliseconds.
    pub max_delay_ms: u64,
    /// Restarts allowed within `window_ms`; past them the service has failed.
    pub budget: u32,
    /// Milliseconds; a service that ran this long starts with a full budget and the first delay.
    pub window_ms: u64,
}

/// Which exits are followed by a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWhen {
    /// Any.
    Always,
    /// Non-zero status, signal, or failed live probe.
    OnFailure,
    /// None.
    Never,
}

/// One health check, with the fields and meaning of a Kubernetes probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What is asked.
    pub check: Check,
    /// Milliseconds from the start of the process to the first check.
    pub delay_ms: u64,
    /// Milliseconds between checks; at least 100.
    pub period_ms: u64,
    /// Milliseconds until a check counts as failed; a hung one is ended.
    pub timeout_ms: u64,
    /// Successes in a row that make it good; at least 1.
    pub success_threshold: u32,
    /// Failures in a row that make it bad; at least 1.
    pub failure_threshold: u32,
}

/// A question about what a service is for, such as whether its tables are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCheck {
    /// Unique among the service's.
    pub name: String,
    /// What is asked, and how often.
    pub probe: Probe,
    /// Whether the gate waits until it holds; the others are told alone.
    pub gate: bool,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// `GET` on a numeric address; redirects to it are followed, a last status of 200 to 399 is good.
    Http {
        /// Numeric IPv4 or IPv6 address.
        address: String,
        /// TCP port.
        port: u16,
        /// Absolute path with optional query.
        path: String,
    },
    /// A connection that is accepted.
    Tcp {
        /// Numeric IPv4 or IPv6 address.
        address: String,
        /// TCP port.
        port: u16,
    },
    /// A program run as the service's user, in its cgroup; exit 0 is good.
    Exec {
        /// Absolute program, then arguments.
        run: Vec<String>,
    },
}

/// What a service may use. Absent means unlimited by `init`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// `memory.max`, bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// `cpu.max`, percent of one core: 150 is one and a half.
    #[serde(default)]
    pub cpu_percent: Option<u32>,
    /// `pids.max`.
    #[serde(default)]
    pub pids: Option<u32>,
    /// Bytes that each of its runtime directories may hold; absent: [`RUNTIME_BYTES`].
    #[serde(default)]
    pub runtime_bytes: Option<u64>,
    /// `RLIMIT_NOFILE`, soft and hard.
    #[serde(default)]
    pub nofile: Option<u64>,
    /// `RLIMIT_MEMLOCK`, soft and hard, bytes; `u64::MAX` is unlimited.
    #[serde(default)]
    pub memlock_bytes: Option<u64>,
}

/// Signals by name, with their numbers (signal(7), x86-64); the last one ends a process that ignores the
/// others.
pub const SIGNALS: [(&str, i32); 7] = [
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGUSR1", 10),
    ("SIGUSR2", 12),
    ("SIGTERM", 15),
    ("SIGKILL", 9),
];

/// How a service is asked to end: the endpoint, then the signal, then `SIGKILL` to its cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// `POST`ed first when given.
    #[serde(default)]
    pub http: Option<StopHttp>,
    /// Number of the signal that follows (15 is `SIGTERM`).
    pub signal: i32,
    /// Milliseconds for endpoint and signal each.
    pub timeout_ms: u64,
}

/// An endpoint that ends a service when `POST`ed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopHttp {
    /// Numeric address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Absolute path.
    pub path: String,
}

impl Service {
    /// The names of all secrets without which it cannot start, in no order, perhaps repeated.
    pub fn needed_secrets(&self) -> impl Iterator<Item = &str> {
        let files = self.config.iter();
        let variables = self.secret_environment.values();
        let named = self.secrets.iter().chain(variables).map(String::as_str);
        named.chain(files.flat_map(|file| reference::names(&file.content)))
    }
}

impl fmt::Display for Condition {
    /// `tcp 10.0.0.1:6379`, `http 10.0.0.1:80/health`, `path /run/x`: what `waiting for` names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(check) => check.fmt(f),
            Self::Path(path) => write!(f, "path {path}"),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http {
                address,
                port,
                path,
            } => write!(f, "http {}{path}", Endpoint(address, *port)),
            Self::Tcp { address, port } => write!(f, "tcp {}", Endpoint(address, *port)),
            Self::Exec { run } => write!(f, "exec {}", run.join(" ")),
        }
    }
}

/// An address and a port; an IPv6 address stands in brackets (RFC 3986, 3.2.2).
struct Endpoint<'a>(&'a str, u16);

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.contains(':') {
            true => write!(f, "[{}]:{}", self.0, self.1),
            false => write!(f, "{}:{}", self.0, self.1),
        }
    }
}
