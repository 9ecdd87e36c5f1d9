//! A process in namespaces of its own: what it sees as `/`, and what it cannot reach.
//!
//! A [`Sandbox`] is a list of mounts prepared before the fork, for between fork and exec nothing
//! may allocate. [`Sandbox::spawn`] carries it out in the child, changes the root there and runs
//! the command. The caller must hold `CAP_SYS_ADMIN` in its user namespace ([`crate::userns`]).
//! Not here: which mounts a tool needs (policy of the builder), overlays ([`crate::overlay`]).

mod child;
mod confine;
mod ids;

use std::{
    ffi::{CString, NulError},
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command},
};

use child::Plan;
use ids::Maps;

pub use rustix::mount::MountFlags;

/// What of the host a sandboxed process shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Mounts are its own; processes, network and IPC are the host's.
    Mounts,
    /// Also its own process ids, network without any link up, IPC objects and host name; and a user
    /// namespace, also where the caller is root: in it the few capabilities that changing files and
    /// users takes, outside none. It gains no privileges and has no terminal.
    ///
    /// The command is process 1 of its namespace: when it ends, all its descendants do.
    Full,
}

/// Why a sandboxed process did not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A path has a zero byte.
    #[error("cannot pass a path to the kernel")]
    Path(#[from] NulError),
    /// A pipe for the child's report could not be made.
    #[error("cannot make a pipe")]
    Pipe(#[source] io::Error),
    /// The ids of the caller cannot be read.
    #[error("cannot read the ids of this process")]
    Maps(#[source] io::Error),
    /// A step of the set-up failed in the child.
    #[error("cannot {step}")]
    Step {
        /// What was being done to what.
        step: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The program could not be executed.
    #[error("cannot run `{program}`")]
    Run {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// One change of the mount namespace; targets are paths before the root is changed.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Directory(CString),
    File(CString),
    Link {
        text: CString,
        at: CString,
    },
    Bind {
        source: CString,
        target: CString,
    },
    Tmpfs(CString),
    Scratch {
        target: CString,
        options: CString,
        flags: MountFlags,
    },
    Proc {
        target: CString,
        options: &'static std::ffi::CStr,
    },
    Move {
        source: CString,
        target: CString,
    },
    Restrict {
        target: CString,
        flags: MountFlags,
    },
}

/// The namespaces and mounts of a process to be.
#[derive(Debug, Clone)]
pub struct Sandbox {
    root: PathBuf,
    isolation: Isolation,
    working_directory: PathBuf,
    steps: Vec<Step>,
    keeps_root: bool,
}

impl Sandbox {
    /// A process that sees what its parent sees, but for the changes that follow; mounts of the parent
    /// come and go in it too.
    ///
    /// It is for [`crate::view`], not for [`Self::spawn`].
    pub fn in_place() -> Self {
        Self {
            keeps_root: true,
            ..Self::empty(Path::new("/"), Isolation::Mounts)
        }
    }

    /// A process whose `/` is the directory `root`, with whatever is mounted below it.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn in_directory(root: &Path, isolation: Isolation) -> Result<Self, SandboxError> {
        let mut sandbox = Self::empty(root, isolation);
        sandbox.steps.push(Step::Bind {
            source: text(root)?,
            target: text(root)?,
        });
        Ok(sandbox)
    }

    /// A process whose `/` is an empty tmpfs that is mounted on `mount_point`.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn in_tmpfs(mount_point: &Path, isolation: Isolation) -> Result<Self, SandboxError> {
        let mut sandbox = Self::empty(mount_point, isolation);
        sandbox.steps.push(Step::Tmpfs(text(mount_point)?));
        Ok(sandbox)
    }

    fn empty(root: &Path, isolation: Isolation) -> Self {
        Self {
            root: root.to_owned(),
            isolation,
            working_directory: PathBuf::from("/"),
            steps: Vec::new(),
            keeps_root: false,
        }
    }

    /// Makes the directory `target` of the new root, unless it is there.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn directory(mut self, target: &str) -> Result<Self, SandboxError> {
        self.steps.push(Step::Directory(self.inside(target)?));
        Ok(self)
    }

    /// Makes the empty file `target` of the new root, unless it is there.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn file(mut self, target: &str) -> Result<Self, SandboxError> {
        self.steps.push(Step::File(self.inside(target)?));
        Ok(self)
    }

    /// Makes the symbolic link `at` of the new root, unless it is there.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn link(mut self, destination: &Path, at: &str) -> Result<Self, SandboxError> {
        let step = Step::Link {
            text: text(destination)?,
            at: self.inside(at)?,
        };
        self.steps.push(step);
        Ok(self)
    }

    /// Shows `source` of the host, with the mounts below it, at `target` of the new root.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn bind(mut self, source: &Path, target: &str) -> Result<Self, SandboxError> {
        let step = Step::Bind {
            source: text(source)?,
            target: self.inside(target)?,
        };
        self.steps.push(step);
        Ok(self)
    }

    /// Mounts an empty tmpfs at `target` of the new root.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn tmpfs(mut self, target: &str) -> Result<Self, SandboxError> {
        self.steps.push(Step::Tmpfs(self.inside(target)?));
        Ok(self)
    }

    /// Mounts an empty tmpfs that everybody may write to, at most `bytes`, at `target` of the new root.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn scratch(self, target: &str, bytes: Option<u64>) -> Result<Self, SandboxError> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        self.scratch_with(target, (bytes, flags))
    }

    /// As [`Self::scratch`], with these flags.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn scratch_with(
        mut self,
        target: &str,
        (bytes, flags): (Option<u64>, MountFlags),
    ) -> Result<Self, SandboxError> {
        let size = bytes.map_or(String::new(), |bytes| format!(",size={bytes}"));
        let step = Step::Scratch {
            target: self.inside(target)?,
            options: CString::new(format!("mode=1777{size}"))?,
            flags,
        };
        self.steps.push(step);
        Ok(self)
    }

    /// Moves the mount at `source` of the new root to `target` of it.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn move_mount(mut self, source: &str, target: &str) -> Result<Self, SandboxError> {
        let (source, target) = (self.inside(source)?, self.inside(target)?);
        self.steps.push(Step::Move { source, target });
        Ok(self)
    }

    /// Mounts a `/proc` at `target` of the new root that shows a process those of its own user alone
    /// (proc(5), `hidepid`); the host's where a fresh one is not allowed.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn own_proc(mut self, target: &str) -> Result<Self, SandboxError> {
        let step = Step::Proc {
            target: self.inside(target)?,
            // Its group is exempt, and is 0 unless it is said: one that nobody has.
            options: c"hidepid=2,gid=4294967294",
        };
        self.steps.push(step);
        Ok(self)
    }

    /// Sets the flags of the mount at `target` of the new root, not of those below it.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn restrict(mut self, target: &str, flags: MountFlags) -> Result<Self, SandboxError> {
        let target = self.inside(target)?;
        self.steps.push(Step::Restrict { target, flags });
        Ok(self)
    }

    /// Mounts `/proc` at `target` of the new root; the host's where a fresh one is not allowed.
    ///
    /// # Errors
    /// A zero byte in the path.
    pub fn proc(mut self, target: &str) -> Result<Self, SandboxError> {
        let step = Step::Proc {
            target: self.inside(target)?,
            options: c"",
        };
        self.steps.push(step);
        Ok(self)
    }

    /// The working directory, as a path of the new root; `/` by default.
    pub fn working_directory(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.working_directory);
        self
    }

    /// What a process of another kind carries out between fork and exec ([`crate::view`]).
    pub(crate) fn mounts(&self) -> Result<Mounts, SandboxError> {
        Ok(Mounts {
            root: text(&self.root)?,
            steps: self.steps.clone(),
            keeps_root: self.keeps_root,
        })
    }

    /// Runs `command` inside.
    ///
    /// The child is killed when the thread that called this ends, so that no build outlives its
    /// builder; call it from a thread that waits for the child.
    ///
    /// # Errors
    /// The step that failed, or the program that could not be executed.
    pub fn spawn(self, mut command: Command) -> Result<Child, SandboxError> {
        let (report, write_end) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(pipe_error)?;
        let plan = Plan {
            isolation: self.isolation,
            maps: Maps::load().map_err(SandboxError::Maps)?,
            root: text(&self.root)?,
            working_directory: text(&self.working_directory)?,
            steps: self.steps.clone(),
            report: write_end,
        };
        // SAFETY: `child::enter` keeps to system calls on memory allocated before the fork.
        unsafe { command.pre_exec(move || child::enter(&plan)) };
        command.spawn().map_err(|source| {
            let program = command.get_program().to_string_lossy().into_owned();
            drop(command);
            self.explain(program, report, source)
        })
    }

    /// Says which step the child reported; `report` ends because no writer is left.
    fn explain(&self, program: String, report: OwnedFd, source: io::Error) -> SandboxError {
        let mut bytes = Vec::new();
        if let Err(unread) = std::fs::File::from(report).read_to_end(&mut bytes) {
            return SandboxError::Pipe(unread);
        }
        match bytes.first() {
            None => SandboxError::Run { program, source },
            Some(&code) => SandboxError::Step {
                step: self.describe(code),
                source,
            },
        }
    }

    /// What the child was doing when it reported `code`.
    pub(crate) fn describe(&self, code: u8) -> String {
        match code {
            child::UNSHARE => "make namespaces (is `CAP_SYS_ADMIN` there?)".to_owned(),
            child::PRIVATE => "make mounts private".to_owned(),
            child::FORK => "fork into the process namespace".to_owned(),
            child::CHANGE_ROOT => format!("change the root to `{}`", self.root.display()),
            child::USERS => "make a user namespace of 65536 ids".to_owned(),
            child::CONFINE => "drop privileges".to_owned(),
            child::ENTER => format!("enter `{}`", self.working_directory.display()),
            step => self
                .steps
                .get(usize::from(step))
                .map_or_else(|| "set up the mounts".to_owned(), Step::describe),
        }
    }

    fn inside(&self, target: &str) -> Result<CString, SandboxError> {
        text(&self.root.join(target.trim_start_matches('/')))
    }
}

impl Step {
    fn describe(&self) -> String {
        match self {
            Self::Directory(path) => format!("make the directory `{}`", path.to_string_lossy()),
            Self::File(path) => format!("make the file `{}`", path.to_string_lossy()),
            Self::Link { at, .. } => format!("make the link `{}`", at.to_string_lossy()),
            Self::Bind { source, target } => {
                let (source, target) = (source.to_string_lossy(), target.to_string_lossy());
                format!("bind `{source}` to `{target}`")
            }
            Self::Tmpfs(path) => format!("mount a tmpfs on `{}`", path.to_string_lossy()),
            Self::Scratch { target, .. } => {
                format!("mount a tmpfs on `{}`", target.to_string_lossy())
            }
            Self::Restrict { target, .. } => {
                format!("restrict the mount on `{}`", target.to_string_lossy())
            }
            Self::Proc { target, .. } => {
                format!("mount `/proc` on `{}`", target.to_string_lossy())
            }
            Self::Move { source, target } => {
                let (source, target) = (source.to_string_lossy(), target.to_string_lossy());
                format!("move the mount on `{source}` to `{target}`")
            }
        }
    }
}

/// The mounts of a sandbox, allocated before the fork.
#[derive(Debug)]
pub(crate) struct Mounts {
    root: CString,
    steps: Vec<Step>,
    keeps_root: bool,
}

impl Mounts {
    /// Gives the calling process mounts of its own, carries the steps out and changes the root: system
    /// calls only, no allocation. A failure has the code that [`Sandbox::describe`] takes.
    pub(crate) fn enter(&self) -> Result<(), (u8, rustix::io::Errno)> {
        child::own_mounts(self.keeps_root)?;
        self.change()
    }

    /// The same in a copy of mounts that were prepared so, which is made first.
    pub(crate) fn enter_copy(&self) -> Result<(), (u8, rustix::io::Errno)> {
        child::copy_mounts()?;
        self.change()
    }

    fn change(&self) -> Result<(), (u8, rustix::io::Errno)> {
        child::carry_out_all(&self.steps)?;
        if self.keeps_root {
            return Ok(());
        }
        child::change_root(&self.root).map_err(|errno| (child::CHANGE_ROOT, errno))
    }
}

/// Whether a failed [`Mounts::enter`] means that this process may have no mounts of its own at all.
pub(crate) fn is_not_allowed((code, errno): (u8, rustix::io::Errno)) -> bool {
    code == child::UNSHARE && errno == rustix::io::Errno::PERM
}

fn text(path: &Path) -> Result<CString, SandboxError> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn pipe_error(errno: rustix::io::Errno) -> SandboxError {
    SandboxError::Pipe(errno.into())
}
