//! The commands of the README, run as they stand there.

use std::path::Path;

use anyhow::{Result, ensure};
use bedplate_tests::bedplate;

/// How the README writes a call of the program.
const PREFIX: &str = "cargo run --release -- ";

/// The arguments of every call in the README, comments left out.
fn calls() -> Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(bedplate::workspace().join("README.md"))?;
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(PREFIX));
    let words = lines.map(|line| line.split('#').next().unwrap_or("").split_whitespace());
    Ok(words
        .map(|words| words.map(str::to_owned).collect())
        .collect())
}

#[test]
fn every_command_of_the_readme_works() -> Result<()> {
    let calls = calls()?;
    ensure!(
        calls.len() >= 5,
        "the README has lost its commands: {calls:?}"
    );
    let made = Made;
    made.remove();
    for call in calls {
        let mut words: Vec<&str> = call.iter().map(String::as_str).collect();
        match words.first() {
            // Boots of justnews take minutes and have a test of their own; here it is checked that
            // image and profile are there.
            Some(&"run") if words.contains(&"images/justnews") => words = check(&words)?,
            Some(&"run") => words.extend(scripted()),
            _ => {}
        }
        bedplate::succeed(&words)?;
    }
    ensure!(made.count() == Made::FILES.len(), "a command made no file");
    Ok(())
}

/// What the commands leave; removed also when one of them fails.
struct Made;

impl Made {
    const FILES: [&str; 7] = [
        "/var/tmp/hello.raw",
        "/var/tmp/hello.raw.vars",
        "/var/tmp/host.raw",
        "/var/tmp/host.raw.vars",
        "/var/tmp/release.key",
        "/var/tmp/release.pub",
        "/var/tmp/updates",
    ];

    fn count(&self) -> usize {
        let files = Self::FILES.iter();
        files.filter(|file| Path::new(file).exists()).count()
    }

    fn remove(&self) {
        for file in Self::FILES {
            // Most are not there; one that cannot be removed is met by the command that makes it.
            let _ = std::fs::remove_file(file).or_else(|_| std::fs::remove_dir_all(file));
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.remove();
    }
}

fn check<'a>(run: &[&'a str]) -> Result<Vec<&'a str>> {
    let [_, image, "--profile", profile] = run else {
        anyhow::bail!("expected `run IMAGE --profile PROFILE`, found {run:?}")
    };
    Ok(vec!["check", image, "--profile", profile])
}

/// What turns a run for a person into one that ends by itself.
fn scripted() -> [&'static str; 7] {
    [
        "--until",
        "healthy",
        "--timeout",
        "300",
        "--story",
        "--accelerator",
        "tcg",
    ]
}
