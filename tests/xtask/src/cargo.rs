//! Calls of the cargo that runs this program.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// A call of cargo in the workspace.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments);
    command
}

/// Runs cargo; its output goes to the terminal.
pub fn run(arguments: &[&str]) -> Result<()> {
    let line = arguments.join(" ");
    eprintln!("xtask: cargo {line}");
    let status = command(arguments)
        .status()
        .with_context(|| format!("starting `cargo {line}`"))?;
    ensure!(status.success(), "`cargo {line}` ended with {status}");
    Ok(())
}

/// Runs cargo and shows its standard output line by line; returns whether it succeeded.
pub fn watch(arguments: &[&str], mut line: impl FnMut(&str)) -> Result<bool> {
    let name = arguments.join(" ");
    eprintln!("xtask: cargo {name}");
    let mut child = command(arguments).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("cargo's output is not piped")?;
    for text in BufReader::new(output).lines() {
        let text = text.with_context(|| format!("reading the output of `cargo {name}`"))?;
        println!("{text}");
        line(&text);
    }
    Ok(child.wait()?.success())
}

/// Standard output of a cargo call that must succeed.
pub fn output(arguments: &[&str]) -> Result<Vec<u8>> {
    let name = arguments.join(" ");
    let output = command(arguments).stderr(Stdio::inherit()).output()?;
    ensure!(
        output.status.success(),
        "`cargo {name}` ended with {}",
        output.status
    );
    Ok(output.stdout)
}
