//! `bedplate sign`: one key's answer to a sign request.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use bedplate_contract::signature::short;

use super::{error::Usage, key::PassphraseArguments};
use crate::sign::{self, Answer, REQUEST, SignRequest, SigningKey, file};

/// Arguments of `bedplate sign`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Output directory of a build, or its `sign-request.json` alone.
    #[arg(value_name = "DIR-OR-REQUEST")]
    request: PathBuf,
    /// Private key in PEM (PKCS#8).
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArguments,
    /// Where the answer goes; by default `signature-<key id>.json` beside the request.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Attach the answer to the build that the request is of.
    #[arg(long)]
    attach: bool,
}

/// Shows what is signed, signs it, and prints where the answer is.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let passphrase = arguments.passphrase.read()?;
    let key = file::read_private(&arguments.key, passphrase.as_deref())?;
    let path = SignRequest::path(&arguments.request);
    let directory = path.parent().unwrap_or(Path::new(""));
    if arguments.attach && !directory.join(sign::BUNDLE).is_dir() {
        let what = "`--attach` needs the output directory of the build, not its request alone";
        return Err(Usage(what.to_owned()).into());
    }
    let request = SignRequest::load(&path)?;
    let answer = Answer::new(&request, &key)?;
    show(&request, &key)?;
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| directory.join(Answer::file_name(key.public())));
    answer.save(&output)?;
    println!("{}", output.display());
    if arguments.attach {
        let name = output.display().to_string();
        let count = sign::attach(directory, &[(name, answer)])
            .with_context(|| format!("attaching to `{}`", directory.display()))?;
        eprintln!("attached: {}", signed_by(count));
    }
    Ok(ExitCode::SUCCESS)
}

/// `signed by 2 keys`.
pub fn signed_by(count: usize) -> String {
    match count {
        1 => "signed by 1 key".to_owned(),
        _ => format!("signed by {count} keys"),
    }
}

fn show(request: &SignRequest, key: &SigningKey) -> Result<()> {
    let contents = request.contents()?;
    let bundle = &contents.bundle;
    eprintln!("{} {} for {}", bundle.name, bundle.version, bundle.profile);
    let or_none = |text: &Option<String>, none: &str| text.clone().unwrap_or(none.to_owned());
    for (noun, value) in [
        ("root hash", bundle.root_hash.to_string()),
        ("root image", bundle.root.image.digest.to_string()),
        ("hash tree", bundle.verity.digest.to_string()),
        ("UKI", bundle.uki.digest.to_string()),
        ("OCI image", contents.image.to_string()),
        (
            "taken from",
            or_none(&bundle.minimum_version, "any version"),
        ),
        ("expires", or_none(&bundle.expires, "never")),
        (REQUEST, request.digest().to_string()),
        ("by key", short(&key.public().id().hex())),
    ] {
        eprintln!("  {noun:<17} {value}");
    }
    Ok(())
}
