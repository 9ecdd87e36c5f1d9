//! Signals as a descriptor that can be polled.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use nix::sys::{
    signal::{SigSet, Signal as Number},
    signalfd::{SfdFlags, SignalFd},
};

/// A signal that PID 1 acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `SIGCHLD`: some child ended.
    Child,
    /// `SIGTERM`.
    Terminate,
    /// `SIGINT`: Ctrl-Alt-Del, once the kernel is told to send it.
    Interrupt,
    /// `SIGPWR`: the power fails.
    Power,
}

const NUMBERS: [(Number, Signal); 4] = [
    (Number::SIGCHLD, Signal::Child),
    (Number::SIGTERM, Signal::Terminate),
    (Number::SIGINT, Signal::Interrupt),
    (Number::SIGPWR, Signal::Power),
];

/// The signals of [`Signal`], blocked and queued for reading.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals in this thread and opens their descriptor.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn block() -> io::Result<Self> {
        let set: SigSet = NUMBERS.iter().map(|(number, _)| *number).collect();
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&set, flags)?))
    }

    /// The next queued signal.
    pub fn next(&self) -> Option<Signal> {
        let info = self.0.read_signal().ok().flatten()?;
        let same = |number: Number| u32::try_from(number as i32) == Ok(info.ssi_signo);
        let mut known = NUMBERS.iter();
        known
            .find(|(number, _)| same(*number))
            .map(|(_, signal)| *signal)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
