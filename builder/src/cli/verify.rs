//! `bedplate verify`: whether bundles and image are signed, whole and of one piece.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use bedplate_contract::signature::{PublicKey, short};

use super::error::Usage;
use crate::{
    sign::file,
    verify::{self, Policy},
};

/// Arguments of `bedplate verify`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Output directory of a build, published tree, or published file.
    path: PathBuf,
    /// Public key whose signatures count; several may be given.
    #[arg(long = "key", required = true, value_name = "KEY.pub")]
    keys: Vec<PathBuf>,
    /// How many different keys must have signed.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    threshold: usize,
}

/// Verifies, and prints a line for everything that is good.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let policy = policy(arguments)?;
    for verified in verify::verify(&arguments.path, &policy)? {
        let signers = verified.signers.iter().map(|id| short(&id.hex()));
        let signers = signers.collect::<Vec<_>>().join(", ");
        println!("{}: good, signed by {signers}", verified.title);
        if let Some(root_hash) = verified.root_hash {
            println!("  root hash  {root_hash}");
        }
        if let Some(expires) = verified.expires {
            println!("  expires    {expires}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys, each once, and a threshold that they can meet.
fn policy(arguments: &Arguments) -> Result<Policy> {
    let keys: Result<Vec<PublicKey>, _> = arguments
        .keys
        .iter()
        .map(|p| file::read_public(p))
        .collect();
    let mut keys = keys?;
    keys.sort_by_key(PublicKey::id);
    keys.dedup();
    let threshold = arguments.threshold;
    match (1..=keys.len()).contains(&threshold) {
        true => Ok(Policy { keys, threshold }),
        false => {
            let count = keys.len();
            let what = format!(
                "expected `--threshold` from 1 to {count}, the number of keys, found {threshold}"
            );
            Err(Usage(what).into())
        }
    }
}
