//! The OCI image as cosign sees it: signed by keys of both kinds, and tampered with.

use std::fs;

use anyhow::{Context, Result, ensure};
use bedplate_contract::Digest;

use crate::release::{Ended, Release};

fn cosign(release: &Release, key: &str) -> Result<Ended> {
    release.run(&[
        "tool",
        "cosign",
        "verify",
        "--local-image",
        "--insecure-ignore-tlog",
        "--key",
        key,
        "out/oci",
    ])
}

fn accepted(ended: &Ended) -> Result<()> {
    let verified = ended.said.contains("The cosign claims were validated");
    ensure!(ended.code == Some(0) && verified, "{ended:?}");
    Ok(())
}

fn refused(ended: &Ended, words: &str) -> Result<()> {
    ensure!(
        ended.code != Some(0) && ended.said.contains(words),
        "{ended:?}"
    );
    Ok(())
}

#[test]
fn cosign_accepts_both_kinds_of_keys_and_no_other() -> Result<()> {
    for (key, other) in [("release", "backup"), ("backup", "release")] {
        let release = Release::signed(key)?;
        accepted(&cosign(&release, &format!("{key}.pub"))?)?;
        refused(
            &cosign(&release, &format!("{other}.pub"))?,
            "no matching signatures",
        )?;
        release.succeed(&["sign", "out", "--key", &format!("{other}.key"), "--attach"])?;
        for key in [key, other] {
            accepted(&cosign(&release, &format!("{key}.pub"))?)?;
        }
        refused(&cosign(&release, "stranger.pub")?, "no matching signatures")?;
    }
    refused(&cosign(&Release::new()?, "release.pub")?, "no signatures")
}

#[test]
fn cosign_refuses_a_changed_manifest() -> Result<()> {
    let release = Release::signed("release")?;
    let (descriptor, manifest) = release.image()?;
    let text = manifest.to_string().replace("\"lab\"", "\"lob\"");
    // In its place, as somebody would who cannot write the index.
    fs::write(release.blob("out/oci", &descriptor)?, &text)?;
    refused(&cosign(&release, "release.pub")?, "no matching signatures")?;
    release.refused(
        &["verify", "out", "--key", "release.pub"],
        1,
        &["is damaged"],
    )?;
    // Under its own name, with an index that leads there.
    let mut index = release.json("out/oci/index.json")?;
    let digest = Digest::of(text.as_bytes());
    index["manifests"][0]["digest"] = digest.to_string().into();
    index["manifests"][0]["size"] = text.len().into();
    fs::write(release.blob("out/oci", &index["manifests"][0])?, &text)?;
    fs::write(release.path("out/oci/index.json"), index.to_string())?;
    refused(&cosign(&release, "release.pub")?, "missing digest in claim")?;
    let words = ["it signs another image than the one beside it"];
    release.refused(&["verify", "out", "--key", "release.pub"], 1, &words)
}

/// cosign looks at the manifest alone, as it says itself; whoever reads the layers notices.
#[test]
fn a_changed_layer_is_noticed_by_whoever_reads_it() -> Result<()> {
    let release = Release::signed("release")?;
    let (_, manifest) = release.image()?;
    let layers = manifest["layers"].as_array().context("layers")?;
    let layer = release.blob("out/oci", layers.last().context("a layer")?)?;
    let mut bytes = fs::read(&layer)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&layer, bytes)?;
    accepted(&cosign(&release, "release.pub")?)?;
    release.refused(
        &["verify", "out", "--key", "release.pub"],
        1,
        &["is damaged"],
    )?;
    let copy = release.run(&[
        "tool",
        "skopeo",
        "copy",
        "--insecure-policy",
        "oci:out/oci:1.0.1",
        "oci:copy:1.0.1",
    ])?;
    refused(&copy, "Digest did not match")
}

#[test]
fn skopeo_copies_image_and_signature_by_their_tags() -> Result<()> {
    let release = Release::signed("backup")?;
    let (descriptor, _) = release.image()?;
    let digest = descriptor["digest"].as_str().context("a digest")?;
    let tag = format!("{}.sig", digest.replace(':', "-"));
    for tag in ["1.0.1", &tag] {
        let [from, to] = ["out/oci", "registry"].map(|layout| format!("oci:{layout}:{tag}"));
        release.succeed(&["tool", "skopeo", "copy", "--insecure-policy", &from, &to])?;
    }
    let index = release.json("registry/index.json")?;
    ensure!(index["manifests"][0]["digest"] == digest, "{index}");
    let signatures = fs::read_to_string(release.blob("registry", &index["manifests"][1])?)?;
    ensure!(
        signatures.contains("dev.cosignproject.cosign/signature"),
        "{signatures}"
    );
    // Signatures in the layout disturb nobody who reads the image.
    let tags = release.succeed(&["tool", "umoci", "ls", "--layout", "out/oci"])?;
    ensure!(tags.lines().any(|line| line == "1.0.1"), "{tags}");
    release.succeed(&[
        "tool",
        "umoci",
        "unpack",
        "--image",
        "out/oci:1.0.1",
        "unpacked",
    ])?;
    let root = release.path("unpacked/rootfs");
    ensure!(root.join("usr/lib/bedplate/trust.json").is_file());
    Ok(())
}
