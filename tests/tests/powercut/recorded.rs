//! The short version of `cargo xtask powercut`.

use anyhow::{Result, ensure};
use bedplate_tests::powercut::{Options, Recording, sweep};

/// Short writes are judged all, and of long ones, which hold content, a part; three disks boot.
const SHORT: Options = Options { every: 8, boots: 3 };

#[test]
fn every_cut_of_an_upgrade_and_its_blessing_boots_a_blessed_version() -> Result<()> {
    check(&Recording::upgrade(false)?, SHORT)
}

#[test]
fn every_cut_of_a_first_boot_boots() -> Result<()> {
    let recording = Recording::first_boot("tests/images/lab")?;
    check(&recording, Options { boots: 1, ..SHORT })
}

fn check(recording: &Recording, options: Options) -> Result<()> {
    let tally = sweep(recording, options)?;
    println!("{tally}");
    ensure!(tally.failures.is_empty(), "{tally}");
    ensure!(
        tally.judged > 10 && tally.booted >= options.boots,
        "{tally}"
    );
    Ok(())
}
