//! The command line: one verb a file, arguments and printing, no domain logic.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage or definition,
//! 3 lock out of date; `run` adds its outcomes (see [`run`]).

mod build;
mod cache;
mod check;
mod error;
mod image;
mod lock;
mod plan;
mod run;
mod source;
mod tool;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Turns a TOML definition into a versioned, immutable appliance image, and boots it.
#[derive(Debug, Parser)]
#[command(name = "bedplate", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Reports every problem of a definition; reads no network and writes nothing.
    Check(check::Arguments),
    /// Pins every package by digest in `bedplate.lock`.
    Lock(lock::Arguments),
    /// Shows what a build would do, and why.
    Plan(plan::Arguments),
    /// Builds OCI image, verity root, UKI and disk.
    Build(build::Arguments),
    /// Boots the built disk in QEMU and tells how the boot ends.
    Run(Box<run::Arguments>),
    /// Runs a program of the tools root, such as `veritysetup` or `skopeo`.
    Tool(tool::Arguments),
    /// Shows or prunes the store.
    Cache(cache::Arguments),
}

/// Parses the arguments, runs the verb, prints the error chain once.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Lock(arguments) => lock::run(&arguments),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Build(arguments) => build::run(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Tool(arguments) => tool::run(&arguments),
        Verb::Cache(arguments) => cache::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        error::print(&error);
        error::exit_code(&error)
    })
}
