//! `bedplate cache`: the store, seen from outside.

use std::{fs, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, Result};

use crate::{definition::unit, store::Store};

/// Arguments of `bedplate cache`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Prints the directory of the store.
    Path,
    /// Prints how much each part of the store takes.
    Size,
    /// Removes the outputs of steps; downloads stay.
    Prune {
        /// Keeps those that a build has used in this time, such as `12h`, `7d` or `4w`.
        #[arg(long, value_name = "AGE", value_parser = age)]
        unused_for: Option<Duration>,
    },
}

fn age(text: &str) -> Result<Duration, String> {
    unit::age_seconds(text).map(Duration::from_secs)
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let root = Store::default_root();
    match arguments.verb {
        Verb::Path => println!("{}", root.display()),
        Verb::Size => {
            for part in ["blobs", "steps", "tmp"] {
                println!("{part:<6} {:>8} MiB", size(&root.join(part))? >> 20);
            }
        }
        Verb::Prune { unused_for } => {
            let count = Store::open_alone(&root)?.prune(unused_for.unwrap_or_default())?;
            println!("removed the outputs of {count} steps");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Bytes that the files below `path` take; hard links are counted as often as they stand.
fn size(path: &Path) -> Result<u64> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| format!("reading `{}`", path.display())),
    };
    if !metadata.is_dir() {
        return Ok(std::os::unix::fs::MetadataExt::blocks(&metadata) * 512);
    }
    let entries = fs::read_dir(path).with_context(|| format!("reading `{}`", path.display()))?;
    entries.map(|entry| size(&entry?.path())).sum()
}
