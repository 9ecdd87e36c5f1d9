//! `bedplate publish`: bundles where hosts take them from.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::publish::{self, Target, Unsigned};

/// Arguments of `bedplate publish`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Output directories of builds; published trees and files too.
    #[arg(required = true, value_name = "DIR")]
    sources: Vec<PathBuf>,
    /// `dir:PATH`, a tree that gets them besides what is there, or `file:PATH`, a tar of them alone.
    #[arg(required = true, value_name = "TARGET")]
    target: Target,
    /// Publish bundles that nobody has signed, which hosts refuse.
    #[arg(long)]
    allow_unsigned: bool,
}

/// Publishes, and prints what the target holds.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let unsigned = match arguments.allow_unsigned {
        true => Unsigned::Allow,
        false => Unsigned::Refuse,
    };
    let titles = publish::publish(&arguments.sources, &arguments.target, unsigned)
        .with_context(|| format!("publishing to {}", arguments.target))?;
    for title in titles {
        println!("{title}");
    }
    Ok(ExitCode::SUCCESS)
}
