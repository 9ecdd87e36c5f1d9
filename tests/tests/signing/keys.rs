//! Key files, read by OpenSSL.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Result, ensure};

use crate::release::Release;

#[test]
fn openssl_reads_the_pairs() -> Result<()> {
    let release = Release::new()?;
    for name in ["release", "backup"] {
        let [private, public] = ["key", "pub"].map(|ending| format!("{name}.{ending}"));
        let said = release.succeed(&[
            "tool", "openssl", "pkey", "-in", &private, "-check", "-pubout",
        ])?;
        ensure!(
            said.contains(&fs::read_to_string(release.path(&public))?),
            "{said}"
        );
        let mode = fs::metadata(release.path(&private))?.permissions().mode();
        ensure!(mode & 0o777 == 0o600, "{mode:o}");
    }
    Ok(())
}

#[test]
fn a_passphrase_locks_a_key() -> Result<()> {
    let release = Release::new()?;
    fs::write(release.path("passphrase"), "open sesame\n")?;
    let made = "key generate locked --algorithm ecdsa-p256 --passphrase-file passphrase";
    release.succeed(&made.split(' ').collect::<Vec<_>>())?;
    let text = fs::read_to_string(release.path("locked.key"))?;
    ensure!(
        text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
        "{text}"
    );
    let read = "tool openssl pkey -in locked.key -passin file:passphrase -pubout";
    let said = release.succeed(&read.split(' ').collect::<Vec<_>>())?;
    ensure!(
        said.contains(&fs::read_to_string(release.path("locked.pub"))?),
        "{said}"
    );
    let sign = ["sign", "out", "--key", "locked.key", "--attach"];
    release.refused(&sign, 2, &["locked.key", "the key is encrypted"])?;
    let wrong = release.run_with(&sign, &[("BEDPLATE_PASSPHRASE", "open sesam")])?;
    ensure!(
        wrong.code == Some(2) && wrong.said.contains("does not open the key"),
        "{wrong:?}"
    );
    let right = release.run_with(&sign, &[("BEDPLATE_PASSPHRASE", "open sesame")])?;
    ensure!(right.code == Some(0), "{right:?}");
    release.succeed(&["verify", "out", "--key", "locked.pub"])?;
    Ok(())
}

#[test]
fn a_key_of_openssl_signs_too() -> Result<()> {
    let release = Release::new()?;
    for (arguments, name) in [
        ("-algorithm ed25519", "theirs-1"),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "theirs-2"),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes-256-cbc -pass pass:open",
            "theirs-3",
        ),
    ] {
        let [private, public] = ["key", "pub"].map(|ending| format!("{name}.{ending}"));
        let make = format!("tool openssl genpkey {arguments} -out {private}");
        release.succeed(&make.split(' ').collect::<Vec<_>>())?;
        let show =
            format!("tool openssl pkey -in {private} -passin pass:open -pubout -out {public}");
        release.succeed(&show.split(' ').collect::<Vec<_>>())?;
        let sign = ["sign", "out", "--key", &private, "--attach"];
        let ended = release.run_with(&sign, &[("BEDPLATE_PASSPHRASE", "open")])?;
        ensure!(ended.code == Some(0), "{ended:?}");
        release.succeed(&["verify", "out", "--key", &public])?;
    }
    Ok(())
}
