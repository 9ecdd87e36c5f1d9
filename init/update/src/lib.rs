//! `bedplatectl`: what an operator asks of a running appliance, and its updater.
//!
//! Most verbs are one request to PID 1 and one reply, printed for a person or, with `--json`, as it
//! came. `upgrade` is done here, for it speaks TLS: source → offer → admission → stage. It writes the
//! inactive slot and the ESP; what boots and what is kept is PID 1's to decide.

#![forbid(unsafe_code)]

pub mod admission;
pub mod cli;
pub mod client;
pub mod offer;
pub mod outcome;
pub mod progress;
pub mod render;
pub mod resolver;
pub mod source;
pub mod stage;
pub mod upgrade;

#[cfg(test)]
mod sample;

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use bedplate_contract::control::{Reply, Request, UpgradeStep};

use crate::{
    cli::{Cli, Task},
    client::Answer,
    outcome::Outcome,
    upgrade::{Machine, Order},
};

/// Does what the command line says.
///
/// # Errors
/// What is to be told on standard error.
pub fn run(cli: &Cli) -> Result<Outcome> {
    match cli.verb.task() {
        Task::Ask(request) => ask(cli, &request),
        Task::Upgrade(order) => upgrade(cli, &order),
    }
}

fn ask(cli: &Cli, request: &Request) -> Result<Outcome> {
    let mut connection = client::connect(&cli.socket)?;
    let answer = client::exchange(&mut connection, request)?;
    if cli.json {
        print(&format!("{}\n", answer.line))?;
    } else {
        print(&text(cli, &answer)?)?;
    }
    Ok(outcome::of(&cli.verb, &answer.reply))
}

fn upgrade(cli: &Cli, order: &Order) -> Result<Outcome> {
    let machine = Machine::at(&cli.socket);
    let report = upgrade::run(order, &machine, &mut io::stderr())?;
    print(&if cli.json {
        report.json()
    } else {
        report.text()
    })?;
    if matches!(order.step, UpgradeStep::All | UpgradeStep::Apply) {
        upgrade::reboot(&machine)?;
    }
    Ok(Outcome::Done)
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
