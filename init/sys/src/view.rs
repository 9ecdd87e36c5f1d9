//! Which mounts a process sees: between fork and exec, system calls only.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read},
    os::fd::AsFd,
};

use nix::libc;
use rustix::{io::Errno, thread::LinkNameSpaceType};

use crate::sandbox::{self, Mounts, Sandbox};

/// Which mounts a process sees.
#[derive(Debug, Default)]
pub enum View {
    /// Those of its parent.
    #[default]
    Parents,
    /// Those of another process.
    Of(Joined),
    /// Its own: a copy of those of `base`, or of its parent's, with the changes of a sandbox; its isolation
    /// and working directory do not count.
    Own {
        /// What [`prepare`] made.
        base: Option<Joined>,
        /// What changes, and the root.
        sandbox: Box<Sandbox>,
    },
}

/// Makes mounts once, for processes to begin with copies of them.
///
/// A process makes them and ends; they stay for as long as the result is held. Waits for it, that is
/// for mounts in memory.
///
/// # Errors
/// `None` in place of words where the caller may have no mounts of its own; else the step that failed.
pub fn prepare(sandbox: &Sandbox) -> Result<Joined, Option<(String, io::Error)>> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error| Some((what, error))
    };
    let mounts = sandbox.mounts();
    let mounts = mounts.map_err(|error| failed("prepare mounts")(io::Error::other(error)))?;
    let pipes = io::pipe().and_then(|told| Ok((told, io::pipe()?)));
    let ((mut told, telling), (waiting, hold)) = pipes.map_err(failed("make a pipe"))?;
    // SAFETY: the child makes system calls alone, on what was allocated before, and ends by `_exit`.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(failed("fork")(io::Error::last_os_error())),
        0 => {
            drop(hold);
            tell_and_wait(&mounts, &telling, &waiting)
        }
        child => child,
    };
    drop((telling, waiting));
    let mut answer = [0; 3];
    let read = told.read_exact(&mut answer);
    let joined = Joined::of(child.unsigned_abs());
    // The child ends with the pipe that it waits for.
    drop(hold);
    // SAFETY: the status is not asked for; the child is this process's own and not yet reaped.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    read.map_err(failed("make mounts"))?;
    match answer {
        [0, ..] => joined.map_err(failed("keep mounts")),
        [_, code, errno] => {
            let errno = Errno::from_raw_os_error(i32::from(errno));
            match sandbox::is_not_allowed((code, errno)) {
                true => Err(None),
                false => Err(Some((sandbox.describe(code), errno.into()))),
            }
        }
    }
}

/// The child of [`prepare`]: says how it went, and stays until it was looked at.
fn tell_and_wait(mounts: &Mounts, telling: &PipeWriter, waiting: &PipeReader) -> ! {
    let answer = match mounts.enter() {
        Ok(()) => [0; 3],
        Err((code, errno)) => [1, code, u8::try_from(errno.raw_os_error()).unwrap_or(0)],
    };
    // A parent that is gone needs no answer.
    let _ = rustix::io::write(telling, &answer);
    let _ = rustix::io::read(waiting, &mut [0]);
    // SAFETY: it ends the process and nothing else.
    unsafe { libc::_exit(0) }
}

/// The view of a process that runs.
#[derive(Debug)]
pub struct Joined {
    mounts: File,
    root: File,
    is_needed: bool,
}

impl Joined {
    /// What process `pid` sees now.
    ///
    /// # Errors
    /// As open(2): it has ended, or may not be looked into (ptrace(2), `PTRACE_MODE_READ`).
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self {
            mounts: File::open(format!("/proc/{pid}/ns/mnt"))?,
            root: File::open(format!("/proc/{pid}/root"))?,
            is_needed: false,
        })
    }

    /// The same, without which the process must not run: it has another root than the caller.
    pub fn needed(self) -> Self {
        Self {
            is_needed: true,
            ..self
        }
    }

    /// The same once more.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            mounts: self.mounts.try_clone()?,
            root: self.root.try_clone()?,
            is_needed: self.is_needed,
        })
    }

    /// Joining alone leads to the root of the namespace, which is another one below a chroot.
    fn enter(&self) -> Result<(), Errno> {
        let mounts = Some(LinkNameSpaceType::Mount);
        rustix::thread::move_into_link_name_space(self.mounts.as_fd(), mounts)?;
        rustix::process::fchdir(&self.root)?;
        rustix::process::chroot(c".")
    }
}

/// A view with all that the child needs, allocated before the fork.
#[derive(Debug)]
pub(crate) enum Prepared {
    Parents,
    Of(Joined),
    Own(Option<Joined>, Mounts),
}

impl View {
    pub(crate) fn prepare(&self) -> io::Result<Prepared> {
        Ok(match self {
            Self::Parents => Prepared::Parents,
            Self::Of(joined) => Prepared::Of(joined.try_clone()?),
            Self::Own { base, sandbox } => {
                let base = base.as_ref().map(Joined::try_clone).transpose()?;
                Prepared::Own(base, sandbox.mounts().map_err(io::Error::other)?)
            }
        })
    }
}

impl View {
    /// What the child was doing when [`Prepared::enter`] failed with `code`, where that says more.
    pub(crate) fn describe(&self, code: u8) -> Option<String> {
        match self {
            Self::Own { sandbox, .. } => Some(sandbox.describe(code)),
            _ => None,
        }
    }
}

impl Prepared {
    /// Changes the view of the calling process; a failure has a code for [`View::describe`].
    ///
    /// A container whose engine keeps `CAP_SYS_ADMIN` to itself has no mounts to give: what is not needed
    /// is left as it is there.
    pub(crate) fn enter(&self) -> Result<(), (u8, Errno)> {
        match self {
            Self::Parents => Ok(()),
            Self::Of(joined) if joined.is_needed => joined.enter().map_err(plain),
            Self::Of(joined) => where_allowed(joined.enter()),
            Self::Own(None, mounts) => mounts.enter(),
            Self::Own(Some(base), mounts) => {
                base.enter().map_err(plain)?;
                mounts.enter_copy()
            }
        }
    }
}

fn where_allowed(entered: Result<(), Errno>) -> Result<(), (u8, Errno)> {
    match entered {
        Err(Errno::PERM) => Ok(()),
        other => other.map_err(plain),
    }
}

fn plain(errno: Errno) -> (u8, Errno) {
    (0, errno)
}
