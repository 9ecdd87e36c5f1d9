//! Arguments, and the request that each verb stands for.

use std::path::PathBuf;

use bedplate_contract::{
    backup::BackupStep,
    control::{Request, UpgradeStep},
    layout,
    service::SIGNALS,
};
use clap::{Parser, Subcommand, builder::PossibleValuesParser, value_parser};

use crate::{admission::Quarantine, archive::Errand, upgrade::Order};

const EXIT_STATUS: &str = "\
Exit status:
  0  done; for `status`: healthy
  1  failed or refused
  2  wrong usage
  4  `status`: degraded, the gate failed and nothing else can boot
  5  `status`: starting, gating or stopping";

/// Asks and commands the init of this appliance.
#[derive(Debug, Parser)]
#[command(name = "bedplatectl", version, about, after_help = EXIT_STATUS)]
pub struct Cli {
    /// Print one line of JSON: the reply of init as it came, or what an upgrade did.
    #[arg(long, global = true)]
    pub json: bool,
    /// Control socket of init.
    #[arg(long, global = true, value_name = "PATH", default_value = layout::CONTROL_SOCKET)]
    pub socket: PathBuf,
    /// Document of the image.
    #[arg(long, global = true, hide = true, value_name = "PATH", default_value = layout::APPLIANCE)]
    pub appliance: PathBuf,
    /// What is asked.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Show slots, boot state, quarantine, services and boot phases.
    Status,
    /// Show how past boots went, newest first.
    Report,
    /// Show the last lines that a service wrote.
    Logs {
        /// Name of the service.
        service: String,
        /// How many lines, 1 to 1000.
        #[arg(short = 'n', value_name = "LINES", default_value_t = 100)]
        #[arg(value_parser = value_parser!(u32).range(1..=1000))]
        lines: u32,
    },
    /// Show the services alone; with `--json` the reply to `status`.
    Services,
    /// Stop a service and start it again.
    Restart {
        /// Name of the service.
        service: String,
    },
    /// Stop a service; it stays stopped until it is started or the machine boots.
    Stop {
        /// Name of the service.
        service: String,
    },
    /// Start a service that was stopped or has failed.
    Start {
        /// Name of the service.
        service: String,
    },
    /// Send a signal to the process of a service.
    Signal {
        /// Name of the service.
        service: String,
        /// Name of the signal.
        #[arg(value_parser = PossibleValuesParser::new(SIGNALS.map(|(name, _)| name)))]
        signal: String,
    },
    /// Run a scheduled service or a oneshot now, and wait for its end.
    Run {
        /// Name of the service.
        service: String,
    },
    /// Make, list, verify and restore archives.
    #[command(subcommand)]
    Backup(Backup),
    /// Do the work of a backup; what its service runs.
    #[command(hide = true)]
    Archive {
        /// Name of the backup.
        backup: String,
        /// What is done.
        #[arg(value_parser = step, default_value = "create")]
        step: BackupStep,
        /// Name of the archive; by default the newest.
        archive: Option<String>,
    },
    /// Write a bundle to the inactive slot and reboot into it.
    ///
    /// The bundle is checked before a byte is written: signatures, image and profile, version,
    /// expiry, quarantine, room. Cut short, it goes on where it ended when it is run again.
    Upgrade(Upgrade),
    /// Go back to the other version: it was blessed before this one.
    Rollback,
    /// Stop all services in order and power off.
    Poweroff,
    /// Stop all services in order and reboot.
    Reboot,
}

/// What is done with backups.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Backup {
    /// Make an archive now, of one backup or of each.
    Create {
        /// Name of the backup.
        name: Option<String>,
    },
    /// Show the archives of one backup or of each, oldest first.
    List {
        /// Name of the backup.
        name: Option<String>,
    },
    /// Read an archive against its digest, and let the backup's own command look at it.
    Verify {
        /// Name of the backup; by default each.
        name: Option<String>,
        /// Name of the archive; by default the newest.
        archive: Option<String>,
    },
    /// Verify an archive, then put its content back in place of what is there.
    ///
    /// Services that the backup `stops` are stopped meanwhile, and started again after it.
    Restore {
        /// Name of the backup; by default the only one.
        name: Option<String>,
        /// Name of the archive; by default the newest.
        archive: Option<String>,
    },
}

fn step(word: &str) -> Result<BackupStep, String> {
    let steps = [BackupStep::Create, BackupStep::Verify, BackupStep::Restore];
    let found = steps.into_iter().find(|step| step.word() == word);
    found.ok_or_else(|| "expected `create`, `verify` or `restore`".to_owned())
}

/// Arguments of `upgrade`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Upgrade {
    /// Directory, tar file, block device or http(s) URL of a layout; by default what the image was
    /// built with.
    pub source: Option<String>,
    /// Write the bundle, do not reboot: the next boot tries it.
    #[arg(long, conflicts_with_all = ["apply", "cancel"])]
    pub stage: bool,
    /// Reboot into what is staged.
    #[arg(long, conflicts_with_all = ["source", "cancel", "force"])]
    pub apply: bool,
    /// Take back what is staged or half written.
    #[arg(long, conflicts_with_all = ["source", "force"])]
    pub cancel: bool,
    /// Take a version too that failed on this machine.
    #[arg(long)]
    pub force: bool,
}

/// What a verb leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// One request to init.
    Ask(Request),
    /// A request that is answered when what it asks for has ended.
    Await(Request),
    /// Requests of backups, or the list of their archives.
    Backup(Backup),
    /// A step of a backup, done by this program.
    Archive(Errand),
    /// An upgrade, done by this program.
    Upgrade(Order),
}

impl Upgrade {
    fn order(&self) -> Order {
        let step = match (self.stage, self.apply, self.cancel) {
            (true, ..) => UpgradeStep::Stage,
            (_, true, _) => UpgradeStep::Apply,
            (.., true) => UpgradeStep::Cancel,
            _ => UpgradeStep::All,
        };
        let quarantine = match self.force {
            true => Quarantine::Forced,
            false => Quarantine::Holds,
        };
        Order {
            source: self.source.clone(),
            step,
            quarantine,
        }
    }
}

impl Verb {
    /// What it leads to.
    pub fn task(&self) -> Task {
        Task::Ask(match self {
            Self::Upgrade(upgrade) => return Task::Upgrade(upgrade.order()),
            Self::Run { service } => {
                let service = service.clone();
                return Task::Await(Request::Run { service });
            }
            Self::Backup(backup) => return Task::Backup(backup.clone()),
            Self::Archive {
                backup,
                step,
                archive,
            } => {
                return Task::Archive(Errand {
                    backup: backup.clone(),
                    step: *step,
                    archive: archive.clone(),
                });
            }
            Self::Rollback => Request::Rollback,
            Self::Status | Self::Services => Request::Status,
            Self::Report => Request::Report,
            Self::Logs { service, lines } => Request::Logs {
                service: service.clone(),
                lines: *lines,
            },
            Self::Restart { service } => Request::Restart {
                service: service.clone(),
            },
            Self::Stop { service } => Request::Stop {
                service: service.clone(),
            },
            Self::Start { service } => Request::Start {
                service: service.clone(),
            },
            Self::Signal { service, signal } => Request::Signal {
                service: service.clone(),
                signal: number(signal),
            },
            Self::Poweroff => Request::Poweroff,
            Self::Reboot => Request::Reboot,
        })
    }
}

/// The number of a signal that clap has found in the list; 0, which no process feels, for another.
fn number(signal: &str) -> i32 {
    let found = SIGNALS.iter().find(|(name, _)| *name == signal);
    found.map_or(0, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_verb() {
        for line in ["--json --socket /s status", "status --socket /s --json"] {
            let words = ["bedplatectl"].into_iter().chain(line.split(' '));
            let cli = Cli::try_parse_from(words).unwrap();
            assert!(cli.json);
            assert_eq!(cli.socket, PathBuf::from("/s"));
            assert_eq!(cli.verb, Verb::Status);
        }
    }

    #[test]
    fn an_upgrade_goes_as_far_as_is_said() {
        for (line, step, source) in [
            ("upgrade", UpgradeStep::All, None),
            ("upgrade /mnt", UpgradeStep::All, Some("/mnt")),
            (
                "upgrade --stage http://h/a",
                UpgradeStep::Stage,
                Some("http://h/a"),
            ),
            ("upgrade --apply", UpgradeStep::Apply, None),
            ("upgrade --cancel", UpgradeStep::Cancel, None),
        ] {
            let cli = Cli::try_parse_from(["bedplatectl"].into_iter().chain(line.split(' ')));
            let expected = Order {
                source: source.map(str::to_owned),
                step,
                quarantine: Quarantine::Holds,
            };
            assert_eq!(cli.unwrap().verb.task(), Task::Upgrade(expected));
        }
        let forced = Cli::try_parse_from(["bedplatectl", "upgrade", "--force"]).unwrap();
        let Task::Upgrade(order) = forced.verb.task() else {
            panic!("an upgrade");
        };
        assert_eq!(order.quarantine, Quarantine::Forced);
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            "",
            "logs",
            "logs a -n 0",
            "logs a -n 1001",
            "restart",
            "signal a",
            "run",
            "backup",
            "backup restore a b c",
            "backup create a b",
            "archive",
            "archive a destroy",
            "signal a SIGFPE",
            "halt",
            "rollback 1.0",
            "upgrade a b",
            "upgrade --stage --apply",
            "upgrade --apply --cancel",
            "upgrade --apply a",
            "upgrade --cancel a",
            "upgrade --cancel --force",
        ] {
            let words = ["bedplatectl"]
                .into_iter()
                .chain(line.split_terminator(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
