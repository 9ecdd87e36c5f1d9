//! Developer commands, run as `cargo xtask <command>`.

mod bench;
mod cargo;
mod fuzz;
mod images;
mod licences;
mod powercut;
mod test;
mod watch;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Bedplate")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that CI runs: check, then all tests; the last line has the counts.
    Test(test::Arguments),
    /// Formatting, lints, documentation and licences.
    Check,
    /// Measures builds and boots and prints a table.
    Bench(bench::Arguments),
    /// Builds every image for every profile, searches for secrets, boots with `--boot`; prints a table.
    Images(images::Arguments),
    /// Feeds every parser of outside bytes what no writer would write.
    Fuzz(fuzz::Arguments),
    /// Cuts the power at every recorded write of real machines, and judges what is left.
    Powercut(powercut::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Test(arguments) => check().and_then(|()| test::run(&arguments)),
        Command::Check => check(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Images(arguments) => images::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Powercut(arguments) => powercut::run(&arguments),
    }
}

fn check() -> Result<()> {
    cargo::run(&["fmt", "--check"])?;
    cargo::run(&["clippy", "--workspace", "--all-targets", "--locked"])?;
    fuzz::check_lock()?;
    licences::check()
}
