//! Calls of the cargo that runs this program.

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc::{Sender, channel},
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};

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

/// Runs cargo and shows what it prints line by line; returns whether it succeeded.
pub fn watch(arguments: &[&str], mut line: impl FnMut(&str)) -> Result<bool> {
    let name = arguments.join(" ");
    eprintln!("xtask: cargo {name}");
    let mut call = command(arguments);
    let mut child = call.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("cargo's output is not piped")?;
    let errors = child
        .stderr
        .take()
        .context("cargo's errors are not piped")?;
    let (sender, lines) = channel();
    let (first, second) = (sender.clone(), sender);
    let readers = [
        thread::spawn(move || forward(output, Stream::Output, &first)),
        thread::spawn(move || forward(errors, Stream::Errors, &second)),
    ];
    for (stream, text) in lines {
        match stream {
            Stream::Output => println!("{text}"),
            Stream::Errors => eprintln!("{text}"),
        }
        line(&text);
    }
    for reader in readers {
        let read = reader.join().map_err(|_| anyhow!("a reader panicked"))?;
        read.with_context(|| format!("reading the output of `cargo {name}`"))?;
    }
    Ok(child.wait()?.success())
}

/// Where a line was printed.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Output,
    Errors,
}

/// Bytes that are no UTF-8, such as what a kernel prints, are shown as the replacement character.
fn forward(from: impl Read, stream: Stream, to: &Sender<(Stream, String)>) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        // Nobody listens any more only when the caller is gone.
        let _ = to.send((stream, text.trim_end_matches(['\n', '\r']).to_owned()));
        line.clear();
    }
    Ok(())
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
