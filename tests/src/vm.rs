//! Appliances in QEMU: each boot is one run of `bedplate run` on a disk that is kept.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bedplate_contract::event::Event;
use tempfile::TempDir;

use crate::{bedplate, release::Release};

/// Memory of a machine that is followed over its boots.
const MEMORY_MIB: u32 = 2048;
/// Two machines run at once on two cores. With more threads than cores, QEMU 10 was seen to lose the
/// timer of a guest's second CPU: the kernel says so ("timer wakeup didn't happen ... on cpu=1"), for
/// ever, and never gets to PID 1.
const CPUS: u32 = 1;

/// A machine with a disk of its own.
#[derive(Debug)]
pub struct Vm {
    /// The image and its options, as every verb takes them.
    image: Vec<OsString>,
    memory_mib: u32,
    cpus: u32,
    directory: TempDir,
}

/// One boot, after the machine went down.
#[derive(Debug)]
pub struct Boot {
    /// Exit code of `bedplate run`.
    pub code: Option<i32>,
    /// What `bedplate run` said itself.
    pub talk: String,
    /// Every event of the console.
    pub events: Vec<Event>,
    /// The whole console.
    pub console: String,
}

impl Vm {
    /// A machine for an image directory, relative to the workspace; the image is built if need be.
    ///
    /// # Errors
    /// The build fails.
    pub fn new(image: &str) -> Result<Self> {
        Self::of_profile(image, "min")
    }

    /// As [`Vm::new`], for another profile than `min`.
    ///
    /// # Errors
    /// The build fails.
    pub fn of_profile(image: &str, profile: &str) -> Result<Self> {
        bedplate::succeed(&["build", image, "--profile", profile])?;
        Self::of_image([image, "--profile", profile].map(OsString::from).to_vec())
    }

    /// The same machine with so much memory and so many virtual CPUs.
    pub fn with(self, memory_mib: u32, cpus: u32) -> Self {
        Self {
            memory_mib,
            cpus,
            ..self
        }
    }

    /// A machine that is provisioned with a release.
    ///
    /// # Errors
    /// No temporary directory.
    pub fn of(release: &Release) -> Result<Self> {
        Self::of_image(release.arguments())
    }

    fn of_image(image: Vec<OsString>) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("bedplate-vm-").tempdir()?;
        Ok(Self {
            image,
            memory_mib: MEMORY_MIB,
            cpus: CPUS,
            directory,
        })
    }

    /// What `bedplate run` is told of image and disk.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = self.image.clone();
        let cpus = self.cpus.to_string();
        arguments.extend(["--accelerator", "tcg", "--cpus", &cpus, "--disk"].map(OsString::from));
        arguments.push(self.disk().into());
        arguments
    }

    /// Its memory.
    pub const fn memory_mib(&self) -> u32 {
        self.memory_mib
    }

    /// A file of this machine.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The raw disk; there after the first boot.
    pub fn disk(&self) -> PathBuf {
        self.path("disk.raw")
    }

    /// Boots until the boot has a verdict, then powers off.
    ///
    /// # Errors
    /// `bedplate run` cannot be started or leaves no console.
    pub fn boot(&self, timeout_secs: u32) -> Result<Boot> {
        self.boot_with(timeout_secs, &[] as &[&str])
    }

    /// As [`Vm::boot`], with more arguments of `bedplate run`.
    ///
    /// # Errors
    /// As [`Vm::boot`].
    pub fn boot_with(&self, timeout_secs: u32, more: &[impl AsRef<OsStr>]) -> Result<Boot> {
        let log = self.directory.path().join("console.log");
        let run = bedplate::command()?
            .arg("run")
            .args(self.arguments())
            .args(["--until", "healthy", "--story", "--memory", "1024"])
            .arg("--serial-log")
            .arg(&log)
            .args(["--timeout", &timeout_secs.to_string()])
            // Tests run side by side: each takes a port that is free.
            .args(["--port", "0:8080"])
            .args(more)
            .output()?;
        let talk = String::from_utf8_lossy(&run.stderr).into_owned();
        let console = fs::read_to_string(&log).with_context(|| format!("no console: {talk}"))?;
        let events = console.lines().filter_map(Event::parse).collect();
        Ok(Boot {
            code: run.status.code(),
            talk,
            events,
            console,
        })
    }

    /// The disk as it comes from the build.
    ///
    /// # Errors
    /// The image is not built.
    pub fn artifact(&self) -> Result<PathBuf> {
        let mut arguments = vec![OsString::from("build")];
        arguments.extend(self.image.clone());
        arguments.extend(["--print", "disk"].map(OsString::from));
        let path = bedplate::succeed(&arguments)?;
        Ok(bedplate::workspace().join(Path::new(path.trim())))
    }
}

impl Boot {
    /// The first event of that name.
    pub fn event(&self, name: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.name == name)
    }

    /// What a failed assertion shows: the end of the console.
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.console.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}
