//! The control protocol at its two ends: a unix socket and a virtio-serial port.
//!
//! Requests come out of [`Control::advance`] with the number of their client, answers go in by
//! [`Control::reply`]. Every read and write is non-blocking and bounded: a slow or dead client
//! costs nothing but its own connection. What a request means is not decided here.

mod client;
pub mod names;
mod port;

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
};

use bedplate_contract::control::{Reply, Request};
use bedplate_sys::{poll::Interest, socket};

use client::Client;
use port::Port;

/// Connections at a time; more than an operator, a monitor and their scripts need.
const CLIENTS: usize = 16;

/// What the loop waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A connection.
    Listener,
    /// A client with this number.
    Client(u64),
    /// The virtio-serial port.
    Port,
}

/// All who may ask something.
#[derive(Debug)]
pub struct Control {
    listener: Option<UnixListener>,
    clients: Vec<Client<UnixStream>>,
    port: Port,
    next: u64,
}

impl Control {
    /// Nobody can ask yet, but for a hypervisor; `now` is when the search for its port begins.
    pub fn new(now: u64) -> Self {
        Self {
            listener: None,
            clients: Vec::new(),
            port: Port::new(now),
            next: 0,
        }
    }

    /// Listens on the socket at `path`, in place of what an earlier boot left there.
    ///
    /// # Errors
    /// A directory that cannot be written.
    pub fn listen(&mut self, path: &Path) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        // The peer's user is checked too; the mode spares others the trouble.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        self.listener = Some(listener);
        Ok(())
    }

    /// The descriptors to wait for.
    pub fn watch(&self, now: u64) -> Vec<(Source, BorrowedFd<'_>, Interest)> {
        let mut all = Vec::new();
        if let Some(listener) = &self.listener {
            all.push((Source::Listener, listener.as_fd(), Interest::Read));
        }
        for client in &self.clients {
            let source = Source::Client(client.number());
            let interest = client.interest().into_iter();
            all.extend(interest.map(|interest| (source, client.as_fd(), interest)));
        }
        if let Some((fd, interest)) = self.port.watch(now) {
            all.push((Source::Port, fd, interest));
        }
        all
    }

    /// When the port next needs [`Self::tick`].
    pub fn next_deadline(&self) -> Option<u64> {
        self.port.next_deadline()
    }

    /// Looks for the port, or at it again after its other end was closed.
    pub fn tick(&mut self, now: u64) {
        self.port.tick(now);
    }

    /// Takes what came from `source`: requests, each with its client, in order.
    pub fn advance(&mut self, source: Source, now: u64) -> Vec<(u64, Request)> {
        let (number, requests) = match source {
            Source::Listener => {
                self.accept();
                return Vec::new();
            }
            Source::Port => self.port.advance(now),
            Source::Client(number) => {
                let found = self.clients.iter_mut().find(|c| c.number() == number);
                (number, found.map(Client::advance).unwrap_or_default())
            }
        };
        self.clients.retain(|client| !client.is_over());
        requests
            .into_iter()
            .map(|request| (number, request))
            .collect()
    }

    /// Answers a client; one that has gone meanwhile is not missed.
    pub fn reply(&mut self, number: u64, reply: &Reply) {
        if Port::is_its(number) {
            return self.port.reply(number, reply);
        }
        if let Some(client) = self.clients.iter_mut().find(|c| c.number() == number) {
            client.reply(reply);
        }
        self.clients.retain(|client| !client.is_over());
    }

    fn accept(&mut self) {
        while let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept) {
            let refusal = if self.clients.len() >= CLIENTS {
                Some(format!("{CLIENTS} clients are connected already"))
            } else {
                stranger(&stream)
            };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let mut client = Client::new(self.next, stream);
            // 2^63 connections are more than any machine lives to see.
            self.next = self.next.wrapping_add(1);
            match refusal {
                // Told at once and dropped: it never takes a place.
                Some(reason) => client.reply(&Reply::Refused { reason }),
                None => self.clients.push(client),
            }
        }
    }
}

/// Why the peer may ask nothing.
fn stranger(stream: &UnixStream) -> Option<String> {
    match socket::peer_uid(stream) {
        Ok(0) => None,
        Ok(uid) => Some(format!("expected user 0, found user {uid}")),
        Err(error) => Some(format!("your user cannot be told: {error}")),
    }
}
