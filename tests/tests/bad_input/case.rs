//! One definition that is made wrong, with its profile and outputs.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};
use bedplate_tests::bedplate;
use tempfile::TempDir;

/// Where the artifacts of the definition go, below its directory.
const OUT: &str = "out/lab/min/1.0.0";
/// What an earlier build put there, as far as these tests care.
const EARLIER: &str = "earlier.txt";
/// What [`Case::build`] runs.
pub const BUILD: [&str; 7] = ["build", ".", "--profile", "min", "--out", "out", "--locked"];

/// A definition in a directory of its own: the image `lab` with the profile `min`.
#[derive(Debug)]
pub struct Case {
    directory: TempDir,
    store: PathBuf,
}

/// How `bedplate` ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard error.
    pub said: String,
}

/// A build that nothing disturbed.
#[derive(Debug)]
pub struct Good {
    /// The lock, which fits every case that asks for the same packages.
    pub lock: String,
    /// `disk.json`, which has the digests of the artifacts.
    pub document: String,
}

impl Case {
    /// The definition as it should be, with an earlier output, on the store of all tests.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("bedplate-bad-").tempdir()?;
        let case = Self {
            store: shared_store()?,
            directory,
        };
        for (from, to) in [
            ("tests/images/lab/image.toml", "image.toml"),
            ("profiles/min.toml", "profiles/min.toml"),
        ] {
            case.write(to, &fs::read_to_string(bedplate::workspace().join(from))?)?;
        }
        case.write(&format!("{OUT}/{EARLIER}"), "as it was")?;
        Ok(case)
    }

    /// The same with the lock of [`good`].
    pub fn locked() -> Result<Self> {
        let case = Self::new()?;
        case.write("bedplate.lock", &good()?.lock)?;
        Ok(case)
    }

    /// Uses another store from now on.
    pub fn with_store(self, store: &Path) -> Self {
        let store = store.to_owned();
        Self { store, ..self }
    }

    /// A path below the definition's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file below the definition's directory.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().context("a parent")?)?;
        Ok(fs::write(path, text)?)
    }

    /// Replaces `from`, which must be there, by `to`.
    pub fn edit(&self, name: &str, from: &str, to: &str) -> Result<()> {
        let text = fs::read_to_string(self.path(name))?;
        ensure!(text.contains(from), "no {from:?} in {name}");
        self.write(name, &text.replacen(from, to, 1))
    }

    /// `bedplate` in the definition's directory.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = bedplate::command()?;
        command
            .args(arguments)
            .current_dir(&self.directory)
            .env("BEDPLATE_STORE", &self.store);
        Ok(command)
    }

    /// Runs `bedplate`, which must end with `code`, say all of `words`, print its error once, and
    /// leave the output as it was.
    pub fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) -> Result<()> {
        let ended = Ended::from(self.command(arguments)?.output()?);
        ended.expect(code, words)?;
        self.untouched()
    }

    /// Builds, which must succeed, and returns `disk.json`.
    pub fn build(&self) -> Result<String> {
        let ended = Ended::from(self.command(&BUILD)?.output()?);
        ensure!(ended.code == Some(0), "{ended:?}");
        self.document()
    }

    /// `disk.json` of the output.
    pub fn document(&self) -> Result<String> {
        Ok(fs::read_to_string(self.path(OUT).join("disk.json"))?)
    }

    /// Whether the output directory holds the earlier output and nothing else.
    pub fn untouched(&self) -> Result<()> {
        let found = files(&self.path("out"))?;
        let earlier = self.path(OUT).join(EARLIER);
        ensure!(found == [earlier.as_path()], "in the output: {found:?}");
        ensure!(fs::read_to_string(earlier)? == "as it was");
        Ok(())
    }
}

impl Ended {
    /// Checks the exit code and the words, and that no line of the error is there twice.
    pub fn expect(&self, code: i32, words: &[&str]) -> Result<()> {
        ensure!(self.code == Some(code), "expected {code}: {self:?}");
        for word in words {
            ensure!(self.said.contains(word), "no {word:?}: {}", self.said);
        }
        let errors = self.said.matches("error: ").count();
        ensure!(errors == 1, "not one error: {}", self.said);
        Ok(())
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Every file below `directory`; an empty directory counts as one.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    if found.is_empty() {
        found.push(directory.to_owned());
    }
    Ok(found)
}

/// Builds the definition as it should be, once.
pub fn good() -> Result<&'static Good> {
    static GOOD: OnceLock<Result<Good, String>> = OnceLock::new();
    let built = GOOD.get_or_init(|| build_good().map_err(|error| format!("{error:#}")));
    built.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn build_good() -> Result<Good> {
    let case = Case::new()?;
    let ended = Ended::from(case.command(&BUILD[..6])?.output()?);
    ensure!(ended.code == Some(0), "{ended:?}");
    Ok(Good {
        lock: fs::read_to_string(case.path("bedplate.lock"))?,
        document: case.document()?,
    })
}

/// The store of all tests.
pub fn shared_store() -> Result<PathBuf> {
    let path = bedplate::succeed(&["cache", "path"])?;
    Ok(PathBuf::from(path.trim()))
}

/// A store beside the one of all tests, with its downloads and nothing else: a file system that
/// takes layers.
pub fn fresh_store() -> Result<TempDir> {
    let shared = shared_store()?;
    let parent = shared.parent().context("a parent")?;
    let fresh = tempfile::Builder::new()
        .prefix("bedplate-store-")
        .tempdir_in(parent)?;
    link_downloads(fresh.path())?;
    Ok(fresh)
}

/// The same with all that builds made: what follows makes only what is asked for anew.
pub fn warm_store() -> Result<TempDir> {
    let fresh = fresh_store()?;
    let steps = shared_store()?.join("steps");
    fs::create_dir(fresh.path().join("steps"))?;
    for entry in fs::read_dir(steps)? {
        let entry = entry?;
        let link = fresh.path().join("steps").join(entry.file_name());
        symlink(entry.path(), link)?;
    }
    Ok(fresh)
}

/// Links what [`good`] fetched into the store at `store`.
pub fn link_downloads(store: &Path) -> Result<()> {
    let blobs = shared_store()?.join("blobs");
    fs::create_dir_all(store.join("blobs"))?;
    let lock: toml::Table = good()?.lock.parse()?;
    let packages = lock["package"].as_array().context("packages")?;
    for package in packages {
        let digest = package["sha256"].as_str().context("a digest")?;
        let name = digest.trim_start_matches("sha256:");
        // The set that runs QEMU is locked but not fetched.
        if blobs.join(name).exists() {
            symlink(blobs.join(name), store.join("blobs").join(name))?;
        }
    }
    Ok(())
}
