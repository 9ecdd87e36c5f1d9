//! One request and its reply over the control socket.
//!
//! Never waits longer than [`DEADLINE`]: the program is most needed when PID 1 is not well.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use bedplate_contract::control::{Reply, Request};

/// From the first attempt to connect to the last byte of the reply. PID 1 answers from memory or
/// from a few blocks of disk within milliseconds; ten seconds mean that it will not.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Longest reply that is read: a thousand lines of logs of 4 KiB each.
pub const MAX_REPLY: usize = 4 << 20;

/// Bytes of a bad reply that an error shows.
const EXCERPT: usize = 80;

/// A reply, and the line that it came as.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The line without its newline.
    pub line: String,
    /// What it says.
    pub reply: Reply,
}

/// A request that got no reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No socket.
    #[error("found no control socket at `{}`: is this an appliance?", .0.display())]
    Absent(PathBuf),
    /// The socket's mode or the peer check says no.
    #[error("not allowed to use the control socket `{}`: only root is", .0.display())]
    NotRoot(PathBuf),
    /// A socket that nobody listens on.
    #[error("nobody listens on the control socket `{}`: init has died or is another's", .0.display())]
    Dead(PathBuf),
    /// Any other failure to connect.
    #[error("cannot connect to the control socket `{}`", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The request could not be written as JSON.
    #[error("cannot write the request as JSON")]
    Encode(#[source] serde_json::Error),
    /// The request could not be sent.
    #[error("cannot send the request to init")]
    Send(#[source] io::Error),
    /// The reply could not be received.
    #[error("cannot receive the reply of init")]
    Receive(#[source] io::Error),
    /// Init did not answer in time.
    #[error("init did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// The connection ended before the newline.
    #[error("init closed the connection after {0} bytes, before the end of its reply")]
    Closed(usize),
    /// No newline within [`MAX_REPLY`].
    #[error("expected a reply of at most {MAX_REPLY} bytes, found more")]
    TooLong,
    /// A line that is no reply.
    #[error("expected a reply of init, found `{excerpt}`")]
    Garbage {
        /// Its first bytes, escaped.
        excerpt: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A connection whose reads and writes all end by one deadline.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    /// `None`: as long as it takes.
    until: Option<Instant>,
}

/// Connects to the socket at `path`.
///
/// # Errors
/// See [`ClientError`]: absent, not root, nobody listening, or not within [`DEADLINE`].
pub fn connect(path: &Path) -> Result<Connection, ClientError> {
    let until = Instant::now() + DEADLINE;
    let stream = connect_within(path, DEADLINE)?.map_err(|source| explain(path, source))?;
    Ok(Connection {
        stream,
        until: Some(until),
    })
}

/// `connect` of a unix socket waits while the listener's queue is full, and has no timeout; hence
/// the thread, which ends with the process.
fn connect_within(path: &Path, room: Duration) -> Result<io::Result<UnixStream>, ClientError> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    // Nobody receives once the deadline has passed: then the outcome matters no more.
    thread::spawn(move || sender.send(UnixStream::connect(path)));
    receiver
        .recv_timeout(room)
        .map_err(|_| ClientError::Deadline)
}

fn explain(path: &Path, source: io::Error) -> ClientError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ClientError::Absent(path),
        io::ErrorKind::PermissionDenied => ClientError::NotRoot(path),
        io::ErrorKind::ConnectionRefused => ClientError::Dead(path),
        _ => ClientError::Connect { path, source },
    }
}

impl Connection {
    /// The same connection without a deadline, for what is answered when it has ended. The request
    /// goes out at once all the same, and a PID 1 that is gone closes the connection.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.until = None;
        self
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(until) = self.until else {
            return Ok(None);
        };
        let left = until.saturating_duration_since(Instant::now());
        // The kernel reads a timeout of zero as none at all.
        let ended = left.is_zero().then_some(io::ErrorKind::TimedOut);
        ended.map_or(Ok(Some(left)), |kind| Err(kind.into()))
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Sends `request` and reads the one line that answers it.
///
/// # Errors
/// See [`ClientError`]; a reply of [`Reply::Refused`] is none.
pub fn exchange(
    stream: &mut (impl Read + Write),
    request: &Request,
) -> Result<Answer, ClientError> {
    let mut line = serde_json::to_vec(request).map_err(ClientError::Encode)?;
    line.push(b'\n');
    let sent = stream.write_all(&line).and_then(|()| stream.flush());
    let received = receive(stream);
    match sent {
        Ok(()) => received,
        // Init may refuse and close before it has read the request; its reason says more.
        Err(error) => received.map_err(|_| during(error, ClientError::Send)),
    }
}

fn receive(stream: &mut impl Read) -> Result<Answer, ClientError> {
    let mut line = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let count = match stream.read(&mut chunk) {
            Ok(0) => return Err(ClientError::Closed(line.len())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(during(error, ClientError::Receive)),
        };
        let read = chunk.get(..count).unwrap_or_default();
        let end = read.iter().position(|byte| *byte == b'\n');
        line.extend(read.iter().take(end.unwrap_or(count)));
        if line.len() > MAX_REPLY {
            return Err(ClientError::TooLong);
        }
        if end.is_some() {
            return understand(&line);
        }
    }
}

fn understand(line: &[u8]) -> Result<Answer, ClientError> {
    let garbage = |source| ClientError::Garbage {
        excerpt: line.iter().take(EXCERPT).copied().map(escape).collect(),
        source,
    };
    let reply = serde_json::from_slice(line).map_err(garbage)?;
    Ok(Answer {
        line: String::from_utf8_lossy(line).into_owned(),
        reply,
    })
}

fn escape(byte: u8) -> String {
    byte.escape_ascii().to_string()
}

fn during(error: io::Error, wrap: fn(io::Error) -> ClientError) -> ClientError {
    match error.kind() {
        // `WouldBlock` is how the kernel says that a socket's timeout has passed.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ClientError::Deadline,
        _ => wrap(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what is written, gives what it was made with in pieces of `piece` bytes.
    struct Peer {
        taken: Vec<u8>,
        replies: Vec<u8>,
        piece: usize,
    }

    fn peer(reply: impl Into<Vec<u8>>, piece: usize) -> Peer {
        Peer {
            taken: Vec::new(),
            replies: reply.into(),
            piece,
        }
    }

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.piece.min(buffer.len()).min(self.replies.len());
            buffer[..count].copy_from_slice(&self.replies[..count]);
            self.replies.drain(..count);
            Ok(count)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.taken.extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reply_may_come_in_pieces() {
        for piece in [1, 7, 8192] {
            let mut peer = peer("{\"reply\":\"done\"}\nrest", piece);
            let answer = exchange(&mut peer, &Request::Reboot).unwrap();
            assert_eq!(answer.line, "{\"reply\":\"done\"}");
            assert_eq!(answer.reply, Reply::Done);
            assert_eq!(peer.taken, b"{\"request\":\"reboot\"}\n");
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        let long = vec![b' '; MAX_REPLY + 1];
        for (reply, message) in [
            (
                b"".to_vec(),
                "init closed the connection after 0 bytes, before the end of its reply",
            ),
            (
                b"{\"rep".to_vec(),
                "init closed the connection after 5 bytes, before the end of its reply",
            ),
            (
                b"\x1b[2J\xff\n".to_vec(),
                r"expected a reply of init, found `\x1b[2J\xff`",
            ),
            (
                b"{\"reply\":\"new\"}\n".to_vec(),
                r#"expected a reply of init, found `{\"reply\":\"new\"}`"#,
            ),
            (
                long,
                "expected a reply of at most 4194304 bytes, found more",
            ),
        ] {
            let error = exchange(&mut peer(reply, 8192), &Request::Status).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    /// As when init refuses a stranger: it answers and closes without reading.
    #[test]
    fn a_reply_counts_even_if_the_request_was_not_taken() {
        struct Deaf(Peer);
        impl Read for Deaf {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(buffer)
            }
        }
        impl Write for Deaf {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut refusing = Deaf(peer(
            "{\"reply\":\"refused\",\"reason\":\"not root\"}\n",
            10,
        ));
        let answer = exchange(&mut refusing, &Request::Status).unwrap();
        assert!(matches!(answer.reply, Reply::Refused { .. }));
        let error = exchange(&mut Deaf(peer("", 10)), &Request::Status).unwrap_err();
        assert!(matches!(error, ClientError::Send(_)), "{error:?}");
    }

    #[test]
    fn a_silent_peer_ends_with_the_deadline() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection {
            stream: ours,
            until: Some(Instant::now() + Duration::from_millis(50)),
        };
        let error = exchange(&mut connection, &Request::Status).unwrap_err();
        assert!(matches!(error, ClientError::Deadline), "{error:?}");
    }
}
