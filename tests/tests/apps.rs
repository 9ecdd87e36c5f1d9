//! The unit tests of the reference applications, by the Python of the tools root.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use bedplate_tests::{bedplate, toolbox};

#[test]
fn the_tests_of_every_application_pass() -> Result<()> {
    let mut applications = Vec::new();
    find(&bedplate::workspace().join("images"), &mut applications)?;
    ensure!(applications.len() >= 2, "found {applications:?}");
    for application in applications {
        let script = format!("cd '{}' && python3 -B -m unittest", application.display());
        let said = toolbox::run(&["bash", "-c", &script])?;
        println!("{}: {}", application.display(), said.text);
        ensure!(
            said.code == 0 && said.text.contains("\nOK"),
            "{}:\n{}",
            application.display(),
            said.text
        );
    }
    Ok(())
}

/// Directories below `path` with a package `tests` of Python.
fn find(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if path.join("tests/__init__.py").exists() {
        found.push(path.canonicalize()?);
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), found)?;
        }
    }
    Ok(())
}
