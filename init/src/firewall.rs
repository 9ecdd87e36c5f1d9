//! The rules of the image, loaded before the network comes up.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bedplate_contract::layout;

use crate::child;

/// nft reads one file and makes one transaction; a slow machine takes a second.
const LIMIT: Duration = Duration::from_secs(30);
/// Where its words go: memory, so that it never waits for a reader.
const LOG: &str = "/run/bedplate/firewall.log";

/// Rules that were not loaded; those before, if any, hold.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// nft could not be run.
    #[error("running `{}`", layout::NFT)]
    Run(#[source] io::Error),
    /// It was killed.
    #[error("`{}` did not end within {} s", layout::NFT, LIMIT.as_secs())]
    Late,
    /// It refused them, or the kernel did.
    #[error("`{}` did not take `{}`: {words}", layout::NFT, layout::FIREWALL)]
    Refused {
        /// What it said.
        words: String,
    },
}

/// Loads the rules, all or none.
///
/// # Errors
/// Any [`FirewallError`].
pub fn load() -> Result<(), FirewallError> {
    load_from(layout::NFT, Path::new(LOG))
}

fn load_from(program: &str, log: &Path) -> Result<(), FirewallError> {
    let output = child::open_log(log).map_err(FirewallError::Run)?;
    let errors = output.try_clone().map_err(FirewallError::Run)?;
    let mut command = Command::new(program);
    command.args(["-f", layout::FIREWALL]).env_clear();
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut process = command.spawn().map_err(FirewallError::Run)?;
    match child::wait(&mut process, LIMIT).map_err(FirewallError::Run)? {
        Some(status) if status.success() => Ok(()),
        Some(_) => Err(FirewallError::Refused { words: words(log) }),
        None => Err(FirewallError::Late),
    }
}

/// The first line: nft goes on with a drawing of where the rule is.
fn words(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    text.lines().next().unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        assert!(load_from("/bin/true", &log).is_ok());
        let refused = load_from("/bin/ls", &log).unwrap_err();
        assert!(refused.to_string().contains("did not take"), "{refused}");
        assert!(matches!(refused, FirewallError::Refused { .. }));
        let absent = load_from("/no/such", &log).unwrap_err();
        assert!(matches!(absent, FirewallError::Run(_)));
    }
}
