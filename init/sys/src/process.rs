//! Making, signalling and reaping processes.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, Stdio},
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        resource::{Resource, setrlimit},
        signal::{SigSet, Signal, kill, killpg},
        stat::{Mode, umask},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Gid, Pid, Uid, chdir, setgroups, setresgid, setresuid, setsid},
};

mod capability;
mod network;

use crate::{
    seccomp::Filter,
    view::{Prepared, View},
};
use network::Network;

/// A process to be made.
#[derive(Debug)]
pub struct Launch {
    /// Absolute program, then arguments.
    pub run: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Working directory, in its root.
    pub directory: PathBuf,
    /// Who it runs as.
    pub identity: Identity,
    /// What it may hold.
    pub limits: Limits,
    /// `cgroup.procs` of the cgroup that it joins, opened for writing.
    pub cgroup: Option<File>,
    /// Which mounts it sees.
    pub view: View,
    /// Which network it sees.
    pub network: Net,
    /// Which system calls it may make; absent: all.
    pub filter: Option<Filter>,
    /// Where standard output and error go; standard input is `/dev/null`.
    pub output: Option<OwnedFd>,
}

/// Numeric user and groups.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Capabilities that it has and may have, by their bits (capabilities(7)), as far as the caller has
    /// them; all bits leave them alone.
    pub capabilities: u64,
}

/// Which network a process sees.
#[derive(Debug, Default)]
pub enum Net {
    /// That of its parent.
    #[default]
    Parents,
    /// One of its own, with its loopback alone.
    Loopback,
    /// That of another process: its `/proc/PID/ns/net`.
    Of(File),
}

/// Resource limits, soft and hard alike; absent ones are inherited.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// `RLIMIT_NOFILE`.
    pub nofile: Option<u64>,
    /// `RLIMIT_MEMLOCK` in bytes; `u64::MAX` is unlimited.
    pub memlock: Option<u64>,
}

/// Why no process could be made.
#[derive(Debug)]
pub struct LaunchError {
    /// What was being done.
    pub step: Step,
    /// The same in more words, where there are some.
    pub detail: Option<String>,
    /// What the kernel said.
    pub source: io::Error,
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(self.step.words()))
    }
}

impl std::error::Error for LaunchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The steps of a new process, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The pipe that brings the failed step back.
    Pipe,
    /// Default signal mask and file mode mask.
    Masks,
    /// A session of its own.
    Session,
    /// Joining the cgroup.
    Cgroup,
    /// A network of its own.
    Network,
    /// Mounts of its own.
    View,
    /// Resource limits.
    Limits,
    /// Dropping capabilities from the bounding set.
    Capabilities,
    /// User and groups.
    Identity,
    /// No new privileges.
    Privileges,
    /// The working directory.
    Directory,
    /// Closing inherited descriptors.
    Descriptors,
    /// The filter of system calls.
    Filter,
    /// The program itself.
    Exec,
}

impl Step {
    const ALL: [Self; 14] = [
        Self::Pipe,
        Self::Masks,
        Self::Session,
        Self::Cgroup,
        Self::Network,
        Self::View,
        Self::Limits,
        Self::Capabilities,
        Self::Identity,
        Self::Privileges,
        Self::Directory,
        Self::Descriptors,
        Self::Filter,
        Self::Exec,
    ];

    const fn words(self) -> &'static str {
        match self {
            Self::Pipe => "make a pipe",
            Self::Masks => "reset masks",
            Self::Session => "make a session",
            Self::Cgroup => "join the cgroup",
            Self::Network => "make a network of its own",
            Self::View => "make mounts of its own",
            Self::Limits => "set limits",
            Self::Capabilities => "drop capabilities",
            Self::Identity => "become the user",
            Self::Privileges => "give up new privileges",
            Self::Directory => "enter the working directory",
            Self::Descriptors => "close descriptors",
            Self::Filter => "filter system calls",
            Self::Exec => "execute the program",
        }
    }
}

/// Makes the process and returns its id once the program runs.
///
/// Waits for the `exec`, which is bounded by the file system that holds the program. The caller
/// must be single-threaded or hold no lock that the child needs, and reaps by [`reap`].
///
/// # Errors
/// The first step that failed; the child is gone then.
pub fn launch(launch: Launch) -> Result<u32, LaunchError> {
    let at = |step| {
        move |source| LaunchError {
            step,
            detail: None,
            source,
        }
    };
    let (mut failed, failing) = io::pipe().map_err(at(Step::Pipe))?;
    let (program, arguments) = launch.run.split_first().ok_or_else(|| LaunchError {
        step: Step::Exec,
        detail: None,
        source: io::ErrorKind::NotFound.into(),
    })?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&launch.environment);
    command.stdin(Stdio::null());
    command.stdout(stdio(launch.output.as_ref()).map_err(at(Step::Descriptors))?);
    command.stderr(stdio(launch.output.as_ref()).map_err(at(Step::Descriptors))?);
    let child = Child::prepare(&launch).map_err(at(Step::View))?;
    // SAFETY: between fork and exec the closure makes system calls alone; all it needs was
    // allocated before, and `Child` holds no lock.
    unsafe {
        command.pre_exec(move || {
            child.become_service().map_err(|failure| {
                // If this fails, the step is reported as `Exec`; the cause stays right.
                let _ = (&failing).write(&[failure.step as u8, failure.code]);
                failure.source
            })
        });
    }
    let spawned = command.spawn();
    drop(command);
    spawned.map(|child| child.id()).map_err(|source| {
        let mut bytes = [Step::Exec as u8, 0];
        // The write end is closed in parent and child by now; an empty pipe leaves `Exec`.
        let _ = failed.read(&mut bytes);
        let step = Step::ALL.into_iter().find(|step| *step as u8 == bytes[0]);
        let step = step.unwrap_or(Step::Exec);
        let view = Some(&launch.view).filter(|_| step == Step::View);
        LaunchError {
            step,
            detail: view.and_then(|view| view.describe(bytes[1])),
            source,
        }
    })
}

fn stdio(output: Option<&OwnedFd>) -> io::Result<Stdio> {
    output.map_or_else(|| Ok(Stdio::null()), |fd| fd.try_clone().map(Stdio::from))
}

/// What the child needs between fork and exec, allocated before the fork.
struct Child {
    cgroup: Option<File>,
    view: Prepared,
    network: Network,
    filter: Option<Filter>,
    limits: Limits,
    capabilities: u64,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    directory: PathBuf,
}

type StepResult = Result<(), Failure>;

/// What the child tells of a step that failed.
struct Failure {
    step: Step,
    /// Which part of [`Step::View`], as [`View::describe`] takes it.
    code: u8,
    source: io::Error,
}

impl Failure {
    fn of(step: Step, source: impl Into<io::Error>) -> Self {
        Self {
            step,
            code: 0,
            source: source.into(),
        }
    }
}

impl Child {
    fn prepare(launch: &Launch) -> io::Result<Self> {
        let groups = launch.identity.groups.iter().copied();
        Ok(Self {
            view: launch.view.prepare()?,
            network: Network::prepare(&launch.network)?,
            filter: launch.filter.clone(),
            capabilities: launch.identity.capabilities,
            cgroup: launch
                .cgroup
                .as_ref()
                .and_then(|file| file.try_clone().ok()),
            limits: launch.limits,
            uid: Uid::from_raw(launch.identity.uid),
            gid: Gid::from_raw(launch.identity.gid),
            groups: groups.map(Gid::from_raw).collect(),
            directory: launch.directory.clone(),
        })
    }

    /// Privileges go last: each step but the working directory needs root, and that one must be
    /// entered with the rights of the user. The cgroup is joined, through the descriptor, before the
    /// root is another one.
    fn become_service(&self) -> StepResult {
        step(Step::Masks, SigSet::empty().thread_set_mask())?;
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
        step(Step::Session, setsid())?;
        if let Some(procs) = &self.cgroup {
            // "0" is the writing process itself (cgroup-v2.rst).
            let mut procs = procs;
            procs
                .write_all(b"0")
                .map_err(|error| Failure::of(Step::Cgroup, error))?;
        }
        step(Step::Network, self.network.enter())?;
        self.view.enter().map_err(|(code, errno)| Failure {
            code,
            ..Failure::of(Step::View, errno)
        })?;
        step(Step::Limits, self.limit())?;
        step(Step::Capabilities, capability::bound(self.capabilities))?;
        step(Step::Identity, setgroups(&self.groups))?;
        step(Step::Identity, setresgid(self.gid, self.gid, self.gid))?;
        // Leaving uid 0 also empties the permitted, effective and ambient sets (capabilities(7)).
        step(Step::Identity, setresuid(self.uid, self.uid, self.uid))?;
        step(Step::Capabilities, capability::keep(self.capabilities))?;
        step(Step::Privileges, nix::sys::prctl::set_no_new_privs())?;
        step(Step::Directory, chdir(&self.directory))?;
        step(Step::Descriptors, close_on_exec_from(3))?;
        // Last: it may deny what the steps before it need.
        match &self.filter {
            Some(filter) => step(Step::Filter, filter.install()),
            None => Ok(()),
        }
    }

    fn limit(&self) -> nix::Result<()> {
        if let Some(files) = self.limits.nofile {
            setrlimit(Resource::RLIMIT_NOFILE, files, files)?;
        }
        if let Some(bytes) = self.limits.memlock {
            setrlimit(Resource::RLIMIT_MEMLOCK, bytes, bytes)?;
        }
        Ok(())
    }
}

fn step<T>(step: Step, result: nix::Result<T>) -> StepResult {
    result.map(drop).map_err(|errno| Failure::of(step, errno))
}

/// Marks every descriptor from `first` on; they stay open until the `exec` has succeeded, for its
/// failure is reported through one of them.
fn close_on_exec_from(first: libc::c_uint) -> nix::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: with CLOSE_RANGE_CLOEXEC no descriptor is closed under its owner; it sets a flag.
    Errno::result(unsafe { libc::close_range(first, libc::c_uint::MAX, flags) }).map(drop)
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It returned this status.
    Status(i32),
    /// This signal killed it.
    Signal(i32),
}

/// What [`reap_any`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// A child that has ended.
    Process(u32, Ended),
    /// Children that have not.
    Later,
    /// No child at all.
    Nothing,
}

/// Reaps one ended child, own or adopted, without waiting.
pub fn reap_any() -> Reaped {
    loop {
        let status = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG));
        let (pid, ended) = match status {
            Ok(WaitStatus::Exited(pid, status)) => (pid, Ended::Status(status)),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, Ended::Signal(signal as i32)),
            Ok(WaitStatus::StillAlive) => return Reaped::Later,
            Ok(_) | Err(Errno::EINTR) => continue,
            // ECHILD.
            Err(_) => return Reaped::Nothing,
        };
        return Reaped::Process(pid.as_raw().unsigned_abs(), ended);
    }
}

/// Reaps one ended child, own or adopted; `None` when there is none.
pub fn reap() -> Option<(u32, Ended)> {
    match reap_any() {
        Reaped::Process(pid, ended) => Some((pid, ended)),
        Reaped::Later | Reaped::Nothing => None,
    }
}

/// Sends signal number `signal` to one process.
///
/// # Errors
/// An unknown signal; a process that is gone.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    kill(own_pid(pid)?, Signal::try_from(signal)?).map_err(io::Error::from)
}

/// Sends `SIGKILL` to the process group that process `leader` leads.
///
/// # Errors
/// A group that is gone.
pub fn kill_group(leader: u32) -> io::Result<()> {
    killpg(own_pid(leader)?, Signal::SIGKILL).map_err(io::Error::from)
}

/// Sends `SIGKILL` to every process of the pid namespace but the caller.
///
/// # Errors
/// `ESRCH` when there is none.
pub fn kill_all() -> io::Result<()> {
    kill(Pid::from_raw(-1), Signal::SIGKILL).map_err(io::Error::from)
}

/// A pid as the kernel wants it; 0 and negative ones would mean many processes.
fn own_pid(pid: u32) -> io::Result<Pid> {
    let raw = i32::try_from(pid).ok().filter(|raw| *raw > 0);
    raw.map(Pid::from_raw)
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
