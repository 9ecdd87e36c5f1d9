//! `cache prune` beside builds: each waits for the other, and a killed process holds nobody up.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bedplate::store::{Store, StoreError};
use bedplate_contract::Digest;

fn bedplate(store: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedplate"));
    command.env("BEDPLATE_STORE", store);
    command
}

/// `cache prune`, once it says that it waits.
fn waiting(store: &Path) -> Child {
    let mut prune = bedplate(store)
        .args(["cache", "prune"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let said = BufReader::new(prune.stderr.as_mut().unwrap()).read_line(&mut line);
    said.unwrap();
    assert!(
        line.starts_with("waiting for the builds and runs that use the store"),
        "{line}"
    );
    prune
}

#[test]
fn prune_waits_for_a_build_and_takes_nothing_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let key = Digest::of(b"step");
    let step = store.realize::<StoreError>(&key, |_| Ok(())).unwrap();
    let mut prune = waiting(directory.path());
    // It waits, and another build goes on beside.
    std::thread::sleep(Duration::from_millis(200));
    assert!(prune.try_wait().unwrap().is_none());
    let other = Store::open(directory.path()).unwrap();
    assert!(step.is_dir());
    drop(store);
    assert!(prune.try_wait().unwrap().is_none());
    drop(other);
    assert!(prune.wait().unwrap().success());
    assert!(!step.exists());
}

#[test]
fn who_is_killed_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let held = Store::open(directory.path()).unwrap();
    let mut prune = waiting(directory.path());
    prune.kill().unwrap();
    prune.wait().unwrap();
    drop(held);
    let again = bedplate(directory.path())
        .args(["cache", "prune"])
        .output()
        .unwrap();
    assert!(
        again.status.success() && again.stderr.is_empty(),
        "{again:?}"
    );
    assert!(Store::open(directory.path()).is_ok());
}

#[test]
fn a_build_waits_for_prune() {
    let directory = tempfile::tempdir().unwrap();
    let alone = Store::open_alone(directory.path()).unwrap();
    let path = directory.path().to_owned();
    let build = std::thread::spawn(move || Store::open(&path).map(drop));
    std::thread::sleep(Duration::from_millis(200));
    assert!(!build.is_finished());
    drop(alone);
    build.join().unwrap().unwrap();
}
