//! Figures of upgrades as lines `what<TAB>figure<TAB>against`; `cargo xtask bench` runs it.

use anyhow::Result;
use bedplate_tests::figures;

fn main() -> Result<()> {
    let native = figures::native(&*figures::large()?)?;
    let mb = native.bytes as f64 / 1e6;
    println!(
        "stage justnews to files\t{:.2} s\t{:.0} MB/s, {:.2} of dd conv=fsync ({:.2} s, {mb:.0} MB)",
        native.staging,
        mb / native.staging,
        native.staging / native.copy,
        native.copy,
    );
    let figures::Figures { staging, rescue } = figures::measure()?;
    println!(
        "stage 1.0.1 of lab in the VM\t{:.1} s\t{:.1} MB/s",
        staging.seconds, staging.mb_per_s
    );
    println!(
        "updater's peak memory\t{:.1} MiB\tat most 64 MiB",
        staging.peak_mib
    );
    println!(
        "bad upgrade to service restored\t{:.1} s\t{} reboots, 45 s of them the gate's deadline",
        rescue.seconds, rescue.reboots
    );
    Ok(())
}
