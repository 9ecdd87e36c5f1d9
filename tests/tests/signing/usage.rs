//! Arguments that cannot be meant: exit code 2, in words, and nothing written.

use std::fs;

use anyhow::{Result, ensure};

use crate::release::{IMAGE, Release};

/// Exit code for wrong usage or definition.
const USAGE: i32 = 2;

#[test]
fn wrong_usage_is_explained() -> Result<()> {
    let release = Release::new()?;
    let image = bedplate_tests::bedplate::workspace().join(IMAGE);
    let image = image.display().to_string();
    fs::create_dir(release.path("alone"))?;
    fs::copy(
        release.path("out/sign-request.json"),
        release.path("alone/sign-request.json"),
    )?;
    let before = fs::read(release.path("release.key"))?;
    let cases: [(&[&str], &[&str]); 11] = [
        (
            &["key", "generate", "release"],
            &["`release.key` is there already", "never overwritten"],
        ),
        (
            &["key", "generate", "new", "--algorithm", "rsa"],
            &["invalid value 'rsa'", "ed25519, ecdsa-p256"],
        ),
        (
            &["key", "generate", "new", "--passphrase-file", "missing"],
            &["cannot read `missing`"],
        ),
        (
            &["sign", "out", "--key", "release.pub"],
            &["this is a public key; signing takes the private one"],
        ),
        (
            &["sign", "out", "--key", "missing.key"],
            &["cannot read `missing.key`"],
        ),
        (
            &[
                "sign",
                "alone/sign-request.json",
                "--key",
                "release.key",
                "--attach",
            ],
            &["`--attach` needs the output directory of the build"],
        ),
        (
            &["verify", "out", "--key", "release.key"],
            &[
                "cannot use the public key `release.key`",
                "this is a private key",
            ],
        ),
        (
            &["verify", "out", "--key", "release.pub", "--threshold", "2"],
            &["expected `--threshold` from 1 to 1"],
        ),
        (
            &["publish", "out", "tree"],
            &["invalid value 'tree'", "expected `dir:PATH` or `file:PATH`"],
        ),
        (
            &[
                "check",
                &image,
                "--profile",
                "min",
                "--trust",
                "release.key",
            ],
            &["no public key in `release.key`", "this is a private key"],
        ),
        (
            &["check", &image, "--profile", "min", "--version", "1+2"],
            &[
                "invalid version `1+2` for the image",
                "expected a UAPI.10 version",
            ],
        ),
    ];
    for (arguments, words) in cases {
        release.refused(arguments, USAGE, words)?;
    }
    ensure!(fs::read(release.path("release.key"))? == before);
    ensure!(!release.path("new.key").exists() && !release.path("tree").exists());
    let answers = fs::read_dir(release.path("alone"))?.count();
    ensure!(answers == 1, "{answers} files beside the request");
    Ok(())
}

#[test]
fn what_is_no_build_is_refused() -> Result<()> {
    let release = Release::new()?;
    fs::create_dir(release.path("empty"))?;
    fs::write(release.path("file"), "no tar")?;
    for (arguments, words) in [
        (
            ["verify", "empty", "--key", "release.pub"],
            "found no `index.json`",
        ),
        (
            ["verify", "file", "--key", "release.pub"],
            "cannot read `file`",
        ),
        (
            ["verify", "missing", "--key", "release.pub"],
            "cannot read `missing`",
        ),
        (
            ["sign", "empty", "--key", "release.key"],
            "sign-request.json`",
        ),
    ] {
        release.refused(&arguments, 1, &[words])?;
    }
    release.refused(
        &["publish", "empty", "dir:tree"],
        1,
        &["found no `index.json`"],
    )?;
    release.refused(
        &["attach", "out", "out/sign-request.json"],
        1,
        &["expected an answer"],
    )
}
