//! One connection: lines in, lines out.

use std::{
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
};

use bedplate_contract::control::{MAX_REQUEST, Reply, Request};
use bedplate_sys::poll::Interest;

/// Bytes of answers that wait for a client to read them; one that lets them pile up is dropped.
///
/// The longest answer is 1000 log lines.
const BACKLOG: usize = 1 << 20;

/// A peer with its unread requests and unsent answers.
#[derive(Debug)]
pub(super) struct Client<S> {
    number: u64,
    stream: S,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Requests that are not answered yet: an upgrade takes minutes.
    owed: usize,
    state: Link,
}

/// What a connection is still good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Both ways.
    Open,
    /// The rest of the answers.
    Closing,
    /// Nothing.
    Over,
}

impl<S: Read + Write + AsFd> Client<S> {
    /// `stream` must be non-blocking.
    pub fn new(number: u64, stream: S) -> Self {
        Self {
            number,
            stream,
            input: Vec::new(),
            output: Vec::new(),
            owed: 0,
            state: Link::Open,
        }
    }

    pub const fn number(&self) -> u64 {
        self.number
    }

    /// What to wait for; `None` for a peer that has said its last and is owed an answer: its end is
    /// ready all the time.
    pub fn interest(&self) -> Option<Interest> {
        match (self.state, self.output.is_empty()) {
            (Link::Open, true) => Some(Interest::Read),
            (Link::Open, false) => Some(Interest::Both),
            (Link::Closing, true) if self.owed > 0 => None,
            (Link::Closing | Link::Over, _) => Some(Interest::Write),
        }
    }

    /// Whether the peer says nothing more.
    pub fn is_silent(&self) -> bool {
        self.state != Link::Open
    }

    /// Whether the connection may be dropped.
    pub fn is_over(&self) -> bool {
        match self.state {
            Link::Open => false,
            Link::Closing => self.output.is_empty() && self.owed == 0,
            Link::Over => true,
        }
    }

    /// Forgets the peer, for a stream that the next one speaks on too.
    pub fn reset(&mut self) {
        self.input.clear();
        self.output.clear();
        self.owed = 0;
        self.state = Link::Open;
    }

    /// Takes back that the peer says nothing more; false where the stream itself is broken.
    pub fn resume(&mut self) -> bool {
        if self.state == Link::Closing {
            self.state = Link::Open;
        }
        self.state == Link::Open
    }

    /// Sends what waits and takes what came.
    pub fn advance(&mut self) -> Vec<Request> {
        self.send();
        if self.state != Link::Open {
            return Vec::new();
        }
        let mut chunk = [0; MAX_REQUEST];
        match self.stream.read(&mut chunk) {
            // Whoever half-closes after asking still gets the answer.
            Ok(0) => self.state = Link::Closing,
            Ok(count) => self.input.extend_from_slice(&chunk[..count]),
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.state = Link::Over,
        }
        self.take_lines()
    }

    fn take_lines(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(request) => {
                    self.owed = self.owed.saturating_add(1);
                    requests.push(request);
                }
                Err(_) if line.trim_ascii().is_empty() => {}
                Err(error) => self.refuse(format!("no request: {error}")),
            }
        }
        if self.input.len() > MAX_REQUEST {
            self.input = Vec::new();
            self.refuse(format!("a request is longer than {MAX_REQUEST} bytes"));
            self.state = Link::Closing;
        }
        requests
    }

    fn refuse(&mut self, reason: String) {
        self.put(&Reply::Refused { reason });
    }

    /// Answers a request, as far as the peer takes it now; the rest waits.
    pub fn reply(&mut self, reply: &Reply) {
        self.owed = self.owed.saturating_sub(1);
        self.put(reply);
    }

    fn put(&mut self, reply: &Reply) {
        // Replies are strings, numbers and lists, which always serialize.
        let Ok(mut line) = serde_json::to_vec(reply) else {
            return;
        };
        line.push(b'\n');
        if self.output.len().saturating_add(line.len()) > BACKLOG {
            self.state = Link::Over;
            return;
        }
        self.output.extend_from_slice(&line);
        self.send();
    }

    fn send(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) if count > 0 => drop(self.output.drain(..count)),
                Err(error) if is_temporary(&error) => return,
                Ok(_) | Err(_) => {
                    self.state = Link::Over;
                    return;
                }
            }
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

impl<S: AsFd> AsFd for Client<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Client<UnixStream>, UnixStream) {
        let (own, peer) = UnixStream::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        (Client::new(1, own), peer)
    }

    fn answer(peer: &mut UnixStream) -> String {
        peer.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        let count = peer.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn requests_may_come_in_pieces_and_together() {
        let (mut client, mut peer) = pair();
        peer.write_all(b"{\"request\":\"sta").unwrap();
        assert!(client.advance().is_empty());
        peer.write_all(b"tus\"}\n\n{\"request\":\"report\"}\n")
            .unwrap();
        assert_eq!(client.advance(), [Request::Status, Request::Report]);
    }

    #[test]
    fn nonsense_is_refused_and_the_connection_stays() {
        let (mut client, mut peer) = pair();
        peer.write_all(b"{}\n").unwrap();
        assert!(client.advance().is_empty());
        assert!(answer(&mut peer).contains("refused"));
        assert!(!client.is_over());
    }

    #[test]
    fn an_endless_line_ends_the_connection() {
        let (mut client, mut peer) = pair();
        peer.write_all(&[b'x'; MAX_REQUEST * 2]).unwrap();
        client.advance();
        client.advance();
        assert!(answer(&mut peer).contains("longer than"));
        assert!(client.is_over());
    }

    #[test]
    fn a_client_that_never_reads_is_dropped() {
        let (mut client, _peer) = pair();
        let lines = vec!["x".repeat(100_000)];
        for _ in 0..30 {
            client.reply(&Reply::Logs {
                lines: lines.clone(),
            });
        }
        assert!(client.is_over());
    }

    #[test]
    fn whoever_closes_after_asking_is_answered() {
        let (mut client, mut peer) = pair();
        peer.write_all(b"{\"request\":\"status\"}\n").unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.advance(), [Request::Status]);
        client.advance();
        assert!(!client.is_over(), "an answer is owed");
        assert_eq!(client.interest(), None);
        client.reply(&Reply::Done);
        assert_eq!(answer(&mut peer), "{\"reply\":\"done\"}\n");
        client.advance();
        assert!(client.is_over());
    }
}
