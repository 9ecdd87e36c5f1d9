//! `bedplatectl`: what an operator asks of a running appliance.
//!
//! One request to PID 1, one reply, printed for a person or, with `--json`, as it came. All
//! decisions are PID 1's; this program holds no state and changes nothing by itself.

#![forbid(unsafe_code)]

mod cli;
mod client;
mod outcome;
mod render;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use bedplate_contract::control::Reply;
use clap::Parser;

use crate::{cli::Cli, client::Answer, outcome::Outcome};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            complain(&error);
            Outcome::Failed.into()
        }
    }
}

fn run(cli: &Cli) -> Result<Outcome> {
    let mut connection = client::connect(&cli.socket)?;
    let answer = client::exchange(&mut connection, &cli.verb.request())?;
    if cli.json {
        print(&format!("{}\n", answer.line))?;
    } else {
        print(&text(cli, &answer)?)?;
    }
    Ok(outcome::of(&cli.verb, &answer.reply))
}

fn text(cli: &Cli, answer: &Answer) -> Result<String> {
    if let Reply::Refused { reason } = &answer.reply {
        bail!("init refused: {}", render::text::printable(reason));
    }
    render::reply(&cli.verb, &answer.reply)
        .context("init answered another question than was asked: is `bedplatectl` of this image?")
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `bedplatectl logs … | head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

fn complain(error: &anyhow::Error) {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    // The exit status still tells when standard error is gone.
    let _ = io::stderr().write_all(text.as_bytes());
}
