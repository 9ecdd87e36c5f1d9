//! One HTTP exchange, of which the status line alone matters.
//!
//! Source: RFC 9112, section 4.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::BorrowedFd,
};

use bedplate_sys::poll::Interest;

use super::{closed, connect::Connecting};

/// Longest status line in bytes; a server that sends more speaks no HTTP.
const STATUS_LINE: usize = 1024;

/// A request and what came back so far.
#[derive(Debug)]
pub(super) struct Exchange {
    connection: Connecting,
    is_connected: bool,
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    status: Option<u16>,
}

impl Exchange {
    pub fn begin(address: SocketAddr, request: Vec<u8>) -> io::Result<Self> {
        Ok(Self {
            connection: Connecting::begin(address)?,
            is_connected: false,
            request,
            sent: 0,
            answer: Vec::new(),
            status: None,
        })
    }

    pub fn watch(&self) -> (BorrowedFd<'_>, Interest) {
        let (fd, write) = self.connection.watch();
        let sent = self.sent >= self.request.len();
        (fd, if sent { Interest::Read } else { write })
    }

    /// Goes as far as the socket lets it; the status once it is known.
    pub fn advance(&mut self) -> io::Result<Option<u16>> {
        if !self.is_connected {
            self.is_connected = self.connection.advance()?;
        }
        match self.transfer() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            result => result.map(|()| self.status),
        }
    }

    fn transfer(&mut self) -> io::Result<()> {
        while self.is_connected && self.sent < self.request.len() {
            self.sent += self.connection.stream().write(&self.request[self.sent..])?;
        }
        while self.is_connected && self.status.is_none() {
            let mut chunk = [0; 256];
            let count = self.connection.stream().read(&mut chunk)?;
            if count == 0 {
                return Err(closed());
            }
            self.answer.extend_from_slice(&chunk[..count]);
            self.status = parse_status(&self.answer)?;
        }
        Ok(())
    }

    /// Whether the status is one of 200 to 399.
    pub fn judge(&self) -> Result<(), String> {
        match self.status {
            Some(200..=399) => Ok(()),
            Some(status) => Err(format!("HTTP status {status}")),
            None => Err(closed().to_string()),
        }
    }
}

/// The status in the first line of `answer`; `None` while the line is not complete.
fn parse_status(answer: &[u8]) -> io::Result<Option<u16>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1");
    let Some(end) = answer.iter().position(|byte| *byte == b'\n') else {
        let open = answer.len() < STATUS_LINE;
        return open.then_some(None).ok_or_else(bad);
    };
    let line = std::str::from_utf8(&answer[..end]).map_err(|_| bad())?;
    let mut words = line.split_ascii_whitespace();
    let version = words
        .next()
        .filter(|version| version.starts_with("HTTP/1."));
    let code = words.next().filter(|code| code.len() == 3);
    match (version, code.and_then(|code| code.parse().ok())) {
        (Some(_), Some(status)) => Ok(Some(status)),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        for (answer, status) in [
            (&b"HTTP/1.1 200 OK\r\nA: b"[..], Some(200)),
            (b"HTTP/1.0 503 \r\n", Some(503)),
            (b"HTTP/1.1 204\n", Some(204)),
            (b"HTTP/1.1 20", None),
            (b"", None),
        ] {
            assert_eq!(parse_status(answer).unwrap(), status, "{answer:?}");
        }
    }

    #[test]
    fn other_answers_are_refused() {
        for answer in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"HTTP/1.1\r\n",
            b"HTTP/1.1 2000 OK\r\n",
            b"\xff\xfe\n",
            &[b'x'; STATUS_LINE],
        ] {
            assert!(parse_status(answer).is_err(), "{answer:?}");
        }
    }
}
