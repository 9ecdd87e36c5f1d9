//! All tests, with the counts on the last line.

mod counts;
mod load;

use std::{env, path::Path};

use anyhow::{Result, bail, ensure};

use self::{counts::Counts, load::Load};
use crate::{
    cargo,
    watch::{Touched, Watch},
};

/// Reasons for which CI may skip a test: what its machines do not have, and what no package brings.
const ALLOWED: [&str; 1] = ["no NVIDIA GPU"];

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Runs everything so often, one after another.
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// Loops that keep cores busy meanwhile: what only passes on a quiet machine is found so.
    #[arg(long, default_value_t = 0)]
    busy: u32,
}

/// Runs the tests as `arguments` ask for.
///
/// # Errors
/// As [`run_once`], of all runs together.
pub fn run(arguments: &Arguments) -> Result<()> {
    let load = Load::start(arguments.busy);
    let runs = (0..arguments.times).map(|_| run_once());
    let failed: Vec<_> = runs.filter_map(Result::err).collect();
    drop(load);
    match failed.first() {
        None => Ok(()),
        Some(first) => bail!("{} of {} runs: {first:#}", failed.len(), arguments.times),
    }
}

/// Runs every test of the workspace; VM tests are part of it.
///
/// # Errors
/// A test failed, or none ran, or a file of somebody else's was lost; in CI also a test that was
/// skipped without a reason that counts.
fn run_once() -> Result<()> {
    let ci = env::var_os("CI").is_some();
    let watch = Watch::usual()?;
    let (mut counts, mut touched) = (Counts::default(), Touched::default());
    let mut watched = Ok(());
    let arguments = ["test", "--workspace", "--locked", "--no-fail-fast"];
    let succeeded = cargo::watch(&arguments, |line| {
        counts.add(line);
        let drained = watch.drain(&mut touched);
        watched = std::mem::replace(&mut watched, Ok(())).and(drained);
    })?;
    watched?;
    watch.drain(&mut touched)?;
    tell(&counts, &touched);
    println!("{counts}");
    ensure!(succeeded && counts.failed == 0, "tests failed");
    ensure!(counts.passed > 0, "no test ran");
    ensure!(
        !touched.harmed.iter().any(|path| is_lost(path)),
        "a test touched what is not its own"
    );
    let unasked = counts.skipped_but(&ALLOWED).count();
    ensure!(!ci || unasked == 0, "{unasked} skipped tests in CI");
    Ok(())
}

/// Whether what happened to a file that was there before can only be the suite's doing. In `/tmp` and
/// at home other programs come and go meanwhile: there it is told and left to a person.
fn is_lost(path: &Path) -> bool {
    path.starts_with("/var/tmp")
}

fn tell(counts: &Counts, touched: &Touched) {
    for reason in &counts.skips {
        println!("skipped: {reason}");
    }
    for path in &touched.harmed {
        println!("changed meanwhile: {}", path.display());
    }
    for path in &touched.made {
        println!("made meanwhile: {}", path.display());
    }
}
