//! One build of the image `lab` that trusts two keys, and copies of it to sign and to tamper with.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};
use bedplate_tests::bedplate;
use serde_json::Value;
use tempfile::TempDir;

/// The image.
pub const IMAGE: &str = "tests/images/lab";
/// What a build leaves for signers and their readers, below its output directory.
const SIGNED: [&str; 3] = ["bundle", "oci", "sign-request.json"];

/// How `bedplate` ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output and error.
    pub said: String,
}

/// A copy of the build, with the keys that it trusts.
#[derive(Debug)]
pub struct Release {
    directory: TempDir,
}

impl Release {
    /// A copy that nobody has signed.
    pub fn new() -> Result<Self> {
        let built = built()?;
        let directory = tempfile::Builder::new()
            .prefix("bedplate-sign-")
            .tempdir()?;
        let release = Self { directory };
        for name in SIGNED {
            copy(
                &built.join("out/lab/min/1.0.1").join(name),
                &release.path("out").join(name),
            )?;
        }
        for name in KEYS
            .iter()
            .flat_map(|(name, _)| [format!("{name}.key"), format!("{name}.pub")])
        {
            fs::copy(built.join(&name), release.path(&name))?;
        }
        Ok(release)
    }

    /// A copy that `key` has signed.
    pub fn signed(key: &str) -> Result<Self> {
        let release = Self::new()?;
        release.succeed(&["sign", "out", "--key", &format!("{key}.key"), "--attach"])?;
        Ok(release)
    }

    /// A file beside the output directory, which is `out`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs `bedplate` beside the output directory.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended> {
        self.run_with(arguments, &[])
    }

    /// As [`Self::run`], with variables of the environment.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Ended> {
        let mut command = bedplate::command()?;
        command.args(arguments).current_dir(&self.directory);
        command.envs(variables.iter().copied());
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended {
            code: output.status.code(),
            said: text(&output.stdout) + &text(&output.stderr),
        })
    }

    /// Runs `bedplate`, which must succeed; returns all that it says.
    pub fn succeed(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.run(arguments)?;
        ensure!(ended.code == Some(0), "{arguments:?}: {ended:?}");
        Ok(ended.said)
    }

    /// Runs `bedplate`, which must end with `code` and say all of `words`, its error once.
    pub fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) -> Result<()> {
        let ended = self.run(arguments)?;
        ensure!(ended.code == Some(code), "expected {code}: {ended:?}");
        for word in words {
            ensure!(ended.said.contains(word), "no {word:?}: {}", ended.said);
        }
        let errors = ended.said.matches("error: ").count();
        ensure!(errors == 1, "not one error: {}", ended.said);
        Ok(())
    }

    /// A JSON document of this release.
    pub fn json(&self, name: &str) -> Result<Value> {
        let text = fs::read_to_string(self.path(name))?;
        serde_json::from_str(&text).with_context(|| format!("reading {name}"))
    }

    /// The blob that `descriptor` names in the layout `layout`.
    pub fn blob(&self, layout: &str, descriptor: &Value) -> Result<PathBuf> {
        let digest = descriptor["digest"].as_str().context("a digest")?;
        let hex = digest.strip_prefix("sha256:").context("SHA-256")?;
        Ok(self.path(layout).join("blobs/sha256").join(hex))
    }

    /// The manifest of the OCI image: its descriptor, and itself.
    pub fn image(&self) -> Result<(Value, Value)> {
        let descriptor = self.json("out/oci/index.json")?["manifests"][0].clone();
        let text = fs::read_to_string(self.blob("out/oci", &descriptor)?)?;
        Ok((descriptor, serde_json::from_str(&text)?))
    }
}

/// Keys that are made: the image trusts the first two.
const KEYS: [(&str, &str); 3] = [
    ("release", "ed25519"),
    ("backup", "ecdsa-p256"),
    ("stranger", "ecdsa-p256"),
];

/// The directory of the build and its keys, made once.
fn built() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<TempDir, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    let directory = built.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(directory.path())
}

fn build() -> Result<TempDir> {
    let directory = tempfile::Builder::new()
        .prefix("bedplate-signing-")
        .tempdir()?;
    let path = |name: &str| directory.path().join(name).display().to_string();
    for (name, algorithm) in KEYS {
        bedplate::succeed(&["key", "generate", &path(name), "--algorithm", algorithm])?;
    }
    let [release, backup, out] = ["release.pub", "backup.pub", "out"].map(path);
    bedplate::succeed(&[
        "build",
        IMAGE,
        "--profile",
        "min",
        "--version",
        "1.0.1",
        "--trust",
        &release,
        "--trust",
        &backup,
        "--out",
        &out,
    ])?;
    Ok(directory)
}

/// Copies a file or directory; nothing is linked, for copies are tampered with.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().context("a parent")?)?;
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
