//! Trees and files from which hosts upgrade.

use std::fs;

use anyhow::{Result, ensure};

use crate::release::Release;

#[test]
fn tree_and_file_are_published_and_verified() -> Result<()> {
    let release = Release::signed("release")?;
    for target in ["dir:tree", "file:bundle.tar"] {
        let said = release.succeed(&["publish", "out", target])?;
        ensure!(said == "lab 1.0.1 for min\n", "{said}");
        let (_, path) = target.split_once(':').unwrap_or_default();
        release.succeed(&["verify", path, "--key", "release.pub"])?;
        let words = ["lab 1.0.1 for min is refused", "which is not trusted here"];
        release.refused(&["verify", path, "--key", "stranger.pub"], 1, &words)?;
    }
    let size = fs::metadata(release.path("bundle.tar"))?.len();
    ensure!(size.is_multiple_of(512), "{size}");
    // Others find the bundle by its tag, in the tree as in the file.
    for layout in ["oci:tree:1.0.1-min", "oci-archive:bundle.tar:1.0.1-min"] {
        let said = release.succeed(&["tool", "skopeo", "inspect", "--raw", layout])?;
        ensure!(
            said.contains("application/vnd.bedplate.bundle.v1"),
            "{said}"
        );
    }
    Ok(())
}

#[test]
fn what_nobody_signed_is_not_published() -> Result<()> {
    let release = Release::new()?;
    let words = ["lab 1.0.1 for min is not signed", "--allow-unsigned"];
    release.refused(&["publish", "out", "dir:tree"], 1, &words)?;
    release.succeed(&["publish", "--allow-unsigned", "out", "dir:tree"])?;
    let words = ["lab 1.0.1 for min is refused", "it is not signed"];
    release.refused(&["verify", "tree", "--key", "release.pub"], 1, &words)
}
