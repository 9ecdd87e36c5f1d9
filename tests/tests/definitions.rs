//! Every image on every profile: the definition holds, and today's archive can satisfy it.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use bedplate_tests::{
    bedplate,
    images::{self, PROFILES},
    release::copy_tree,
};

/// The six images of the stacks; `hello` is a seventh.
const STACKS: usize = 6;

#[test]
fn every_image_checks_on_every_profile() -> Result<()> {
    let mut pairs = BTreeSet::new();
    for image in images::all()? {
        let said = bedplate::succeed(&["check", &image])?;
        let name = image.trim_start_matches("images/");
        for profile in PROFILES {
            let checked = said.lines().any(|line| {
                line.starts_with(&format!("{name} ")) && line.ends_with(&format!(" for {profile}"))
            });
            ensure!(checked, "{image} was not checked for {profile}:\n{said}");
            pairs.insert((image.clone(), profile));
        }
    }
    ensure!(pairs.len() >= STACKS * PROFILES.len(), "{pairs:?}");
    println!("{} pairs", pairs.len());
    Ok(())
}

/// In a copy, for whoever works here keeps the lock that they have.
#[test]
fn every_image_locks() -> Result<()> {
    let target = bedplate::workspace().join("target");
    let copy = tempfile::Builder::new()
        .prefix("locks-")
        .tempdir_in(target)?;
    copy_tree(
        &bedplate::workspace().join("images"),
        &copy.path().join("images"),
    )?;
    for image in images::all()? {
        let image = copy.path().join(image);
        let lock = image.join("bedplate.lock");
        if lock.exists() {
            fs::remove_file(&lock)?;
        }
        let image = image.to_str().context("a path in UTF-8")?;
        let said = bedplate::succeed(&["lock", image])?;
        println!("{said}");
        ensure!(lock.exists(), "`{}` is not there", lock.display());
        // What was locked is what a build takes, without asking anybody.
        let plan = ["plan", image, "--profile", "min", "--locked", "--offline"];
        bedplate::succeed(&plan)?;
    }
    Ok(())
}
