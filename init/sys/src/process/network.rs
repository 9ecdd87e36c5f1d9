//! A network of its own: between fork and exec, system calls only.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    libc,
    sched::{CloneFlags, setns, unshare},
};

use super::Net;

/// [`Net`], allocated before the fork.
#[derive(Debug)]
pub(super) enum Network {
    Parents,
    Loopback,
    Of(File),
}

impl Network {
    pub(super) fn prepare(net: &Net) -> io::Result<Self> {
        Ok(match net {
            Net::Parents => Self::Parents,
            Net::Loopback => Self::Loopback,
            Net::Of(file) => Self::Of(file.try_clone()?),
        })
    }

    pub(super) fn enter(&self) -> nix::Result<()> {
        match self {
            Self::Parents => Ok(()),
            Self::Of(file) => setns(file, CloneFlags::CLONE_NEWNET),
            Self::Loopback => unshare(CloneFlags::CLONE_NEWNET).and_then(|()| raise_loopback()),
        }
    }
}

/// netdevice(7): a new network has `lo`, and it is down.
fn raise_loopback() -> nix::Result<()> {
    // SAFETY: socket(2) takes numbers alone.
    let socket = Errno::result(unsafe {
        libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)
    })?;
    // SAFETY: the descriptor is new, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: a request of zeros is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads the request, which outlives the call.
    let set = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(set).map(drop)
}
