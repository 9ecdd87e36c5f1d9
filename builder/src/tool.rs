//! Programs that the builder runs: the only place that spawns a process.
//!
//! A [`Tools`] is a root of unpacked packages; its programs see it as `/usr` and `/etc`, and the
//! host's other directories where they are, so host paths in arguments stay valid. Every command
//! line goes to the observer ([`observe`]); output is captured, and an error carries the end of
//! stderr. Not here: which packages make up a set (the lock), how they are unpacked (`layer`).

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
};

use bedplate_contract::Digest;
use bedplate_sys::sandbox::{Isolation, Sandbox, SandboxError};

use crate::{
    layer::unpack::{self, UnpackError},
    plan,
    resolve::lock::Lock,
    store::{Store, StoreError},
};

/// Version of what [`Tools::assemble`] makes; part of the key.
pub const VERSION: u32 = 1;
/// Bytes of stderr kept in an error.
const STDERR_LIMIT: usize = 1024;
/// Top-level directories that belong to the tools, not to the host.
const OWN: [&str; 6] = ["usr", "etc", "bin", "lib", "lib64", "sbin"];

/// A program that could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The set is not in the lock.
    #[error("expected a set `{0}` in the lock, found none")]
    NoSet(String),
    /// The tools could not be unpacked.
    #[error("cannot unpack the tools")]
    Unpack(#[from] UnpackError),
    /// The store refused.
    #[error("cannot keep the tools")]
    Store(#[from] StoreError),
    /// The root of the host cannot be listed.
    #[error("cannot list `/`")]
    HostRoot(#[source] io::Error),
    /// The sandbox could not be described.
    #[error("cannot set up a sandbox for the tools")]
    Sandbox(#[source] SandboxError),
    /// It did not start.
    #[error("cannot start `{line}`")]
    Start {
        /// The command line.
        line: String,
        /// The cause.
        #[source]
        source: SandboxError,
    },
    /// Its output could not be read.
    #[error("cannot read the output of `{line}`")]
    Wait {
        /// The command line.
        line: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It ended with an error.
    #[error("`{line}` failed ({status}): {stderr}")]
    Failed {
        /// The command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// The last KiB of what it said.
        stderr: String,
    },
}

/// Told of every command line before it runs.
static OBSERVER: OnceLock<fn(&str)> = OnceLock::new();

/// Sets the observer of command lines; the first call counts.
pub fn observe(observer: fn(&str)) {
    // A second caller keeps the first observer: lines are never lost, only not said twice.
    let _kept = OBSERVER.set(observer);
}

/// An unpacked set of tools.
#[derive(Debug, Clone)]
pub struct Tools {
    step: PathBuf,
}

impl Tools {
    /// The tools of a set of the lock, unpacked into the store unless they are there.
    ///
    /// The packages must have been fetched: their blobs are read, by digest.
    ///
    /// # Errors
    /// No such set, or a package that cannot be unpacked.
    pub fn assemble(lock: &Lock, set: &str, store: &Store) -> Result<Self, ToolError> {
        let digests: Vec<Digest> = lock.set(set).map(|package| package.sha256).collect();
        if digests.is_empty() {
            return Err(ToolError::NoSet(set.to_owned()));
        }
        let key = plan::tools(lock, set).key;
        let step = store.realize::<ToolError>(&key, |step| {
            let root = step.join("root");
            make_directory(&root)?;
            make_directory(&step.join("mount"))?;
            let debs = digests.iter().map(|digest| store.sound_blob(digest));
            let debs = debs.collect::<Result<Vec<_>, _>>()?;
            unpack::skeleton(&root)?;
            Ok(unpack::unpack(&debs, &root)?)
        })?;
        Ok(Self { step })
    }

    /// The root of the unpacked packages, to read files from.
    pub fn root(&self) -> PathBuf {
        self.step.join("root")
    }

    /// A program of the tools, found in their `/usr/bin` or `/usr/sbin`.
    ///
    /// # Errors
    /// The host's root cannot be listed.
    pub fn command(&self, program: &str) -> Result<Tool, ToolError> {
        let sandbox = self.sandbox()?.working_directory(&working_directory());
        Ok(Tool::new(program, Some(sandbox)).env("PATH", "/usr/sbin:/usr/bin"))
    }

    fn sandbox(&self) -> Result<Sandbox, ToolError> {
        let mount_point = self.step.join("mount");
        let mut sandbox =
            Sandbox::in_tmpfs(&mount_point, Isolation::Mounts).map_err(ToolError::Sandbox)?;
        for name in OWN {
            let path = self.root().join(name);
            sandbox = show(sandbox, &path, name).map_err(ToolError::Sandbox)?;
        }
        for entry in fs::read_dir("/").map_err(ToolError::HostRoot)? {
            let entry = entry.map_err(ToolError::HostRoot)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !OWN.contains(&name.as_str()) {
                sandbox = show(sandbox, &entry.path(), &name).map_err(ToolError::Sandbox)?;
            }
        }
        Ok(sandbox)
    }
}

/// The caller's, unless it lies where the tools have their own directories.
fn working_directory() -> PathBuf {
    let hidden = |path: &PathBuf| {
        OWN.iter()
            .any(|name| path.starts_with(Path::new("/").join(name)))
    };
    let current = std::env::current_dir().ok();
    current
        .filter(|path| !hidden(path))
        .unwrap_or_else(|| PathBuf::from("/"))
}

/// A directory is bound, a link copied; files at the top level are of no use to a tool.
fn show(sandbox: Sandbox, path: &Path, name: &str) -> Result<Sandbox, SandboxError> {
    match fs::read_link(path) {
        Ok(destination) => sandbox.link(&destination, name),
        Err(_) if path.is_dir() => sandbox.directory(name)?.bind(path, name),
        Err(_) => Ok(sandbox),
    }
}

fn make_directory(path: &Path) -> Result<(), ToolError> {
    fs::create_dir(path)
        .map_err(|source| StoreError::new("make the directory", path, source).into())
}

/// A program with its arguments, about to run.
#[derive(Debug)]
pub struct Tool {
    command: Command,
    sandbox: Option<Sandbox>,
}

/// What a program that succeeded wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// All of stdout.
    pub stdout: Vec<u8>,
    /// All of stderr.
    pub stderr: Vec<u8>,
}

impl Tool {
    /// A program of the host, such as `gpgv`, outside any sandbox.
    pub fn host(program: impl AsRef<OsStr>) -> Self {
        Self::new(program, None)
    }

    /// A program in a sandbox, with an environment that starts out empty.
    pub fn sandboxed(sandbox: Sandbox, program: &str) -> Self {
        let mut tool = Self::new(program, Some(sandbox));
        tool.command.env_clear();
        tool
    }

    fn new(program: impl AsRef<OsStr>, sandbox: Option<Sandbox>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self { command, sandbox }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    pub fn current_dir(mut self, path: &Path) -> Self {
        match self.sandbox {
            Some(sandbox) => self.sandbox = Some(sandbox.working_directory(path)),
            None => {
                self.command.current_dir(path);
            }
        }
        self
    }

    /// Sets where input comes from; nowhere by default.
    pub fn stdin(mut self, input: impl Into<Stdio>) -> Self {
        self.command.stdin(input);
        self
    }

    /// The command line, for people.
    pub fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        words.join(" ")
    }

    /// Runs it to its end and captures what it writes.
    ///
    /// # Errors
    /// It does not start, or does not end with status 0.
    pub fn run(self) -> Result<Output, ToolError> {
        let line = self.line();
        let mut tool = self;
        tool.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = tool.start(&line)?;
        let output = child.wait_with_output().map_err(|source| ToolError::Wait {
            line: line.clone(),
            source,
        })?;
        if !output.status.success() {
            return Err(ToolError::Failed {
                line,
                status: output.status,
                stderr: tail(&output.stderr),
            });
        }
        Ok(Output {
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    /// Starts it with the streams as `configure` sets them; the caller waits for it.
    ///
    /// The child is killed when the calling thread ends.
    ///
    /// # Errors
    /// It does not start.
    pub fn spawn(mut self, configure: impl FnOnce(&mut Command)) -> Result<Child, ToolError> {
        let line = self.line();
        configure(&mut self.command);
        self.start(&line)
    }

    fn start(mut self, line: &str) -> Result<Child, ToolError> {
        if let Some(observer) = OBSERVER.get() {
            observer(line);
        }
        let started = match self.sandbox {
            Some(sandbox) => sandbox.spawn(self.command),
            None => self.command.spawn().map_err(|source| SandboxError::Run {
                program: self.command.get_program().to_string_lossy().into_owned(),
                source,
            }),
        };
        started.map_err(|source| ToolError::Start {
            line: line.to_owned(),
            source,
        })
    }
}

/// The last [`STDERR_LIMIT`] bytes of a text, from the start of a line where there is one.
fn tail(bytes: &[u8]) -> String {
    let start = bytes.len().saturating_sub(STDERR_LIMIT);
    let text = String::from_utf8_lossy(&bytes[start..]);
    let text = text.trim();
    match text.split_once('\n') {
        Some((_, lines)) if start > 0 => lines.to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_stderr_is_kept() {
        let long = "x".repeat(2000) + "\nlast line\n";
        for (text, wanted) in [("", ""), ("one\n", "one"), (long.as_str(), "last line")] {
            assert_eq!(tail(text.as_bytes()), wanted);
        }
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error = Tool::host("sh")
            .args(["-c", "echo no >&2; exit 3"])
            .run()
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit status: 3") && text.ends_with("no"),
            "{text}"
        );
        let missing = Tool::host("no-such-program").run().unwrap_err();
        assert_eq!(missing.to_string(), "cannot start `no-such-program`");
    }
}
