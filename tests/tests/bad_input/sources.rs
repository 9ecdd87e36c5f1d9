//! Packages that are not what they should be, or cannot be had.

use std::fs;

use anyhow::{Context, Result};
use bedplate_tests::{bedplate, mirror::Server};

use crate::case::{BUILD, Case, good, warm_store};

/// Exit codes.
const FAILURE: i32 = 1;
const DEFINITION: i32 = 2;
const STALE: i32 = 3;

/// Fixture repository of the resolver's tests.
const REPOSITORY: &str = "tests/resolve/repository";

#[test]
fn a_package_with_another_digest_is_refused() -> Result<()> {
    let store = warm_store()?;
    let case = Case::locked()?.with_store(store.path());
    let (path, digest) = busybox(&good()?.lock)?;
    let blob = store.path().join("blobs").join(&digest);
    fs::remove_file(&blob)?;
    case.write(&format!("mirror/{path}"), "not the package")?;
    let server = Server::start(&case.path("mirror"));
    let mirror = format!("debian={}", server.url());
    let words = [
        path.as_str(),
        "is not what was expected",
        &format!("expected sha256:{digest}"),
        "found sha256:",
    ];
    let arguments = [&BUILD[..], &["--mirror", &mirror]].concat();
    case.refused(&arguments, FAILURE, &words)?;
    assert!(!blob.exists() && fs::read_dir(store.path().join("tmp"))?.count() == 0);
    assert_eq!(case.build()?, good()?.document);
    Ok(())
}

/// Path in the archive and digest of `busybox-static`.
fn busybox(lock: &str) -> Result<(String, String)> {
    let lock: toml::Table = lock.parse()?;
    let packages = lock["package"].as_array().context("packages")?;
    let package = packages
        .iter()
        .find(|package| package["name"].as_str() == Some("busybox-static"))
        .context("busybox-static")?;
    let text = |key: &str| {
        Some(
            package[key]
                .as_str()?
                .trim_start_matches("sha256:")
                .to_owned(),
        )
    };
    Ok((
        text("path").context("a path")?,
        text("sha256").context("a digest")?,
    ))
}

/// The definition with its base from a suite of the fixture repository.
fn from_fixture(suite: &str) -> Result<(Case, String)> {
    let case = Case::new()?;
    let root = bedplate::workspace().canonicalize()?.join(REPOSITORY);
    let keyring = format!("keyring = \"{}\"", root.join("keyring.gpg").display());
    let base = format!("suite = \"{suite}\"\npockets = []\n{keyring}");
    case.edit("image.toml", "suite = \"trixie\"", &base)?;
    let server = Server::start(&root);
    Ok((case, format!("debian={}", server.url())))
}

#[test]
fn a_repository_that_is_not_trusted_is_refused() -> Result<()> {
    for (suite, words) in [
        ("unsigned", ["dists/unsigned/InRelease", "is not signed"]),
        (
            "expired",
            ["expired", "it was valid until `Thu, 02 Jan 2025"],
        ),
        ("tampered", ["tampered", "wrong signature"]),
    ] {
        let (case, mirror) = from_fixture(suite)?;
        let arguments = [&BUILD[..6], &["--mirror", &mirror]].concat();
        case.refused(&arguments, DEFINITION, &words)?;
        assert!(!case.path("bedplate.lock").exists());
    }
    Ok(())
}

#[test]
fn packages_that_exclude_each_other_are_explained() -> Result<()> {
    let case = Case::new()?;
    let both = "\"exim4-daemon-light\", \"postfix\"";
    case.edit("image.toml", "\"busybox-static\"", both)?;
    let words = [
        "set `min`: the packages cannot be installed together",
        "exim4-daemon-light",
        "postfix",
    ];
    case.refused(&BUILD[..6], DEFINITION, &words)?;
    assert!(!case.path("bedplate.lock").exists());
    Ok(())
}

#[test]
fn a_lock_for_other_packages_is_refused() -> Result<()> {
    let case = Case::locked()?;
    case.edit("image.toml", "\"busybox-static\"", "\"busybox\"")?;
    let words = ["the lock `./bedplate.lock` is out of date; run `bedplate lock`"];
    case.refused(&BUILD, STALE, &words)?;
    assert_eq!(
        fs::read_to_string(case.path("bedplate.lock"))?,
        good()?.lock
    );
    Ok(())
}

#[test]
fn without_network_and_downloads_nothing_is_built() -> Result<()> {
    let store = tempfile::tempdir()?;
    let case = Case::locked()?.with_store(store.path());
    let words = ["is not in the store and would have to be fetched, but `--offline` is given"];
    let arguments = [&BUILD[..], &["--offline"]].concat();
    case.refused(&arguments, FAILURE, &words)
}
