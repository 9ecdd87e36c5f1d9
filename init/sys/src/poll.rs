//! Waiting for descriptors, by `poll(2)`.
//!
//! The caller names its descriptors afresh each time, so that no registration can get out of step
//! with what is open. PID 1 watches some tens of them; `epoll` pays from hundreds on.

use std::{io, os::fd::BorrowedFd};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// What a descriptor is waited for; hang-ups and errors always count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes, a connection or the end.
    Read,
    /// Room.
    Write,
    /// Either.
    Both,
}

/// A descriptor to wait for, under a token that the caller understands.
#[derive(Debug)]
pub struct Wait<'fd, T> {
    /// Returned when the descriptor is ready.
    pub token: T,
    /// The descriptor.
    pub fd: BorrowedFd<'fd>,
    /// For what.
    pub interest: Interest,
}

/// Waits until a descriptor is ready or `timeout_ms` have gone by, for ever without one.
///
/// Returns the tokens of what is ready, in the order of `waits`; none after the time-out and after
/// a signal handler ran.
///
/// # Errors
/// A closed descriptor, or no memory.
pub fn wait<T: Copy>(waits: &[Wait<'_, T>], timeout_ms: Option<u64>) -> io::Result<Vec<T>> {
    let mut fds: Vec<_> = waits
        .iter()
        .map(|w| PollFd::new(w.fd, flags(w.interest)))
        .collect();
    match poll(&mut fds, timeout(timeout_ms)) {
        Err(Errno::EINTR) => return Ok(Vec::new()),
        result => result?,
    };
    let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
    let pairs = waits.iter().zip(&fds);
    Ok(pairs
        .filter(|(_, fd)| ready(fd))
        .map(|(w, _)| w.token)
        .collect())
}

const fn flags(interest: Interest) -> PollFlags {
    match interest {
        Interest::Read => PollFlags::POLLIN,
        Interest::Write => PollFlags::POLLOUT,
        Interest::Both => PollFlags::POLLIN.union(PollFlags::POLLOUT),
    }
}

/// Longer than `poll` can count is as good as its longest, for the caller looks at the clock again.
fn timeout(ms: Option<u64>) -> PollTimeout {
    ms.map_or(PollTimeout::NONE, |ms| {
        PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, os::fd::AsFd};

    #[test]
    fn only_what_is_ready_is_named() {
        let (quiet, _held) = io::pipe().unwrap();
        let (loud, mut writer) = io::pipe().unwrap();
        writer.write_all(b"x").unwrap();
        let read = |token, fd| Wait {
            token,
            fd,
            interest: Interest::Read,
        };
        let waits = [read('q', quiet.as_fd()), read('l', loud.as_fd())];
        assert_eq!(wait(&waits, Some(1000)).unwrap(), ['l']);
        assert_eq!(wait(&waits[..1], Some(0)).unwrap(), []);
    }
}
