//! An image with one backup, and the program that works on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use bedplate_contract::{
    Appliance,
    backup::{Backup, Content, Manifest},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with the image's document, `archives` and whatever a case puts there.
pub struct Bench {
    directory: TempDir,
}

/// A shell command.
pub fn shell(text: &str) -> Vec<String> {
    ["/bin/sh", "-c", text].map(str::to_owned).into()
}

impl Bench {
    /// An image whose backup `data` has the content that `content` makes of the directory.
    pub fn new(content: impl FnOnce(&Path) -> Content) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("archives")).unwrap();
        let bench = Self { directory };
        bench.declare(content(&bench.path("")), 7 * 86_400);
        bench
    }

    /// Writes the document of an image with this backup.
    pub fn declare(&self, content: Content, keep_seconds: u64) {
        let mut appliance: Appliance = serde_json::from_value(document()).unwrap();
        appliance.backups = vec![Backup {
            name: "data".to_owned(),
            service: "backup-data".to_owned(),
            directory: self.path("archives").display().to_string(),
            content,
            keep_seconds,
            stops: Vec::new(),
        }];
        fs::write(self.path("appliance.json"), appliance.encode()).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bedplatectl"));
        command.arg("--appliance").arg(self.path("appliance.json"));
        command.args(line.split(' '));
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs what must succeed; returns what it printed.
    pub fn good(&self, line: &str) -> String {
        let output = self.run(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must fail; returns what it complained of.
    pub fn bad(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Names of all files below `archives`, in order.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("archives")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// What `backup list` shows.
    pub fn list(&self) -> Vec<Manifest> {
        let text = self.good("--json backup list");
        let mut value: Value = serde_json::from_str(&text).unwrap();
        serde_json::from_value(value["archives"].take()).unwrap()
    }

    /// Makes an archive look as if it had been made `seconds` earlier; returns its new name.
    pub fn age(&self, archive: &Manifest, seconds: u64) -> String {
        let mut older = archive.clone();
        older.time = bedplate_contract::utc::Time::new(archive.time.seconds() - seconds);
        older.archive = bedplate_contract::backup::archive_name(older.time);
        let file = |name: &str, end: &str| self.path(&format!("archives/{name}.{end}"));
        fs::rename(file(&archive.archive, "zst"), file(&older.archive, "zst")).unwrap();
        fs::remove_file(file(&archive.archive, "json")).unwrap();
        fs::write(file(&older.archive, "json"), older.encode()).unwrap();
        older.archive
    }

    /// Waits until a file whose name ends so is there.
    pub fn wait_for(&self, end: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.files().iter().any(|name| name.ends_with(end)) {
            assert!(Instant::now() < until, "no file `{end}`");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn document() -> Value {
    json!({
        "schema": 1, "name": "test", "version": "1.2", "profile": "min",
        "network": { "hostname": "test", "mode": "none" },
        "services": [],
        "gate": { "deadline_ms": 1, "stable_for_ms": 1 },
        "log": { "max_bytes": 1, "keep": 1, "lines_per_second": 1 },
    })
}
