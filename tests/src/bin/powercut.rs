//! The long version of the power-cut test; `cargo xtask powercut` runs it.

use std::process::ExitCode;

use anyhow::Result;
use bedplate_tests::powercut::{Options, Recording, sweep};
use clap::Parser;

/// Cuts the power at every recorded write of real machines, and judges what is left.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask powercut")]
struct Arguments {
    /// Of the long writes, which hold content, judge every so many; short ones are judged all.
    #[arg(long, default_value_t = 1, value_name = "N")]
    every: usize,
    /// Boot so many disks of each record for real.
    #[arg(long, default_value_t = 10, value_name = "N")]
    boots: usize,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let options = Options {
        every: arguments.every,
        boots: arguments.boots,
    };
    let mut failures = 0;
    for (what, recording) in [
        ("first boot", first_boot as fn() -> Result<Recording>),
        ("upgrade, blessing, bad upgrade, way back", upgrade),
    ] {
        eprintln!("powercut: recording {what}");
        let tally = sweep(&recording()?, options)?;
        println!("{what}\n{tally}");
        failures += tally.failures.len();
    }
    Ok(match failures {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn first_boot() -> Result<Recording> {
    Recording::first_boot("tests/images/lab")
}

fn upgrade() -> Result<Recording> {
    Recording::upgrade(true)
}
