//! What can happen to an appliance: the only input of [`super::decide`].

use std::{collections::BTreeSet, fmt};

use bedplate_contract::{Digest, EntryName, control::UpgradeStep, meta::Outcome};

use super::{ProbeKind, ServiceId, Work};

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
    /// A condition was asked for.
    Awaited {
        /// Who waits for it.
        service: ServiceId,
        /// The run that is to begin.
        run: u32,
        /// Its place among the service's.
        condition: usize,
        /// Whether it holds; an error says why not.
        outcome: Result<(), String>,
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
    /// The other slot was read whole, or not.
    OtherChecked(Soundness),
    /// The tries of the other version's entry were taken away; holds its new name.
    OtherMarkedBad(Result<String, String>),
    /// An operator asks for a service to be stopped and started.
    Restart {
        /// Whose.
        service: ServiceId,
        /// Who waits for the answer.
        client: u64,
    },
    /// An operator asks for a service to be stopped.
    Stop {
        /// Whose.
        service: ServiceId,
        /// Who waits for the answer.
        client: u64,
    },
    /// An operator asks for a service to be started.
    Start {
        /// Whose.
        service: ServiceId,
        /// Who waits for the answer.
        client: u64,
    },
    /// An operator asks for a scheduled service or a oneshot to run now.
    Run {
        /// Which.
        service: ServiceId,
        /// What it is given.
        work: Work,
        /// Who waits for its end.
        client: u64,
    },
    /// What the wall clock shows, in milliseconds since the start of 1970.
    Clock(u64),
    /// An operator asks for the other version.
    Rollback {
        /// Who waits for the answer.
        client: u64,
    },
    /// An operator asks for an upgrade.
    Upgrade {
        /// What is asked.
        order: Order,
        /// Who waits for the answer.
        client: u64,
    },
    /// The upgrade's process ended, or was never made; an error has its words.
    UpgradeEnded(Result<(), String>),
    /// Slots and entries were looked at again.
    Rescanned(Fallback),
    /// The machine has an address, or has none any more.
    Addressed(bool),
    /// An operator, a key or a signal asks for the end.
    Down(How),
}

/// Whether a slot is what its hash tree says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Soundness {
    /// Every block is.
    Sound,
    /// A block is not, or cannot be read: the words say which.
    Rotten(String),
    /// It could not be read whole, for a reason that says nothing of the slot.
    Unknown(String),
}

/// What an operator asks of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Where the bundle is; absent: the image's own source.
    pub source: Option<String>,
    /// What is done.
    pub step: UpgradeStep,
    /// Takes a quarantined version too.
    pub force: bool,
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
    /// Whether the loader has taken a try of the entry since the last boot of it that was reported: then
    /// it takes the others too, whatever PID 1 can write.
    pub counted: bool,
    /// Whether the record knows this version as the blessed one, whatever its entry says: the ESP could
    /// not be written when its gate passed.
    pub proven: bool,
    /// What is booted.
    pub root: Option<Digest>,
    /// What else the loader could start.
    pub fallback: Fallback,
    /// The version in the other slot.
    pub other: Option<Other>,
    /// Reasons for which the gate cannot pass: broken promises that refuse, lost volumes.
    pub faults: Vec<String>,
    /// Whether the machine has an address.
    pub addressed: bool,
    /// Boots in a row that ended because an essential service gave up after the gate.
    pub restarts: u32,
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

/// What else the loader could start, in the order of what is hoped of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fallback {
    /// No other entry is blessed or has tries left.
    #[default]
    Absent,
    /// Another entry has tries left.
    Trial,
    /// Another entry is blessed.
    Blessed,
}

/// The version in the other slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its root hash.
    pub root: Digest,
    /// Its entry as the loader left it.
    pub entry: EntryName,
    /// How its last boot ended, as the record has it; `None` for one that stage 1 never counted.
    pub outcome: Option<Outcome>,
}

impl Other {
    /// The tries that the loader spent on it, if that is all that ever came of it.
    ///
    /// An entry that lost its tries without being tried was taken out on purpose. One that stage 1
    /// never counted did not get that far: its kernel panicked or hung.
    pub fn crashed(&self) -> Option<u32> {
        let counter = self.entry.counter?;
        let silent = matches!(self.outcome, None | Some(Outcome::Pending));
        (counter.left == 0 && counter.done > 0 && silent).then_some(counter.done)
    }
}
