//! Checks in flight: each a small machine that the event loop drives and that never blocks.
//!
//! [`Checks::begin`] starts one, [`Checks::watch`] names what it waits for, [`Checks::advance`] and
//! [`Checks::expire`] drive it, and each ends as exactly one [`Ended`]. Counting and thresholds are
//! the core's ([`crate::decide`]).

mod connect;
mod exec;
mod http;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::BorrowedFd,
    path::Path,
};

use bedplate_sys::{poll::Interest, process::Ended as ProcessEnd};

use crate::decide::{ProbeKind, ServiceId};
use connect::Connecting;
pub use exec::{Output, Program};
use http::Exchange;
pub use http::Request;

/// Why a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A probe asked.
    Probe(ProbeKind),
    /// The service waits for the condition at this place.
    Await(usize),
    /// The service is asked to end.
    Stop,
}

/// Who asked for a check, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Whose check.
    pub service: ServiceId,
    /// Of which run.
    pub run: u32,
    /// For what.
    pub purpose: Purpose,
}

/// A check that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Who asked.
    pub asker: Asker,
    /// Whether it is good; an error says why not.
    pub outcome: Result<(), String>,
    /// What is to be said of a good one.
    pub warning: Option<String>,
}

impl Ended {
    /// A check that is over, with nothing else to be said of it.
    pub const fn new(asker: Asker, outcome: Result<(), String>) -> Self {
        Self {
            asker,
            outcome,
            warning: None,
        }
    }
}

/// What a check does.
#[derive(Debug)]
pub enum Method {
    /// Connects.
    Tcp(SocketAddr),
    /// Connects, sends this request and reads the answer.
    Http(Request),
    /// A program that was made for it.
    Exec(Program),
}

/// All checks in flight.
#[derive(Debug, Default)]
pub struct Checks {
    running: Vec<Check>,
}

#[derive(Debug)]
struct Check {
    asker: Asker,
    deadline: u64,
    machine: Machine,
}

#[derive(Debug)]
enum Machine {
    Tcp(Connecting),
    Http(Exchange),
    Exec(Program),
}

impl Checks {
    /// Begins a check that must end by `deadline`; one that ends at once is returned.
    pub fn begin(&mut self, asker: Asker, method: Method, deadline: u64) -> Option<Ended> {
        let machine = match method {
            Method::Tcp(address) => Connecting::begin(address).map(Machine::Tcp),
            Method::Http(request) => Exchange::begin(request).map(Machine::Http),
            Method::Exec(program) => Ok(Machine::Exec(program)),
        };
        match machine {
            Err(error) => Some(Ended::new(asker, Err(words(&error)))),
            Ok(machine) => {
                self.running.push(Check {
                    asker,
                    deadline,
                    machine,
                });
                None
            }
        }
    }

    /// The descriptors that checks wait for, each with the place of its check.
    pub fn watch(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>, Interest)> {
        let places = self.running.iter().enumerate();
        places.filter_map(|(at, check)| {
            let (fd, interest) = match &check.machine {
                Machine::Tcp(connecting) => connecting.watch(),
                Machine::Http(exchange) => exchange.watch(),
                Machine::Exec(program) => (program.watch()?, Interest::Read),
            };
            Some((at, fd, interest))
        })
    }

    /// Drives the checks at `places`, as [`Self::watch`] numbered them.
    pub fn advance(&mut self, places: &[usize]) -> Vec<Ended> {
        let mut ended = Vec::new();
        // From the back, so that removing one does not renumber those to come.
        for at in places.iter().rev() {
            let outcome = self.running.get_mut(*at).and_then(Check::advance);
            if let Some(outcome) = outcome {
                let asker = self.running.swap_remove(*at).asker;
                let (outcome, warning) = match outcome {
                    Ok(warning) => (Ok(()), warning),
                    Err(why) => (Err(why), None),
                };
                ended.push(Ended {
                    asker,
                    outcome,
                    warning,
                });
            }
        }
        ended
    }

    /// Ends the checks that are past their deadline, their processes too.
    pub fn expire(&mut self, now: u64) -> Vec<Ended> {
        let late = self.running.extract_if(.., |check| check.deadline <= now);
        late.map(|mut check| {
            check.end();
            let late = check.late();
            Ended::new(check.asker, Err(late))
        })
        .collect()
    }

    /// Takes the end of a process; `None` when no check made it.
    pub fn reaped(&mut self, pid: u32, end: ProcessEnd) -> Option<Ended> {
        let mut checks = self.running.iter_mut().enumerate();
        let (at, outcome) = checks.find_map(|(at, check)| match &mut check.machine {
            Machine::Exec(program) if program.pid == pid => Some((at, program.judge(end))),
            _ => None,
        })?;
        let asker = self.running.swap_remove(at).asker;
        Some(Ended::new(asker, outcome))
    }

    /// Ends all checks of a service; none of them is reported.
    pub fn cancel(&mut self, service: ServiceId) {
        let own = |check: &mut Check| check.asker.service == service;
        self.running
            .extract_if(.., own)
            .for_each(|check| check.end());
    }

    /// When the next check is late.
    pub fn next_deadline(&self) -> Option<u64> {
        self.running.iter().map(|check| check.deadline).min()
    }
}

impl Check {
    /// One step; the outcome once there is one, a warning in a good one.
    fn advance(&mut self) -> Option<Result<Option<String>, String>> {
        let step = match &mut self.machine {
            Machine::Tcp(connecting) => connecting.advance().map(|done| done.then_some(Ok(None))),
            Machine::Http(exchange) => exchange.advance(),
            Machine::Exec(program) => {
                program.output.drain();
                Ok(None)
            }
        };
        step.unwrap_or_else(|error| Some(Err(words(&error))))
    }

    /// Why it is late; a program may have said what it waits for.
    fn late(&mut self) -> String {
        let how = "no answer in time".to_owned();
        match &mut self.machine {
            Machine::Exec(program) => program.with_words(how),
            Machine::Tcp(_) | Machine::Http(_) => how,
        }
    }

    /// Sockets end with the check; a process must be told.
    fn end(&self) {
        if let Machine::Exec(program) = &self.machine {
            program.end();
        }
    }
}

/// A numeric address with its port.
///
/// # Errors
/// A name: PID 1 resolves none.
pub fn socket_address(address: &str, port: u16) -> Result<SocketAddr, String> {
    let ip: Result<IpAddr, _> = address.parse();
    ip.map(|ip| SocketAddr::new(ip, port))
        .map_err(|_| format!("expected a numeric address, found `{address}`"))
}

/// Whether anything is at `path`, a link that leads nowhere included; an error says why not.
///
/// # Errors
/// What the file system says.
pub fn exists(path: &Path) -> Result<(), String> {
    let found = path.symlink_metadata();
    found.map(drop).map_err(|error| words(&error))
}

/// An error in the middle of a sentence: `connection refused`, without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let (text, _) = text.split_once(" (os error").unwrap_or((&text, ""));
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// The error for a peer that closed too early.
fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the connection was closed before an answer",
    )
}
