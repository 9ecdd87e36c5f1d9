//! `bedplatectl`; see the library.

#![forbid(unsafe_code)]

use std::{
    io::{self, Write},
    process::ExitCode,
};

use bedplate_update::{cli::Cli, outcome::Outcome};
use clap::Parser;

fn main() -> ExitCode {
    match bedplate_update::run(&Cli::parse()) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            complain(&error);
            Outcome::Failed.into()
        }
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
