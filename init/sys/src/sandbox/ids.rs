//! The user namespace of a sandbox: its root is nobody outside, whoever the caller is.
//!
//! Source: user_namespaces(7). The namespace is entered last, together with a copy of the mounts, which
//! are locked in it: nothing that was mounted before can be taken away or changed. Ids are the same
//! inside and outside, so that files have the same owners whether root builds or an ordinary user. A
//! map of more than one id must be written by a process of the namespace above: the one that waits.

use std::{
    fs,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
};

use nix::libc;
use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
    pipe::PipeFlags,
    thread::UnshareFlags,
};

/// The ids that packages count on: 0 to 65535 ([`crate::userns`]).
const IDS: u64 = 65_536;

/// The maps of the namespace, as they are written.
#[derive(Debug, Clone)]
pub(super) struct Maps {
    users: Vec<u8>,
    groups: Vec<u8>,
}

impl Maps {
    /// Each id of the caller as itself.
    ///
    /// # Errors
    /// The caller's own maps cannot be read.
    pub(super) fn load() -> io::Result<Self> {
        let read = |path| Ok::<_, io::Error>(same_ids(&fs::read_to_string(path)?).into_bytes());
        Ok(Self {
            users: read("/proc/self/uid_map")?,
            groups: read("/proc/self/gid_map")?,
        })
    }
}

/// A map of ids to themselves: a line for each of `map`, for a range may not span two of them.
fn same_ids(map: &str) -> String {
    let line = |line: &str| {
        let mut fields = line.split_whitespace().map(str::parse::<u64>);
        let (first, count) = (fields.next()?.ok()?, fields.nth(1)?.ok()?);
        let count = count.min(IDS.checked_sub(first)?);
        (count > 0).then(|| format!("{first} {first} {count}\n"))
    };
    map.lines().filter_map(line).collect()
}

/// What the process and the one that waits for it tell each other.
#[derive(Debug)]
pub(super) struct Mapping {
    /// `/proc` of the caller, which the new root hides.
    proc: OwnedFd,
    /// The namespace is there.
    made: (OwnedFd, OwnedFd),
    /// Its ids are mapped.
    mapped: (OwnedFd, OwnedFd),
}

impl Mapping {
    /// Prepares it, before the fork.
    pub(super) fn new() -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            proc: rustix::fs::openat(CWD, c"/proc", flags, Mode::empty())?,
            made: rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?,
            mapped: rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?,
        })
    }

    /// Enters the namespace. A map that could not be written is `EPERM`.
    pub(super) fn enter(self) -> Result<(), Errno> {
        let (mapped, other_end) = self.mapped;
        drop(other_end);
        let flags = UnshareFlags::NEWUSER | UnshareFlags::NEWNS;
        // SAFETY: the flags do not unshare file descriptors, the one case that breaks I/O safety.
        unsafe { rustix::thread::unshare_unsafe(flags) }?;
        rustix::io::write(&self.made.1, b"1")?;
        match read_one(&mapped)? {
            true => Ok(()),
            false => Err(Errno::PERM),
        }
    }

    /// Maps the ids of `child` once it is in its namespace; its end is an answer too.
    pub(super) fn serve(self, maps: &Maps, child: libc::pid_t) {
        let (made, other_end) = self.made;
        drop(other_end);
        let there = read_one(&made).unwrap_or(false);
        if there && write_maps(&self.proc, maps, child).is_ok() {
            // A child that is gone needs no answer.
            let _gone = rustix::io::write(&self.mapped.1, b"1");
        }
    }
}

/// Whether a byte came before the other side closed its end.
fn read_one(from: &OwnedFd) -> Result<bool, Errno> {
    let mut byte = [0];
    loop {
        match rustix::io::read(from, &mut byte) {
            Err(Errno::INTR) => {}
            other => return Ok(other? == 1),
        }
    }
}

fn write_maps(proc: &OwnedFd, maps: &Maps, child: libc::pid_t) -> Result<(), Errno> {
    for (name, text) in [("gid_map", &maps.groups), ("uid_map", &maps.users)] {
        let mut path = [0_u8; 32];
        // The rest of the buffer is the zero that ends the path.
        write!(&mut path[..31], "{child}/{name}").map_err(|_| Errno::NAMETOOLONG)?;
        let path = std::ffi::CStr::from_bytes_until_nul(&path).map_err(|_| Errno::INVAL)?;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let map = rustix::fs::openat(proc.as_fd(), path, flags, Mode::empty())?;
        rustix::io::write(&map, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_mapped_to_themselves() {
        for (map, expected) in [
            ("         0          0 4294967295\n", "0 0 65536\n"),
            ("0 1000 1\n1 100000 65535\n", "0 0 1\n1 1 65535\n"),
            ("0 1000 1\n1 100000 70000\n", "0 0 1\n1 1 65535\n"),
            ("0 0 1\n70000 5 5\n", "0 0 1\n"),
            ("", ""),
        ] {
            assert_eq!(same_ids(map), expected, "{map}");
        }
    }
}
