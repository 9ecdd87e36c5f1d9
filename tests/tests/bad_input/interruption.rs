//! Builds that are ended from outside, at several stages, and the good one that follows.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::case::{BUILD, Case, fresh_store, good};

/// How long the processes of a dead build may take to die.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who gets the signal.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// Every process, as with Ctrl-C in a terminal.
    Group,
    /// The builder alone.
    Builder,
}

#[test]
fn after_an_interruption_a_build_is_as_any_other() -> Result<()> {
    let store = fresh_store()?;
    let case = Case::locked()?.with_store(store.path());
    // Each goes on from where the one before came.
    for (stage, signal, target) in [
        ("fetch", Signal::INT, Target::Group),
        ("fetch", Signal::KILL, Target::Builder),
        ("tools", Signal::INT, Target::Group),
        ("layers", Signal::KILL, Target::Builder),
        ("image", Signal::INT, Target::Group),
        ("image", Signal::KILL, Target::Builder),
    ] {
        interrupt(&case, stage, signal, target)
            .with_context(|| format!("{signal:?} to {target:?} after {stage}"))?;
        case.untouched()?;
        gone(store.path())?;
    }
    assert_eq!(case.build()?, good()?.document);
    assert_eq!(fs::read_dir(store.path().join("tmp"))?.count(), 0);
    Ok(())
}

/// Starts a build, and ends it by `signal` as soon as it says that `stage` is done.
fn interrupt(case: &Case, stage: &str, signal: Signal, target: Target) -> Result<()> {
    let mut child = interruptible(&case.command(&BUILD)?)
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stderr = BufReader::new(child.stderr.take().context("stderr")?);
    let said = read_until(&mut stderr, stage)?;
    let group = id(&child)?;
    match target {
        Target::Group => kill_process_group(group, signal)?,
        Target::Builder => kill_process(group, signal)?,
    }
    let mut rest = String::new();
    stderr.read_to_string(&mut rest)?;
    let status = child.wait()?;
    ensure!(status.code().is_none(), "ended with {status}: {said}{rest}");
    Ok(())
}

/// The same command with the default effect of `SIGINT`: a shell that starts tests in the
/// background makes all of them ignore it (env(1), coreutils 8.31).
fn interruptible(command: &Command) -> Command {
    let mut wrapped = Command::new("env");
    wrapped
        .arg("--default-signal=INT")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        wrapped.current_dir(directory);
    }
    wrapped
}

fn id(child: &Child) -> Result<Pid> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.context("a process id")
}

/// Reads lines up to one that ends with `stage`.
fn read_until(stderr: &mut impl BufRead, stage: &str) -> Result<String> {
    let mut said = String::new();
    loop {
        let start = said.len();
        ensure!(stderr.read_line(&mut said)? > 0, "no {stage}: {said}");
        if said[start..].trim_end().ends_with(stage) {
            return Ok(said);
        }
    }
}

/// Waits until no process has the store mounted or in use.
fn gone(store: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while let Some(process) = user_of(store)? {
        ensure!(Instant::now() < deadline, "{process} still uses the store");
        std::thread::yield_now();
    }
    Ok(())
}

/// A process whose mounts or command line name the store.
fn user_of(store: &Path) -> Result<Option<String>> {
    let store = store.to_str().context("a path in UTF-8")?;
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        let names = |file: &str| {
            // A process that is gone meanwhile uses nothing.
            let text = fs::read(process.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(store)
        };
        if names("mountinfo") || names("cmdline") {
            return Ok(Some(process.display().to_string()));
        }
    }
    Ok(None)
}
