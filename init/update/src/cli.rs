//! Arguments, and the request that each verb stands for.

use std::path::PathBuf;

use bedplate_contract::{control::Request, layout};
use clap::{Parser, Subcommand, value_parser};

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
    /// Print the reply of init as it came: one line of JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Control socket of init.
    #[arg(long, global = true, value_name = "PATH", default_value = layout::CONTROL_SOCKET)]
    pub socket: PathBuf,
    /// What is asked.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Show slot, boot state, services and boot phases.
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
    /// Stop all services in order and power off.
    Poweroff,
    /// Stop all services in order and reboot.
    Reboot,
}

impl Verb {
    /// The request that goes to init.
    pub fn request(&self) -> Request {
        match self {
            Self::Status | Self::Services => Request::Status,
            Self::Report => Request::Report,
            Self::Logs { service, lines } => Request::Logs {
                service: service.clone(),
                lines: *lines,
            },
            Self::Restart { service } => Request::Restart {
                service: service.clone(),
            },
            Self::Poweroff => Request::Poweroff,
            Self::Reboot => Request::Reboot,
        }
    }
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
    fn wrong_usage_is_refused() {
        for line in [
            "",
            "logs",
            "logs a -n 0",
            "logs a -n 1001",
            "restart",
            "halt",
        ] {
            let words = ["bedplatectl"]
                .into_iter()
                .chain(line.split_terminator(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
