//! The commands of the README, run as they stand there.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bedplate_tests::bedplate;

/// How the README writes a call of the program.
const PREFIX: &str = "cargo run --release -- ";

/// Where the README puts what its reader keeps: keys, disks, bundles.
const KEPT: &str = "/var/tmp/";

/// The arguments of every call in the README, comments left out.
///
/// What stands for [`KEPT`] in them is `instead`: whoever runs the tests has keys and disks there,
/// and a release key that is gone can never sign again.
fn calls(instead: &Path) -> Result<Vec<Vec<String>>> {
    let instead = format!("{}/", instead.to_str().context("a path in UTF-8")?);
    let text = std::fs::read_to_string(bedplate::workspace().join("README.md"))?;
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(PREFIX));
    let words = lines.map(|line| line.split('#').next().unwrap_or("").split_whitespace());
    Ok(words
        .map(|words| words.map(|word| word.replace(KEPT, &instead)).collect())
        .collect())
}

#[test]
fn every_command_of_the_readme_works() -> Result<()> {
    let kept = tempfile::tempdir()?;
    let calls = calls(kept.path())?;
    ensure!(
        calls.len() >= 5,
        "the README has lost its commands: {calls:?}"
    );
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
    for name in MADE {
        ensure!(kept.path().join(name).exists(), "no command made {name}");
    }
    Ok(())
}

/// What the commands leave.
const MADE: [&str; 7] = [
    "hello.raw",
    "hello.raw.vars",
    "host.raw",
    "host.raw.vars",
    "release.key",
    "release.pub",
    "updates",
];

#[test]
fn what_its_reader_keeps_is_not_touched() -> Result<()> {
    let instead = tempfile::tempdir()?;
    let words: Vec<String> = calls(instead.path())?.into_iter().flatten().collect();
    let moved = words.iter().filter(|word| word.contains("release"));
    ensure!(moved.count() >= 4, "{words:?}");
    for word in words {
        // Images and outputs are named from the workspace, the rest lies in the temporary directory.
        let absolute = word
            .find('/')
            .is_some_and(|at| at == 0 || word[..at].ends_with(':'));
        let own = word.contains(&*instead.path().to_string_lossy());
        ensure!(!absolute || own || word.starts_with("http"), "{word}");
    }
    Ok(())
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
