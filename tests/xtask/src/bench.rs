//! `cargo xtask bench`: figures of one run on this machine, as a table.
//!
//! Every figure stands beside the floor or peer that was measured in the same run, because seconds
//! of one machine say nothing on another; the ratio does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::cargo;

/// Which image is measured.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Directory of the image.
    #[arg(default_value = "images/hello")]
    image: PathBuf,
    /// Profile.
    #[arg(long, default_value = "min")]
    profile: String,
}

/// One measured row.
#[derive(Debug)]
struct Row {
    what: &'static str,
    took: Duration,
    peer: Option<(&'static str, Duration)>,
}

/// Measures and prints.
///
/// # Errors
/// A command that fails: there is no figure for it.
pub fn run(arguments: &Arguments) -> Result<()> {
    cargo::run(&["build", "--release", "--package", "bedplate", "--locked"])?;
    let warm = Bench::new(arguments, None);
    warm.build().context("filling the store")?;
    let scratch = tempfile::tempdir_in("target")?;
    link_blobs(&warm.blobs()?, &scratch.path().join("blobs"))?;
    let cold = Bench::new(arguments, Some(scratch.path()));
    let build = timed(|| cold.build())?;
    let nothing = timed(|| cold.build())?;
    let copy = timed(|| cold.copy_disk())?;
    let boot = timed(|| cold.boot())?;
    print(&[
        Row {
            what: "build, packages fetched",
            took: build,
            peer: Some(("cp of its disk", copy)),
        },
        Row {
            what: "build again, nothing to do",
            took: nothing,
            peer: Some(("the build", build)),
        },
        Row {
            what: "boot to healthy (QEMU, TCG)",
            took: boot,
            peer: None,
        },
    ]);
    print_upgrades()
}

/// What upgrades cost: measured by the tests' machines, which follow one through its reboots.
fn print_upgrades() -> Result<()> {
    let program = ["--package", "bedplate-tests", "--bin", "upgrade-figures"];
    let run = [&["run", "--release", "--locked"], program.as_slice()].concat();
    let lines = String::from_utf8(cargo::output(&run)?)?;
    for line in lines.lines() {
        let mut words = line.split('\t');
        let mut next = || words.next().unwrap_or_default();
        println!("{:<32} {:>9}  {}", next(), next(), next());
    }
    Ok(())
}

struct Bench<'a> {
    arguments: &'a Arguments,
    store: Option<&'a Path>,
}

impl<'a> Bench<'a> {
    fn new(arguments: &'a Arguments, store: Option<&'a Path>) -> Self {
        Self { arguments, store }
    }

    fn bedplate(&self, verb: &str) -> Command {
        let mut command = Command::new("target/release/bedplate");
        command
            .arg(verb)
            .arg(&self.arguments.image)
            .args(["--profile", &self.arguments.profile]);
        if let Some(store) = self.store {
            command.env("BEDPLATE_STORE", store);
        }
        command
    }

    fn build(&self) -> Result<()> {
        succeed(self.bedplate("build").stdout(Stdio::null()))
    }

    fn boot(&self) -> Result<()> {
        let until = [
            "--until",
            "healthy",
            "--timeout",
            "900",
            "--story",
            "--accelerator",
            "tcg",
        ];
        succeed(self.bedplate("run").args(until))
    }

    fn blobs(&self) -> Result<PathBuf> {
        let output = Command::new("target/release/bedplate")
            .args(["cache", "path"])
            .output()?;
        ensure!(
            output.status.success(),
            "`bedplate cache path` ended with {}",
            output.status
        );
        Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()).join("blobs"))
    }

    /// The least that any builder must do: put the bytes of the disk into place.
    fn copy_disk(&self) -> Result<()> {
        let output = self.bedplate("build").args(["--print", "disk"]).output()?;
        ensure!(
            output.status.success(),
            "`bedplate build --print disk` ended with {}",
            output.status
        );
        let disk = String::from_utf8(output.stdout)?;
        let copy = tempfile::NamedTempFile::new_in("target")?;
        succeed(
            Command::new("cp")
                .arg("--sparse=always")
                .arg(disk.trim())
                .arg(copy.path()),
        )
    }
}

fn link_blobs(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading `{}`", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        // Another file system cannot link.
        if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn print(rows: &[Row]) {
    println!("{:<32} {:>9}  {:>8}  against", "what", "seconds", "ratio");
    for Row { what, took, peer } in rows {
        let seconds = took.as_secs_f64();
        match peer {
            Some((name, other)) => {
                let ratio = seconds / other.as_secs_f64();
                println!(
                    "{what:<32} {seconds:>9.2}  {ratio:>8.3}  {name} ({:.2} s)",
                    other.as_secs_f64()
                );
            }
            None => println!("{what:<32} {seconds:>9.2}"),
        }
    }
}
