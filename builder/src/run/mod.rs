//! `bedplate run`: boots a built disk in QEMU and tells how the boot ends.
//!
//! The serial console goes to the terminal, boot events as a readable story; the verdict comes from
//! the same events. Nothing of the artifact is written: the machine runs on a copy.

pub mod accelerator;
pub mod bundle;
pub mod console;
pub mod link;
pub mod machine;
pub mod ports;
pub mod qemu;
mod request;
pub mod secret;
pub mod session;
pub mod story;
pub mod switch;
pub mod transcript;
pub mod verdict;

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use bedplate_contract::appliance::NetworkMode;

use crate::tool::ToolError;

pub use bundle::BundleError;
pub use link::LinkError;
pub use machine::DiskChoice;
pub use secret::SecretError;
pub use session::run;

/// What is booted and for how long.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The `disk.raw` artifact.
    pub artifact: PathBuf,
    /// Which disk the machine writes.
    pub disk: DiskChoice,
    /// A bundle that is offered once the boot is healthy: directory or tar file.
    pub upgrade: Option<PathBuf>,
    /// Files that the guest sees as read-only disks, after the bundle.
    pub attached: Vec<PathBuf>,
    /// Secrets that the machine is provisioned with.
    pub secrets: Vec<secret::Given>,
    /// Where the guest's writes are recorded.
    pub record: Option<PathBuf>,
    /// MiB.
    pub memory_mib: u64,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Forwarded ports.
    pub forwards: Vec<ports::Forward>,
    /// The machine's addresses.
    pub network: NetworkMode,
    /// Directory of the link to another machine.
    pub link: Option<PathBuf>,
    /// When the run ends by itself.
    pub until: Until,
    /// Time until the boot must have a verdict; only with [`Until::Verdict`].
    pub timeout: Duration,
    /// What the terminal shows.
    pub show: Show,
    /// A copy of the whole console.
    pub serial_log: Option<PathBuf>,
    /// Where QEMU puts the control socket; absent: in a scratch directory.
    pub control: Option<PathBuf>,
    /// Accelerator.
    pub accelerator: accelerator::Choice,
    /// Directory that remembers whether KVM works.
    pub memory: PathBuf,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The boot is healthy; after an upgrade, the new version's.
    Healthy,
    /// The gate failed, with the reason.
    Unhealthy(String),
    /// The upgrade failed and the old version is healthy again, with the reason.
    RolledBack(String),
    /// The machine did not take the upgrade, with its words.
    Refused(String),
    /// No verdict within the time.
    TimedOut,
    /// The machine powered off, and nobody waited for a verdict.
    Ended,
    /// QEMU ended before the boot had the verdict that was waited for.
    NoVerdict,
    /// The user interrupted; the machine was powered off.
    Interrupted,
}

/// When a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never: the machine powers off, or Ctrl-C.
    PowerOff,
    /// When the boot has a verdict.
    Verdict,
}

/// What the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Every line of the console, events as a story.
    Console,
    /// The story alone.
    Story,
    /// Events as the guest wrote them, for programs.
    Events,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file of the machine.
    #[error("cannot lay out the files of a machine for `{}`", artifact.display())]
    Files {
        /// The disk artifact.
        artifact: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A disk that cannot hold the image.
    #[error("expected a disk of at least {least} bytes, found `--disk-size` of {wanted}")]
    TooSmall {
        /// What was asked for.
        wanted: u64,
        /// What the artifact takes.
        least: u64,
    },
    /// The record of writes.
    #[error("cannot record the writes in `{}`", path.display())]
    Record {
        /// Where it should be.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The network to another machine.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A secret that cannot be given.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A bundle that no machine can be offered.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// QEMU did not start.
    #[error("cannot start QEMU")]
    Start(#[source] ToolError),
    /// QEMU ended by itself before the guest did.
    #[error("QEMU failed ({0}); its own words are above")]
    Qemu(ExitStatus),
    /// The console or the process failed while running.
    #[error("cannot follow the machine")]
    Follow(#[source] io::Error),
}
