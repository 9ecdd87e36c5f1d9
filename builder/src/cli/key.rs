//! `bedplate key`: pairs of keys for signing.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use bedplate_contract::signature::{Algorithm, short};

use crate::sign::{
    SigningKey,
    file::{self, Pair},
};

/// Arguments of `bedplate key`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Makes PATH.key, which signs, and PATH.pub, which images trust; overwrites neither.
    Generate(GenerateArguments),
}

#[derive(Debug, clap::Args)]
struct GenerateArguments {
    /// Where the pair goes, without the endings.
    path: PathBuf,
    /// What the key can do.
    #[arg(long, value_enum, default_value = "ed25519")]
    algorithm: AlgorithmName,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// Where a passphrase comes from.
#[derive(Debug, Clone, clap::Args)]
pub struct PassphraseArguments {
    /// File with the passphrase of the private key; else `$BEDPLATE_PASSPHRASE`, if it is set.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AlgorithmName {
    /// Ed25519.
    #[value(name = "ed25519")]
    Ed25519,
    /// ECDSA on P-256.
    #[value(name = "ecdsa-p256")]
    EcdsaP256,
}

impl PassphraseArguments {
    /// The passphrase, if there is one.
    pub fn read(&self) -> Result<Option<Vec<u8>>> {
        Ok(file::passphrase(self.passphrase_file.as_deref())?)
    }
}

impl From<AlgorithmName> for Algorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::Ed25519 => Self::Ed25519,
            AlgorithmName::EcdsaP256 => Self::EcdsaP256,
        }
    }
}

/// Makes a pair and prints its files.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Verb::Generate(arguments) = &arguments.verb;
    let passphrase = arguments.passphrase.read()?;
    let key = SigningKey::generate(arguments.algorithm.into())?;
    let pair = Pair::new(&arguments.path);
    pair.write(&key, passphrase.as_deref())?;
    let protection = match passphrase {
        Some(_) => "encrypted with the passphrase",
        None => "NOT encrypted: keep it where nobody else reads it",
    };
    eprintln!("key {}, {protection}", short(&key.public().id().hex()));
    println!("{}\n{}", pair.private.display(), pair.public.display());
    Ok(ExitCode::SUCCESS)
}
