//! What `init` is to do: the only output of [`super::decide`].

use bedplate_contract::{
    control::{Reply, ServiceStatus},
    event,
    meta::Outcome,
};

use super::{How, Order, Other, ProbeKind, ServiceId};

/// One effect on the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make the process; answered by `Started` or `StartFailed`.
    Start {
        /// Whose.
        service: ServiceId,
        /// Number of this run, counted from 1.
        run: u32,
        /// Added to the program's arguments.
        arguments: Vec<String>,
    },
    /// Send a signal to the process.
    Signal {
        /// Whose.
        service: ServiceId,
        /// Number of the signal.
        signal: i32,
    },
    /// Kill every process that the service ever made.
    Kill {
        /// Whose.
        service: ServiceId,
    },
    /// `POST` to the stop endpoint; answered by `StopPosted`.
    PostStop {
        /// Whose.
        service: ServiceId,
        /// The run that is asked.
        run: u32,
    },
    /// Run one check; answered by `Probed`.
    Probe {
        /// Whose.
        service: ServiceId,
        /// The run that is asked.
        run: u32,
        /// Which probe.
        probe: ProbeKind,
    },
    /// Ask for a condition; answered by `Awaited`.
    Await {
        /// Who waits for it.
        service: ServiceId,
        /// The run that is to begin.
        run: u32,
        /// Its place among the service's.
        condition: usize,
    },
    /// End the checks in flight; none of them answers any more.
    CancelProbes {
        /// Whose.
        service: ServiceId,
    },
    /// Tell it on the console.
    Emit(event::Event),
    /// Drop the counter of the entry; answered by `Blessed`.
    Bless,
    /// Take the tries of the entry away; answered by `MarkedBad`.
    MarkBad,
    /// Read the other slot against its hash tree; answered by `OtherChecked`.
    CheckOther,
    /// Kill the check of the other slot, whose answer is not waited for any more.
    KillCheck,
    /// Take the tries of the other version's entry away; answered by `OtherMarkedBad`.
    MarkOtherBad,
    /// Keep a report, then note the outcome in the record.
    Report(Verdict),
    /// Run the upgrade; answered by `UpgradeEnded`.
    Upgrade(Order),
    /// Kill the upgrade; answered by `UpgradeEnded`.
    KillUpgrade,
    /// Look at the wall clock; answered by `Clock`.
    ReadClock,
    /// Answer an operator whose run has ended, with its last lines.
    Ran {
        /// What ran.
        service: ServiceId,
        /// Who waits.
        client: u64,
        /// Whether it did what it was to do.
        good: bool,
        /// How it ended, in words.
        result: String,
    },
    /// Answer an operator.
    Reply {
        /// Who waits.
        client: u64,
        /// The answer.
        reply: Reply,
    },
    /// Unmount, sync and go; every service has ended.
    End(How),
}

/// How a boot went, for the report and the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whose boot.
    pub subject: Subject,
    /// How it went.
    pub outcome: Outcome,
    /// Why, when it is a bad one.
    pub reason: Option<String>,
    /// Services that were not ready.
    pub services: Vec<ServiceStatus>,
    /// Whether the version is not taken again; noted with the outcome, in one write.
    pub quarantine: bool,
}

/// Whose boot a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// This one.
    Own,
    /// The last one of the version in the other slot.
    Other(Other),
}
