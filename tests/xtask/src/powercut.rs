//! `cargo xtask powercut`: the long version of the power-cut test.

use anyhow::Result;

use crate::cargo;

/// How thorough it is.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Of the long writes, which hold content, judge every so many; short ones are judged all.
    #[arg(long, default_value_t = 1, value_name = "N")]
    every: usize,
    /// Boot so many disks of each record for real.
    #[arg(long, default_value_t = 10, value_name = "N")]
    boots: usize,
}

/// Records real machines, cuts the power at every write, and prints a table.
///
/// # Errors
/// A cut that leaves a disk which does not boot a blessed version; or no record could be made.
pub fn run(arguments: &Arguments) -> Result<()> {
    let [every, boots] = [arguments.every, arguments.boots].map(|count| count.to_string());
    cargo::run(&[
        "run",
        "--release",
        "--package",
        "bedplate-tests",
        "--bin",
        "powercut",
        "--locked",
        "--",
        "--every",
        &every,
        "--boots",
        &boots,
    ])
}
