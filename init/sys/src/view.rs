//! Which mounts a process sees: between fork and exec, system calls only.

use std::{ffi::CString, fs::File, io, os::fd::AsFd};

use rustix::{
    io::Errno,
    mount::{MountFlags, MountPropagationFlags},
    thread::{LinkNameSpaceType, UnshareFlags},
};

use crate::sandbox::{Mounts, Sandbox};

/// What becomes a process's own.
const TARGETS: [&std::ffi::CStr; 2] = [c"/tmp", c"/var/tmp"];

/// Which mounts a process sees.
#[derive(Debug, Default)]
pub enum View {
    /// Those of its parent.
    #[default]
    Parents,
    /// Its own `/tmp` and `/var/tmp`, and the parent's, as they come and go, everywhere else.
    OwnTmp {
        /// What each of the two may hold at most.
        bytes: u64,
    },
    /// Those of another process.
    Of(Joined),
    /// Those of a sandbox, and its root; its isolation and working directory do not count.
    Root(Box<Sandbox>),
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
    OwnTmp(CString),
    Of(Joined),
    Root(Mounts),
}

impl View {
    pub(crate) fn prepare(&self) -> io::Result<Prepared> {
        Ok(match self {
            Self::Parents => Prepared::Parents,
            Self::OwnTmp { bytes } => {
                Prepared::OwnTmp(CString::new(format!("mode=1777,size={bytes}"))?)
            }
            Self::Of(joined) => Prepared::Of(Joined {
                mounts: joined.mounts.try_clone()?,
                root: joined.root.try_clone()?,
                is_needed: joined.is_needed,
            }),
            Self::Root(sandbox) => Prepared::Root(sandbox.mounts().map_err(io::Error::other)?),
        })
    }
}

impl View {
    /// What the child was doing when [`Prepared::enter`] failed with `code`, where that says more.
    pub(crate) fn describe(&self, code: u8) -> Option<String> {
        match self {
            Self::Root(sandbox) => Some(sandbox.describe(code)),
            _ => None,
        }
    }
}

impl Prepared {
    /// Changes the view of the calling process; a failure has a code for [`View::describe`].
    ///
    /// A container whose engine keeps `CAP_SYS_ADMIN` to itself has no mounts to give: its services
    /// share its `/tmp`, as they do without an appliance. A service with a root of its own does not
    /// start there.
    pub(crate) fn enter(&self) -> Result<(), (u8, Errno)> {
        match self {
            Self::Parents => Ok(()),
            Self::OwnTmp(options) => where_allowed(own_tmp(options)),
            Self::Of(joined) if joined.is_needed => joined.enter().map_err(plain),
            Self::Of(joined) => where_allowed(joined.enter()),
            Self::Root(mounts) => mounts.enter(),
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

fn own_tmp(options: &CString) -> Result<(), Errno> {
    // SAFETY: the flags do not unshare file descriptors, the one case that breaks I/O safety.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    // What the parent unmounts later must not stay mounted here.
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", slave)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    for target in TARGETS {
        match rustix::mount::mount(c"tmpfs", target, c"tmpfs", flags, options.as_c_str()) {
            // A root may lack one of them; then nobody writes there.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
