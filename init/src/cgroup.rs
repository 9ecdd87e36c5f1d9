//! One cgroup per service, with its limits.
//!
//! Source: kernel, Documentation/admin-guide/cgroup-v2.rst.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use bedplate_contract::service::{Limits, Service};

/// Where the unified hierarchy is mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// Controllers that limits need.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// What an upgrade may hold: it reads and writes in pieces, and has few threads.
const UPGRADE_BYTES: u64 = 256 << 20;
const UPGRADE_PIDS: u32 = 64;

/// Microseconds of one `cpu.max` period: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// A cgroup that could not be made or set.
#[derive(Debug, thiserror::Error)]
#[error("{what} `{path}`")]
pub struct CgroupError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The cgroups of all services.
#[derive(Debug, Clone)]
pub struct Cgroups {
    services: PathBuf,
    upgrade: PathBuf,
}

impl Cgroups {
    /// Moves PID 1 into a leaf of its own and makes room for the services.
    ///
    /// # Errors
    /// No cgroup v2, as in some containers: services then run without cgroup and limits.
    pub fn open() -> Result<Self, CgroupError> {
        Self::open_in(Path::new(ROOT))
    }

    fn open_in(root: &Path) -> Result<Self, CgroupError> {
        let available = root.join("cgroup.controllers");
        let available = fs::read_to_string(&available).map_err(failed("reading", &available))?;
        // A cgroup with controllers for its children may hold no process itself.
        let own = root.join("init");
        make(&own)?;
        write(&own.join("cgroup.procs"), "0")?;
        let services = root.join("services");
        make(&services)?;
        for directory in [root, &services] {
            delegate(directory, &available)?;
        }
        let upgrade = root.join("upgrade");
        Ok(Self { services, upgrade })
    }

    /// Makes the cgroup of `service` with its limits; returns its `cgroup.procs` for the process.
    ///
    /// # Errors
    /// A limit that the kernel refuses.
    pub fn prepare(&self, service: &Service) -> Result<File, CgroupError> {
        prepare(&self.services.join(&service.name), &service.limits)
    }

    /// The same for an upgrade, which is no service and has limits of its own.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn prepare_upgrade(&self) -> Result<File, CgroupError> {
        let limits = Limits {
            memory_bytes: Some(UPGRADE_BYTES),
            pids: Some(UPGRADE_PIDS),
            ..Limits::default()
        };
        prepare(&self.upgrade, &limits)
    }

    /// Kills every process in the cgroup of the service called `name`.
    ///
    /// # Errors
    /// A kernel older than 5.14, or no such cgroup.
    pub fn kill(&self, name: &str) -> Result<(), CgroupError> {
        write(&self.services.join(name).join("cgroup.kill"), "1")
    }
}

fn prepare(directory: &Path, limits: &Limits) -> Result<File, CgroupError> {
    make(directory)?;
    for (file, value) in settings(limits) {
        write(&directory.join(file), &value)?;
    }
    let procs = directory.join("cgroup.procs");
    let open = OpenOptions::new().write(true).open(&procs);
    open.map_err(failed("opening", &procs))
}

/// Hands the controllers of `directory` to its children.
fn delegate(directory: &Path, available: &str) -> Result<(), CgroupError> {
    let present = |name: &&str| available.split_ascii_whitespace().any(|word| word == *name);
    let enabled = CONTROLLERS.iter().filter(|name| present(name));
    let words: Vec<_> = enabled.map(|name| format!("+{name}")).collect();
    write(&directory.join("cgroup.subtree_control"), &words.join(" "))
}

/// The files of a cgroup and what is written to them.
fn settings(limits: &Limits) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let Some(bytes) = limits.memory_bytes {
        settings.push(("memory.max", bytes.to_string()));
        // A service of many processes that lost one to the OOM killer is in no known state.
        settings.push(("memory.oom.group", "1".to_owned()));
    }
    if let Some(percent) = limits.cpu_percent {
        let quota = u64::from(percent) * PERIOD_US / 100;
        settings.push(("cpu.max", format!("{quota} {PERIOD_US}")));
    }
    if let Some(pids) = limits.pids {
        settings.push(("pids.max", pids.to_string()));
    }
    settings
}

fn make(directory: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("making", directory)(error))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    fs::write(path, text).map_err(failed("writing", path))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_owned();
    move |source| CgroupError { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_the_words_of_the_kernel() {
        let limits = Limits {
            memory_bytes: Some(1 << 30),
            cpu_percent: Some(150),
            pids: Some(64),
            ..Limits::default()
        };
        let expected = [
            ("memory.max", "1073741824"),
            ("memory.oom.group", "1"),
            ("cpu.max", "150000 100000"),
            ("pids.max", "64"),
        ];
        let found = settings(&limits);
        let found: Vec<_> = found.iter().map(|(f, v)| (*f, v.as_str())).collect();
        assert_eq!(found, expected);
        assert!(settings(&Limits::default()).is_empty());
    }

    #[test]
    fn only_controllers_that_are_there_are_enabled() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cgroup.controllers"), "cpuset cpu pids\n").unwrap();
        Cgroups::open_in(root.path()).unwrap();
        let control = root.path().join("services/cgroup.subtree_control");
        assert_eq!(fs::read_to_string(control).unwrap(), "+cpu +pids");
    }

    #[test]
    fn without_cgroups_it_says_so() {
        let root = tempfile::tempdir().unwrap();
        let error = Cgroups::open_in(root.path()).unwrap_err();
        assert!(error.to_string().starts_with("reading `"));
    }
}
