//! `cargo xtask images`: every image on every profile, built, searched for secrets, and booted.

use anyhow::Result;

use crate::cargo;

/// What is built and booted.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Passed on; `--help` shows them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds, searches, boots when asked, and prints a table.
///
/// # Errors
/// A build that fails, a secret that is found, a scene that does not end well.
pub fn run(arguments: &Arguments) -> Result<()> {
    let program = ["--package", "bedplate-tests", "--bin", "images", "--"];
    let run = [&["run", "--release", "--locked"], program.as_slice()].concat();
    let rest = arguments.rest.iter().map(String::as_str);
    cargo::run(&run.into_iter().chain(rest).collect::<Vec<_>>())
}
