//! `bedplate attach`: answers to a sign request into the build that asked.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use super::sign::signed_by;
use crate::sign::{self, Answer};

/// Arguments of `bedplate attach`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Output directory of the build.
    directory: PathBuf,
    /// Answers that `bedplate sign` wrote; those that lie in the directory count anyway.
    #[arg(required = true)]
    answers: Vec<PathBuf>,
}

/// Checks the answers and finishes bundle and image.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let load = |path: &PathBuf| Ok((path.display().to_string(), Answer::load(path)?));
    let answers: Result<Vec<_>> = arguments.answers.iter().map(load).collect();
    let count = sign::attach(&arguments.directory, &answers?)?;
    eprintln!("{}: {}", arguments.directory.display(), signed_by(count));
    Ok(ExitCode::SUCCESS)
}
