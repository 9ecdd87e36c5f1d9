//! Two passes: the request goes to whoever has a key, and answers come back.

use std::fs;

use anyhow::{Context, Result, ensure};
use bedplate_contract::{signature::Envelope, trust::Trust};
use bedplate_tests::bedplate;

use crate::release::{IMAGE, Release};

#[test]
fn the_request_alone_is_enough_to_sign() -> Result<()> {
    let release = Release::new()?;
    fs::create_dir(release.path("elsewhere"))?;
    let request = release.path("elsewhere/sign-request.json");
    fs::copy(release.path("out/sign-request.json"), &request)?;
    let mut answers = Vec::new();
    for key in ["release.key", "backup.key"] {
        let said = release.succeed(&["sign", "elsewhere/sign-request.json", "--key", key])?;
        for shown in ["lab 1.0.1 for min", "root hash", "UKI", "OCI image"] {
            ensure!(said.contains(shown), "no {shown:?}: {said}");
        }
        let answer = said
            .lines()
            .find(|line| line.starts_with("elsewhere/signature-"));
        answers.push(answer.context("the answer's name")?.to_owned());
    }
    let [first, second] = &answers[..] else {
        unreachable!("two keys")
    };
    release.succeed(&["attach", "out", first])?;
    let both = [
        "verify",
        "out",
        "--key",
        "release.pub",
        "--key",
        "backup.pub",
        "--threshold",
        "2",
    ];
    release.refused(
        &both,
        1,
        &["lab 1.0.1 for min is refused", "by 2 trusted keys, found 1"],
    )?;
    release.succeed(&["attach", "out", second])?;
    let said = release.succeed(&both)?;
    ensure!(
        said.contains("lab 1.0.1 for min: good") && said.contains("image sha256:"),
        "{said}"
    );
    // Again, and in another order: nothing changes.
    let before = release.json("out/bundle/index.json")?;
    release.succeed(&["attach", "out", second, first])?;
    ensure!(release.json("out/bundle/index.json")? == before);
    Ok(())
}

#[test]
fn the_image_itself_trusts_the_envelope() -> Result<()> {
    let release = Release::signed("backup")?;
    let root = release.path("root.erofs");
    let manifests = release.json("out/bundle/index.json")?;
    let manifest = release.blob("out/bundle", &manifests["manifests"][0])?;
    let manifest: serde_json::Value = serde_json::from_str(&fs::read_to_string(manifest)?)?;
    // The frames are one zstd file of the root image.
    let frames = release.blob("out/bundle", &manifest["layers"][0])?;
    release.succeed(&[
        "tool",
        "zstd",
        "-q",
        "-d",
        &frames.display().to_string(),
        "-o",
        "root.erofs",
    ])?;
    let tree = release.path("root");
    let extract = format!("--extract={}", tree.display());
    release.succeed(&["tool", "fsck.erofs", &extract, &root.display().to_string()])?;
    let text = fs::read_to_string(tree.join("usr/lib/bedplate/trust.json"))?;
    let trust = Trust::parse(&text)?;
    ensure!((trust.keys.len(), trust.threshold) == (2, 1), "{trust:?}");
    let envelope = release.blob("out/bundle", &manifests["manifests"][1])?;
    let envelope: serde_json::Value = serde_json::from_str(&fs::read_to_string(envelope)?)?;
    let envelope = release.blob("out/bundle", &envelope["layers"][0])?;
    let opened = trust.open(&Envelope::parse(&fs::read(envelope)?)?)?;
    ensure!((opened.name, opened.version) == ("lab".to_owned(), "1.0.1".to_owned()));
    Ok(())
}

#[test]
fn a_tampered_answer_is_refused_and_changes_nothing() -> Result<()> {
    let release = Release::new()?;
    release.succeed(&[
        "sign",
        "out",
        "--key",
        "release.key",
        "--output",
        "answer.json",
    ])?;
    let before = release.json("out/bundle/index.json")?;
    let mut answer = release.json("answer.json")?;
    let (bundle, image) = (
        answer["signatures"][0]["signature"].clone(),
        answer["signatures"][1]["signature"].clone(),
    );
    answer["signatures"][0]["signature"] = image;
    answer["signatures"][1]["signature"] = bundle;
    fs::write(release.path("answer.json"), answer.to_string())?;
    let words = [
        "`answer.json` is no good",
        "over the bundle does not verify",
    ];
    release.refused(&["attach", "out", "answer.json"], 1, &words)?;
    answer["request"] = format!("sha256:{}", "0".repeat(64)).into();
    fs::write(release.path("answer.json"), answer.to_string())?;
    let words = ["`answer.json` answers another request"];
    release.refused(&["attach", "out", "answer.json"], 1, &words)?;
    ensure!(release.json("out/bundle/index.json")? == before);
    Ok(())
}

#[test]
fn signatures_outlive_a_build_of_the_same_content() -> Result<()> {
    let release = Release::new()?;
    let out = release.path("built").display().to_string();
    let key = release.path("release.pub").display().to_string();
    let build = |version: &str, rest: &[&str]| {
        let mut arguments = vec!["build", IMAGE, "--profile", "min", "--out", &out];
        arguments.extend(["--version", version, "--trust", &key]);
        arguments.extend(rest);
        bedplate::output(&arguments)
    };
    ensure!(build("1.0.2", &[])?.status.success());
    let directory = "built/lab/min/1.0.2";
    release.succeed(&["sign", directory, "--key", "release.key", "--attach"])?;
    let again = build("1.0.2", &[])?;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    ensure!(
        again.status.success() && said.contains(".json kept"),
        "{said}"
    );
    release.succeed(&["verify", directory, "--key", "release.pub"])?;
    // Another content in the same place: its signatures are another's.
    let stranger = release.path("stranger.pub").display().to_string();
    let other = build("1.0.2", &["--trust", &stranger])?;
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    ensure!(said.contains(".json dropped: `signature-"), "{said}");
    let words = ["lab 1.0.2 for min is refused", "it is not signed"];
    release.refused(&["verify", directory, "--key", "release.pub"], 1, &words)
}

#[test]
fn two_of_three_keys_may_be_asked_for() -> Result<()> {
    let release = Release::new()?;
    let image = release.path("image");
    fs::create_dir(&image)?;
    let lab = fs::read_to_string(bedplate::workspace().join(IMAGE).join("image.toml"))?;
    let update = "[update]\nkeys = [\"release.pub\", \"backup.pub\", \"stranger.pub\"]\nthreshold = 2\n\
                  minimum_version = \"1.0.0\"\nexpires = \"2100-01-01\"\n";
    fs::write(image.join("image.toml"), format!("{lab}\n{update}"))?;
    for key in ["release.pub", "backup.pub", "stranger.pub"] {
        fs::copy(release.path(key), image.join(key))?;
    }
    let profiles = bedplate::workspace().join("profiles").display().to_string();
    release.succeed(&[
        "build",
        "image",
        "--profiles",
        &profiles,
        "--profile",
        "min",
        "--out",
        "three",
    ])?;
    let directory = "three/lab/min/1.0.0";
    let said = release.succeed(&["sign", directory, "--key", "stranger.key", "--attach"])?;
    ensure!(
        said.contains("1.0.0") && said.contains("2100-01-01T00:00:00Z"),
        "{said}"
    );
    let all = [
        "--key",
        "release.pub",
        "--key",
        "backup.pub",
        "--key",
        "stranger.pub",
    ];
    let verify = [&["verify", directory, "--threshold", "2"], &all[..]].concat();
    release.refused(&verify, 1, &["by 2 trusted keys, found 1"])?;
    release.succeed(&["sign", directory, "--key", "backup.key", "--attach"])?;
    let said = release.succeed(&verify)?;
    ensure!(said.contains("expires    2100-01-01T00:00:00Z"), "{said}");
    Ok(())
}
