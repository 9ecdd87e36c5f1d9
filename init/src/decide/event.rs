//! What can happen to an appliance: the only input of [`super::decide`].

use std::{collections::BTreeSet, fmt};

use super::{ProbeKind, ServiceId};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The phases before the services are over.
    Begin(Facts),
    /// Time went by: whatever is due is done.
    Tick,
    /// A process runs.
    Started {
        /// Whose.
        service: ServiceId,
        /// Its id.
        pid: u32,
    },
    /// A process could not be made.
    StartFailed {
        /// Whose.
        service: ServiceId,
        /// The step that failed and why.
        reason: String,
    },
    /// The process of a service ended and was reaped.
    Exited {
        /// Whose.
        service: ServiceId,
        /// How.
        exit: Exit,
    },
    /// One check of a probe ended.
    Probed {
        /// Whose.
        service: ServiceId,
        /// The run that was asked; a check of an earlier run says nothing about this one.
        run: u32,
        /// What it found.
        check: Checked,
    },
    /// The stop endpoint answered, or did not.
    StopPosted {
        /// Whose.
        service: ServiceId,
        /// The run that was asked.
        run: u32,
        /// Whether it took the request.
        outcome: Result<(), String>,
    },
    /// The entry's counter was dropped; holds its new name.
    Blessed(Result<String, String>),
    /// The entry's tries were taken away; holds its new name.
    MarkedBad(Result<String, String>),
    /// An operator asks for a service to be stopped and started.
    Restart {
        /// Whose.
        service: ServiceId,
        /// Who waits for the answer.
        client: u64,
    },
    /// An operator, a key or a signal asks for the end.
    Down(How),
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Which probe.
    pub probe: ProbeKind,
    /// Whether it is good; an error says why not.
    pub outcome: Result<(), String>,
}

/// How the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The machine starts again.
    Reboot,
    /// The machine is switched off.
    Poweroff,
    /// PID 1 of a container returns this status.
    Exit(u8),
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reboot => "reboot",
            Self::Poweroff => "poweroff",
            Self::Exit(_) => "halt",
        })
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It returned this status.
    Status(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// Whether it returned 0.
    pub const fn is_clean(self) -> bool {
        matches!(self, Self::Status(0))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What the phases before the services found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The loader entry of this boot.
    pub entry: Entry,
    /// Whether the loader could start another version.
    pub fallback: Fallback,
    /// Reasons for which the gate cannot pass: broken promises that refuse, lost volumes.
    pub faults: Vec<String>,
    /// Provisioned secrets that are not there; services that need them wait.
    pub missing_secrets: BTreeSet<String>,
}

/// The loader entry of this boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Entry {
    /// There is none: this is a container.
    #[default]
    Container,
    /// It has a counter: the version is not proven yet.
    Trial,
    /// It has no counter: the version has passed the gate before.
    Blessed,
}

/// Whether the loader could start another version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fallback {
    /// No other entry is blessed or has tries left.
    #[default]
    Absent,
    /// Another entry is blessed or has tries left.
    Present,
}
