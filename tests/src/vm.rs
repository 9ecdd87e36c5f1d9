//! Appliances in QEMU: each boot is one run of `bedplate run` on a disk that is kept.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bedplate_contract::event::Event;
use tempfile::TempDir;

use crate::bedplate;

/// A machine with a disk of its own.
#[derive(Debug)]
pub struct Vm {
    image: String,
    directory: TempDir,
}

/// One boot, after the machine went down.
#[derive(Debug)]
pub struct Boot {
    /// Exit code of `bedplate run`.
    pub code: Option<i32>,
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
        bedplate::succeed(&["build", image, "--profile", "min"])?;
        let directory = tempfile::Builder::new().prefix("bedplate-vm-").tempdir()?;
        Ok(Self {
            image: image.to_owned(),
            directory,
        })
    }

    /// The image's directory, relative to the workspace.
    pub fn image(&self) -> &str {
        &self.image
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
        let log = self.directory.path().join("console.log");
        let run = bedplate::command()?
            .args([
                "run",
                &self.image,
                "--profile",
                "min",
                "--until",
                "healthy",
                "--story",
            ])
            .arg("--disk")
            .arg(self.disk())
            .arg("--serial-log")
            .arg(&log)
            .args(["--timeout", &timeout_secs.to_string(), "--memory", "1024"])
            // Tests run side by side: each takes a port that is free.
            .args(["--port", "0:8080", "--accelerator", "tcg"])
            .output()?;
        let talk = String::from_utf8_lossy(&run.stderr).into_owned();
        let console = fs::read_to_string(&log).with_context(|| format!("no console: {talk}"))?;
        let events = console.lines().filter_map(Event::parse).collect();
        Ok(Boot {
            code: run.status.code(),
            events,
            console,
        })
    }

    /// The disk as it comes from the build.
    ///
    /// # Errors
    /// The image is not built.
    pub fn artifact(&self) -> Result<PathBuf> {
        let path =
            bedplate::succeed(&["build", &self.image, "--profile", "min", "--print", "disk"])?;
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
