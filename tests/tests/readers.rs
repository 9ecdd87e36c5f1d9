//! Every artifact is accepted by a reader that is not ours, all from the tools root.

use anyhow::{Result, ensure};
use bedplate_tests::{artifacts::Artifacts, bedplate};

const IMAGE: &str = "tests/images/lab";

fn tool(arguments: &[&str]) -> Result<String> {
    bedplate::succeed(&[&["tool"], arguments].concat())
}

#[test]
fn skopeo_and_umoci_read_the_oci_image() -> Result<()> {
    let artifacts = Artifacts::build(IMAGE)?;
    let layout = artifacts.path("oci")?;
    let config = tool(&[
        "skopeo",
        "inspect",
        "--config",
        &format!("oci:{layout}:1.0.0"),
    ])?;
    let config: serde_json::Value = serde_json::from_str(&config)?;
    ensure!(
        config["config"]["Entrypoint"][0] == "/usr/lib/bedplate/init",
        "{config}"
    );
    // Copying makes skopeo read and verify every blob.
    let scratch = tempfile::tempdir()?;
    let copy = format!("oci:{}:copy", scratch.path().join("copy").display());
    tool(&[
        "skopeo",
        "copy",
        "--insecure-policy",
        &format!("oci:{layout}:1.0.0"),
        &copy,
    ])?;
    let bundle = scratch.path().join("bundle");
    let image = format!("{layout}:1.0.0");
    tool(&[
        "umoci",
        "unpack",
        "--image",
        &image,
        &bundle.display().to_string(),
    ])?;
    ensure!(
        bundle
            .join("rootfs/usr/lib/bedplate/appliance.json")
            .is_file(),
        "no appliance.json"
    );
    ensure!(
        bundle.join("rootfs/usr/bin/busybox").is_file(),
        "no busybox"
    );
    Ok(())
}

#[test]
fn fsck_and_veritysetup_accept_the_root() -> Result<()> {
    let artifacts = Artifacts::build(IMAGE)?;
    let (root, tree) = (
        artifacts.path("root.erofs")?,
        artifacts.path("root.verity")?,
    );
    tool(&["fsck.erofs", &root])?;
    tool(&["veritysetup", "verify", &root, &tree, &artifacts.root_hash])?;
    let wrong = artifacts.root_hash.chars().rev().collect::<String>();
    let refused = bedplate::output(&["tool", "veritysetup", "verify", &root, &tree, &wrong])?;
    ensure!(!refused.status.success(), "veritysetup accepts any hash");
    Ok(())
}

#[test]
fn sgdisk_accepts_the_disk_and_fsck_its_esp() -> Result<()> {
    let artifacts = Artifacts::build(IMAGE)?;
    let disk = artifacts.path("disk.raw")?;
    let verdict = tool(&["sgdisk", "-v", &disk])?;
    ensure!(verdict.contains("No problems found"), "{verdict}");
    let table = tool(&["sgdisk", "-p", &disk])?;
    for label in [
        "esp",
        "slot-a",
        "slot-a-verity",
        "slot-b",
        "slot-b-verity",
        "meta",
        "state",
    ] {
        ensure!(
            table.split_whitespace().any(|word| word == label),
            "no {label} in\n{table}"
        );
    }
    let scratch = tempfile::tempdir()?;
    let esp = scratch.path().join("esp");
    cut_esp(&disk, &esp)?;
    tool(&["fsck.fat", "-n", &esp.display().to_string()])?;
    Ok(())
}

/// Copies the first partition, which begins at 1 MiB.
fn cut_esp(disk: &str, to: &std::path::Path) -> Result<()> {
    let table = tool(&["sgdisk", "-i", "1", disk])?;
    let size = table
        .lines()
        .find_map(|line| line.strip_prefix("Partition size: "));
    let sectors: u64 = size
        .and_then(|s| s.split(' ').next())
        .unwrap_or("")
        .parse()?;
    let mut source = std::fs::File::open(disk)?;
    std::io::Seek::seek(&mut source, std::io::SeekFrom::Start(1 << 20))?;
    let mut part = std::io::Read::take(source, sectors * 512);
    std::io::copy(&mut part, &mut std::fs::File::create(to)?)?;
    Ok(())
}

#[test]
fn zstd_and_skopeo_read_the_bundle() -> Result<()> {
    let artifacts = Artifacts::build(IMAGE)?;
    let bundle = format!("oci:{}:1.0.0-min", artifacts.path("bundle")?);
    let manifest = tool(&["skopeo", "inspect", "--raw", &bundle])?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let digest = manifest["layers"][0]["digest"].as_str().unwrap_or("");
    let blob = format!("bundle/blobs/{}", digest.replace(':', "/"));
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("root.erofs");
    let (frames, to) = (artifacts.path(&blob)?, root.display().to_string());
    tool(&["zstd", "-q", "-d", &frames, "-o", &to])?;
    ensure!(
        std::fs::read(&root)? == std::fs::read(artifacts.path("root.erofs")?)?,
        "the frames are not those of the root image"
    );
    Ok(())
}

#[test]
fn ukify_reads_the_uki_and_finds_the_root_hash() -> Result<()> {
    let artifacts = Artifacts::build(IMAGE)?;
    let sections = tool(&[
        "ukify",
        "--json=short",
        "inspect",
        &artifacts.path(&artifacts.uki)?,
    ])?;
    let sections: serde_json::Value = serde_json::from_str(&sections)?;
    for section in [".osrel", ".cmdline", ".uname", ".initrd", ".linux"] {
        ensure!(
            sections[section]["size"].as_u64() > Some(0),
            "no {section} in {sections}"
        );
    }
    let cmdline = sections[".cmdline"]["text"].as_str().unwrap_or("");
    ensure!(
        cmdline.contains(&format!("bedplate.roothash={}", artifacts.root_hash)),
        "{cmdline}"
    );
    Ok(())
}

#[test]
fn a_second_build_makes_the_same_bytes_in_another_store() -> Result<()> {
    let first = Artifacts::build(IMAGE)?;
    let scratch = tempfile::tempdir()?;
    let out = scratch.path().join("out");
    let blobs = scratch.path().join("store/blobs");
    std::fs::create_dir_all(&blobs)?;
    let path = bedplate::succeed(&["cache", "path"])?;
    for entry in std::fs::read_dir(std::path::Path::new(path.trim()).join("blobs"))? {
        let entry = entry?;
        std::os::unix::fs::symlink(entry.path(), blobs.join(entry.file_name()))?;
    }
    let built = bedplate::command()?
        .env("BEDPLATE_STORE", scratch.path().join("store"))
        .args(["build", IMAGE, "--profile", "min", "--offline", "--out"])
        .arg(&out)
        .output()?;
    ensure!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let again = out.join("lab/min/1.0.0");
    for name in [
        "disk.json",
        "oci/index.json",
        "bundle/index.json",
        "sign-request.json",
    ] {
        let (one, two) = (first.directory.join(name), again.join(name));
        ensure!(
            std::fs::read(&one)? == std::fs::read(&two)?,
            "{name} differs between two builds"
        );
    }
    Ok(())
}
