//! The command line: one verb a file, arguments and printing, no domain logic.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage or definition,
//! 3 lock out of date; `run` adds its outcomes (see [`run`]).

mod attach;
mod build;
mod cache;
mod check;
mod error;
mod image;
mod key;
mod lock;
mod plan;
mod publish;
mod registry;
mod run;
mod sign;
mod source;
mod tool;
mod verify;

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
    /// Builds OCI image, verity root, UKI, disk and bundle.
    Build(build::Arguments),
    /// Boots the built disk in QEMU and tells how the boot ends.
    Run(Box<run::Arguments>),
    /// Makes keys that sign.
    Key(key::Arguments),
    /// Answers a sign request with a key; needs nothing else of the build.
    Sign(sign::Arguments),
    /// Puts answers to a sign request into the build, without building again.
    Attach(attach::Arguments),
    /// Checks signatures, digests and the root hash of bundles and image.
    Verify(verify::Arguments),
    /// Puts signed bundles into a tree or a file from which hosts upgrade.
    Publish(publish::Arguments),
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
        Verb::Key(arguments) => key::run(&arguments),
        Verb::Sign(arguments) => sign::run(&arguments),
        Verb::Attach(arguments) => attach::run(&arguments),
        Verb::Verify(arguments) => verify::run(&arguments),
        Verb::Publish(arguments) => publish::run(&arguments),
        Verb::Tool(arguments) => tool::run(&arguments),
        Verb::Cache(arguments) => cache::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        error::print(&error);
        error::exit_code(&error)
    })
}
