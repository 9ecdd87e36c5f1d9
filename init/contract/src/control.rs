//! The control protocol: one JSON request per line, one JSON reply per line.
//!
//! Spoken on the unix socket [`crate::layout::CONTROL_SOCKET`] and, where a hypervisor gives one,
//! on the virtio-serial port [`crate::layout::CONTROL_PORT`].

use serde::{Deserialize, Serialize};

use crate::{Cron, Digest, backup::BackupStep, meta::Quarantined, utc::Time};

/// Longest request line in bytes; a longer one is refused and the connection closed.
pub const MAX_REQUEST: usize = 4096;

/// Most lines of a [`Reply::Ran`].
pub const RAN_LINES: u32 = 20;

/// What is asked of PID 1.
///
/// A key that a request does not have is refused where the request has keys at all; requests that
/// are a word alone ignore others (serde does not look at them).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The state of everything.
    Status,
    /// The boot reports that the meta partition holds, newest first.
    Report,
    /// The last lines of a service's output.
    Logs {
        /// Service name.
        service: String,
        /// Lines wanted; at most 1000.
        lines: u32,
    },
    /// Stops and starts a service.
    Restart {
        /// Service name.
        service: String,
    },
    /// Stops a service, which then stays so until it is started or the machine boots.
    Stop {
        /// Service name.
        service: String,
    },
    /// Starts a service that was stopped or has failed.
    Start {
        /// Service name.
        service: String,
    },
    /// Sends a signal to a service's process.
    Signal {
        /// Service name.
        service: String,
        /// Number, one of [`crate::service::SIGNALS`].
        signal: i32,
    },
    /// Runs a scheduled service or a oneshot now; answered by [`Reply::Ran`] when it has ended, or
    /// refused: there is none, it runs already, or something it requires is not ready.
    Run {
        /// Service name.
        service: String,
    },
    /// Runs one step of a backup; answered as [`Request::Run`].
    Backup {
        /// Backup name.
        backup: String,
        /// What is done.
        step: BackupStep,
        /// Name of the archive that is verified or restored; absent: the newest.
        archive: Option<String>,
    },
    /// Stops everything in order and powers off.
    Poweroff,
    /// Stops everything in order and reboots.
    Reboot,
    /// Runs `bedplatectl upgrade`; answered when that has ended: done, or refused with its words.
    Upgrade {
        /// Directory, file or URL as the machine sees it; absent: the image's own source.
        source: Option<String>,
        /// What is done.
        step: UpgradeStep,
        /// Takes a quarantined version too.
        force: bool,
    },
    /// Takes the tries of the running version away and reboots into the other, blessed one.
    Rollback,
    /// Reads again what slots and entries hold, after whoever wrote them.
    Rescan,
    /// Takes a version out of quarantine.
    Forgive {
        /// Root hash.
        root: Digest,
    },
}

/// What an upgrade does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeStep {
    /// Stages the bundle and reboots into it.
    All,
    /// Writes the bundle to the inactive slot; the next boot tries it.
    Stage,
    /// Reboots into what is staged.
    Apply,
    /// Takes back what is staged or half written.
    Cancel,
}

/// What PID 1 answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Report`].
    Reports {
        /// Newest first.
        reports: Vec<BootReport>,
    },
    /// To [`Request::Logs`].
    Logs {
        /// Oldest first.
        lines: Vec<String>,
    },
    /// To [`Request::Run`] and [`Request::Backup`]: it has ended.
    Ran {
        /// Whether it did what it was to do.
        good: bool,
        /// How it ended, in words.
        result: String,
        /// The last lines that it printed, oldest first; at most [`RAN_LINES`].
        lines: Vec<String>,
    },
    /// The request was taken.
    Done,
    /// The request was not taken.
    Refused {
        /// Why, in words for the operator.
        reason: String,
    },
}

/// The state of everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Image name.
    pub name: String,
    /// Image version.
    pub version: String,
    /// Profile.
    pub profile: String,
    /// `a` or `b`; absent in a container.
    pub slot: Option<String>,
    /// Loader entry as it is named now; absent in a container.
    pub entry: Option<String>,
    /// Both slots, A first; none in a container.
    #[serde(default)]
    pub slots: Vec<SlotStatus>,
    /// Versions that failed here and are not taken again, the latest last.
    #[serde(default)]
    pub quarantine: Vec<Quarantined>,
    /// Where the boot stands.
    pub boot: BootState,
    /// Why it is not healthy, when it is degraded or failing.
    #[serde(default)]
    pub reason: Option<String>,
    /// Milliseconds since the kernel started.
    pub uptime_ms: u64,
    /// Resident memory of PID 1 in KiB.
    pub init_rss_kib: u64,
    /// IPv4 address with prefix, when there is one.
    pub address: Option<String>,
    /// Broken promises of the hardware, in words.
    pub warnings: Vec<String>,
    /// Every service, in start order.
    pub services: Vec<ServiceStatus>,
    /// Boot phases so far, with milliseconds.
    pub phases: Vec<PhaseTime>,
}

/// Where the boot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootState {
    /// Phases before the services.
    Starting,
    /// Services are started; the gate is pending.
    Gating,
    /// The gate passed and the entry is blessed.
    Healthy,
    /// So it was, but an essential service has given up or was stopped, or the address is gone.
    Failing,
    /// The gate failed and nothing else can boot; what is healthy runs.
    Degraded,
    /// Going down.
    Stopping,
}

/// One slot as it was when it was last looked at: at boot, and after each rescan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// `a` or `b`.
    pub slot: String,
    /// Whether the running root is in it.
    pub active: bool,
    /// Root hash of its tree; absent in an empty slot.
    pub root_hash: Option<Digest>,
    /// Loader entry that starts it; absent: the loader does not know it.
    pub entry: Option<String>,
    /// Version that the entry names.
    pub version: Option<String>,
    /// What the loader makes of it.
    pub state: SlotState,
}

/// What the loader makes of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotState {
    /// No entry starts it.
    Empty,
    /// It has tries left, and the next boot of the newest such version is one of them.
    Trial,
    /// It passed its gate.
    Blessed,
    /// It has no tries left.
    Bad,
}

/// One service as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Name.
    pub name: String,
    /// State in words of section 1: `waiting`, `starting`, `ready`, `unready`, `backoff`, `done`,
    /// `failed`, `stopping`, `stopped`; a scheduled one is `scheduled`, `waiting`, `running`, `backoff`,
    /// `stopping`, `stopped`, or `failed` for good: its process cannot be killed.
    pub state: String,
    /// Whether the gate waits for it.
    pub essential: bool,
    /// Process, when one runs.
    pub pid: Option<u32>,
    /// Restarts since boot.
    pub restarts: u32,
    /// Why it is not ready, when it is not.
    pub because: Option<String>,
    /// Times and last result of a scheduled service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleStatus>,
    /// Its checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckStatus>,
}

/// One check of a service as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// Name.
    pub name: String,
    /// Whether the gate waits until it holds.
    pub gate: bool,
    /// Whether it holds; absent: not known yet.
    pub good: Option<bool>,
    /// Why it does not, when it does not.
    pub because: Option<String>,
}

/// A scheduled service as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// When it runs; absent: only on demand.
    pub cron: Option<Cron>,
    /// When it runs next, by the wall clock.
    pub next: Option<Time>,
    /// How it ran last since boot.
    pub last: Option<LastRun>,
}

/// How a scheduled service ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it ended, by the wall clock as it was then.
    pub ended: Option<Time>,
    /// Milliseconds that its process ran.
    pub ms: u64,
    /// Whether it did what it was to do.
    pub good: bool,
    /// How it ended, in words.
    pub result: String,
}

/// How long one phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// Name of the phase.
    pub phase: String,
    /// Milliseconds.
    pub ms: u64,
    /// What went wrong, when something did.
    pub error: Option<String>,
}

/// How one boot went; kept in the meta partition, outside both slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootReport {
    /// Image version.
    pub version: String,
    /// Entry as it was named when the outcome was known.
    pub entry: String,
    /// Root hash, hex.
    pub root_hash: String,
    /// `blessed`, `gate-failed`, `degraded`, `crashed`, `rolled-back` or `stopped`.
    pub outcome: String,
    /// Why, for a bad outcome: names the services.
    pub reason: Option<String>,
    /// Milliseconds from kernel start to the outcome.
    pub ms: u64,
    /// Services that were not ready, with the reason.
    pub services: Vec<ServiceStatus>,
    /// Phases.
    pub phases: Vec<PhaseTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spelt_as_documented() {
        let service = || "nginx".to_owned();
        for (text, request) in [
            (r#"{"request":"status"}"#, Request::Status),
            (r#"{"request":"report"}"#, Request::Report),
            (
                r#"{"request":"logs","service":"nginx","lines":7}"#,
                Request::Logs {
                    service: service(),
                    lines: 7,
                },
            ),
            (
                r#"{"request":"restart","service":"nginx"}"#,
                Request::Restart { service: service() },
            ),
            (
                r#"{"request":"stop","service":"nginx"}"#,
                Request::Stop { service: service() },
            ),
            (
                r#"{"request":"start","service":"nginx"}"#,
                Request::Start { service: service() },
            ),
            (
                r#"{"request":"signal","service":"nginx","signal":1}"#,
                Request::Signal {
                    service: service(),
                    signal: 1,
                },
            ),
            (
                r#"{"request":"run","service":"nginx"}"#,
                Request::Run { service: service() },
            ),
            (
                r#"{"request":"backup","backup":"nginx","step":"verify","archive":null}"#,
                Request::Backup {
                    backup: service(),
                    step: BackupStep::Verify,
                    archive: None,
                },
            ),
            (r#"{"request":"poweroff"}"#, Request::Poweroff),
            (r#"{"request":"reboot"}"#, Request::Reboot),
            (r#"{"request":"rollback"}"#, Request::Rollback),
            (r#"{"request":"rescan"}"#, Request::Rescan),
            (
                r#"{"request":"upgrade","source":"/dev/vdb","step":"stage","force":false}"#,
                Request::Upgrade {
                    source: Some("/dev/vdb".to_owned()),
                    step: UpgradeStep::Stage,
                    force: false,
                },
            ),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
        }
    }

    #[test]
    fn other_requests_are_refused() {
        for text in [
            "",
            "{}",
            "\"status\"",
            r#"{"request":"halt"}"#,
            r#"{"request":"restart"}"#,
            r#"{"request":"restart","service":1}"#,
            r#"{"request":"restart","service":"a","force":true}"#,
            r#"{"request":"logs","service":"a","lines":-1}"#,
        ] {
            assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_word_alone_ignores_other_keys() {
        let text = r#"{"request":"reboot","force":true}"#;
        assert_eq!(
            serde_json::from_str::<Request>(text).unwrap(),
            Request::Reboot
        );
    }

    /// A `bedplatectl` of an older image reads what a newer init says.
    #[test]
    fn replies_may_have_more_fields() {
        let text = r#"{"reply":"refused","reason":"no","later":1}"#;
        let expected = Reply::Refused {
            reason: "no".to_owned(),
        };
        assert_eq!(serde_json::from_str::<Reply>(text).unwrap(), expected);
    }
}
