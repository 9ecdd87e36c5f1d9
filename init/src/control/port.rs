//! The virtio-serial port over which a hypervisor asks.
//!
//! Source: kernel, Documentation/ABI/testing/sysfs-class-virtio-ports; drivers/char/virtio_console.c.

use std::{
    fs::{self, File, OpenOptions},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
};

use bedplate_contract::{
    control::{Reply, Request},
    layout,
};
use bedplate_sys::poll::Interest;

use super::client::Client;

/// Where the kernel lists ports with their names.
const SYSFS: &str = "/sys/class/virtio-ports";

/// `O_NONBLOCK`.
const NONBLOCK: i32 = 0o4000;

/// Milliseconds for which a port is looked for: its name comes some time after its driver.
const SEARCH_MS: u64 = 60_000;

/// Milliseconds between two looks, for the port and for its other end.
const PAUSE_MS: u64 = 500;

/// Milliseconds for which an end of the other side may be that of the client before.
///
/// The kernel learns of ends on one queue and of bytes on another: the request of a new client may be
/// read before the end of the last one is seen, and its answer cannot be written until then.
const GRACE_MS: u64 = 2_000;

/// The bit that tells the numbers of the port's clients from those of connections.
const NUMBERS: u64 = 1 << 63;

/// The port with the number of whoever speaks on it now.
///
/// Each that opens its other end is another client: an answer that comes late must not reach one
/// that never asked.
#[derive(Debug)]
pub(super) struct Port {
    link: Link,
    number: u64,
    /// When the last request was read.
    asked: u64,
}

/// The port, as far as it is known.
#[derive(Debug)]
enum Link {
    /// It has not shown up yet; the next look and the last one.
    Sought { next: u64, last: u64 },
    /// There is none.
    Absent,
    /// It is open; it rests until that time after its other end was closed.
    Open { client: Client<File>, rests: u64 },
}

impl Port {
    pub const fn new(now: u64) -> Self {
        let link = Link::Sought {
            next: now,
            last: now.saturating_add(SEARCH_MS),
        };
        Self {
            link,
            number: NUMBERS,
            asked: now,
        }
    }

    pub fn watch(&self, now: u64) -> Option<(BorrowedFd<'_>, Interest)> {
        match &self.link {
            // A port whose other end is closed is ready all the time: it must not be polled.
            Link::Open { client, rests } if *rests <= now => {
                Some((client.as_fd(), client.interest()?))
            }
            _ => None,
        }
    }

    pub const fn next_deadline(&self) -> Option<u64> {
        match &self.link {
            Link::Sought { next, .. } => Some(*next),
            Link::Open { rests, .. } if *rests > 0 => Some(*rests),
            _ => None,
        }
    }

    pub fn tick(&mut self, now: u64) {
        match &mut self.link {
            Link::Sought { next, last } if *next <= now => {
                let last = *last;
                self.link = match open() {
                    Some(client) => Link::Open { client, rests: 0 },
                    None if now >= last => Link::Absent,
                    None => Link::Sought {
                        next: now.saturating_add(PAUSE_MS),
                        last,
                    },
                };
            }
            Link::Open { rests, .. } if *rests <= now => *rests = 0,
            _ => {}
        }
    }

    /// Requests, all of the client with this number.
    pub fn advance(&mut self, now: u64) -> (u64, Vec<Request>) {
        let number = self.number;
        let Link::Open { client, rests } = &mut self.link else {
            return (number, Vec::new());
        };
        let requests = client.advance();
        if !requests.is_empty() {
            self.asked = now;
        }
        if client.is_silent() {
            *rests = now.saturating_add(PAUSE_MS);
            if now < self.asked.saturating_add(GRACE_MS) && client.resume() {
                return (number, requests);
            }
            // Nobody is there, or whoever was is gone: the next one begins with a clean line.
            client.reset();
            self.number = number.wrapping_add(1) | NUMBERS;
        }
        (number, requests)
    }

    /// Whether `number` is that of some client of the port, now or earlier.
    pub const fn is_its(number: u64) -> bool {
        number & NUMBERS != 0
    }

    pub fn reply(&mut self, number: u64, reply: &Reply) {
        if let Link::Open { client, .. } = &mut self.link
            && number == self.number
        {
            client.reply(reply);
        }
    }
}

fn open() -> Option<Client<File>> {
    let node = find(Path::new(SYSFS), layout::CONTROL_PORT)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(NONBLOCK);
    let file = options.open(node).ok()?;
    Some(Client::new(NUMBERS, file))
}

/// The node of the port called `name`.
fn find(sysfs: &Path, name: &str) -> Option<PathBuf> {
    let mut ports = fs::read_dir(sysfs).ok()?.flatten();
    let port = ports.find(|port| {
        let found = fs::read_to_string(port.path().join("name"));
        found.is_ok_and(|found| found.trim() == name)
    })?;
    Some(Path::new("/dev").join(port.file_name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_by_name() {
        let sysfs = tempfile::tempdir().unwrap();
        for (node, name) in [
            ("vport0p1", "org.qemu.guest_agent.0\n"),
            ("vport1p2", "x\n"),
        ] {
            fs::create_dir(sysfs.path().join(node)).unwrap();
            fs::write(sysfs.path().join(node).join("name"), name).unwrap();
        }
        let found = find(sysfs.path(), "x");
        assert_eq!(found, Some(PathBuf::from("/dev/vport1p2")));
        assert_eq!(find(sysfs.path(), "y"), None);
    }

    /// A port on which a request waits to be read.
    fn asked_for_status(path: &Path) -> Port {
        fs::write(path, "{\"request\":\"status\"}\n").unwrap();
        let file = OpenOptions::new().read(true).append(true).open(path);
        Port {
            link: Link::Open {
                client: Client::new(NUMBERS, file.unwrap()),
                rests: 0,
            },
            number: NUMBERS,
            asked: 0,
        }
    }

    #[test]
    fn a_late_answer_reaches_no_other_client() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("port");
        let mut port = asked_for_status(&path);
        let (first, requests) = port.advance(0);
        assert_eq!(requests, [Request::Status]);
        assert!(Port::is_its(first));
        // The end of the file stands for the other end that was closed: soon after a request it
        // may have been that of the client before.
        assert!(port.advance(1).1.is_empty());
        assert_eq!(port.number, first);
        assert!(port.advance(GRACE_MS).1.is_empty());
        port.reply(first, &Reply::Done);
        assert!(!fs::read_to_string(&path).unwrap().contains("done"));
        let second = port.number;
        assert_ne!(first, second);
        port.reply(second, &Reply::Done);
        assert!(fs::read_to_string(&path).unwrap().contains("done"));
    }

    #[test]
    fn whoever_asks_before_the_end_of_the_last_is_seen_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("port");
        let mut port = asked_for_status(&path);
        let (number, _) = port.advance(5_000);
        port.advance(5_001);
        port.reply(number, &Reply::Done);
        assert!(fs::read_to_string(&path).unwrap().contains("done"));
    }

    #[test]
    fn the_search_ends() {
        let mut port = Port::new(0);
        let mut now = 0;
        while let Some(next) = port.next_deadline() {
            assert!(now <= SEARCH_MS + PAUSE_MS);
            now = next;
            port.tick(now);
        }
        assert!(matches!(port.link, Link::Absent | Link::Open { .. }));
    }
}
