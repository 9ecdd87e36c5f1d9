//! `bedplatectl`: what an operator asks of a running appliance, and its updater.
//!
//! Most verbs are one request to PID 1 and one reply, printed for a person or, with `--json`, as it
//! came. `upgrade` is done here, for it speaks TLS: source → offer → admission → stage. It writes the
//! inactive slot and the ESP; what boots and what is kept is PID 1's to decide.

#![forbid(unsafe_code)]

pub mod admission;
pub mod archive;
pub mod backup;
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
use bedplate_contract::{
    Appliance,
    backup::BackupStep,
    control::{Reply, Request, UpgradeStep},
};

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
        Task::Await(request) => wait_for(cli, &request),
        Task::Backup(verb) => back_up(cli, &verb),
        Task::Archive(errand) => {
            let appliance = backup::appliance(&cli.appliance)?;
            print(&format!("{}\n", archive::run(&errand, &appliance)?))?;
            Ok(Outcome::Done)
        }
        Task::Upgrade(order) => upgrade(cli, &order),
    }
}

/// As [`ask`], for as long as it takes: a dump of a large database takes an hour.
fn wait_for(cli: &Cli, request: &Request) -> Result<Outcome> {
    let connection = client::connect(&cli.socket)?;
    answered(cli, &client::exchange(&mut connection.patient(), request)?)
}

fn back_up(cli: &Cli, verb: &cli::Backup) -> Result<Outcome> {
    let appliance = backup::appliance(&cli.appliance)?;
    let (step, name, archive) = match verb {
        cli::Backup::List { name } => return list(cli, name.as_deref(), &appliance),
        cli::Backup::Create { name } => (BackupStep::Create, name, &None),
        cli::Backup::Verify { name, archive } => (BackupStep::Verify, name, archive),
        cli::Backup::Restore { name, archive } => (BackupStep::Restore, name, archive),
    };
    let which = (name.as_deref(), archive.as_deref());
    let requests = backup::requests(step, which, &appliance)?;
    // One that fails is no reason not to do the others.
    let outcomes: Vec<_> = requests
        .iter()
        .map(|request| wait_for(cli, request))
        .collect();
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
    let bad = outcomes
        .into_iter()
        .find(|outcome| *outcome != Outcome::Done);
    Ok(bad.unwrap_or(Outcome::Done))
}

fn list(cli: &Cli, name: Option<&str>, appliance: &Appliance) -> Result<Outcome> {
    let backups = backup::chosen(name, appliance)?;
    let (archives, broken) = backup::list(&backups)?;
    if cli.json {
        let text = serde_json::json!({ "archives": archives, "broken": broken });
        print(&format!("{text}\n"))?;
    } else {
        print(&backup::render(&archives))?;
        for reason in broken {
            // The list tells what can be restored, whoever reads of the rest.
            let _ = writeln!(io::stderr(), "warning: {reason}");
        }
    }
    Ok(Outcome::Done)
}

fn ask(cli: &Cli, request: &Request) -> Result<Outcome> {
    let mut connection = client::connect(&cli.socket)?;
    answered(cli, &client::exchange(&mut connection, request)?)
}

fn answered(cli: &Cli, answer: &Answer) -> Result<Outcome> {
    if cli.json {
        print(&format!("{}\n", answer.line))?;
    } else {
        print(&text(cli, answer)?)?;
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
