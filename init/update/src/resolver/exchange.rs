//! One question to the name servers, by datagram, and over TCP where a datagram is too short.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use bedplate_sys::random;

use super::{
    ResolveError,
    message::{self, Answer, Kind, Name},
};

/// How long one server is waited for before the next is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often all servers are asked: a datagram may be lost.
const ROUNDS: u32 = 2;
/// Longest datagram without extensions (RFC 1035, 4.2.1), and room for servers that send more.
const DATAGRAM: usize = 4096;

/// The addresses of `name`: of the first server that tells; none where it says that there are none.
///
/// # Errors
/// [`ResolveError::NoAnswer`], never later than `until`.
pub fn ask(
    servers: &[SocketAddr],
    name: &Name,
    kind: Kind,
    until: Instant,
) -> Result<Vec<IpAddr>, ResolveError> {
    let mut failures = Vec::new();
    for server in std::iter::repeat_n(servers, ROUNDS as usize).flatten() {
        let until = until.min(Instant::now() + PATIENCE);
        match ask_server(*server, name, kind, until) {
            Ok(found) => return Ok(found),
            Err(error) => failures.push(format!("{server}: {error}")),
        }
    }
    failures.dedup();
    Err(ResolveError::NoAnswer {
        name: name.to_string(),
        servers: failures.join("; "),
    })
}

fn ask_server(
    server: SocketAddr,
    name: &Name,
    kind: Kind,
    until: Instant,
) -> io::Result<Vec<IpAddr>> {
    let id = random_id()?;
    let question = message::question(id, name, kind);
    let read = |bytes: &[u8]| message::answer(bytes, id, name, kind);
    let answer = match by_datagram(server, &question, read, until)? {
        Answer::Truncated => over_tcp(server, &question, read, until)?,
        answer => answer,
    };
    match answer {
        Answer::Addresses(found) => Ok(found),
        Answer::Truncated => Err(io::Error::other("its answer is cut short over TCP too")),
        Answer::Failed(code) => Err(io::Error::other(format!("it failed with code {code}"))),
    }
}

/// An id that nobody guesses; the port is the kernel's choice for the same reason.
fn random_id() -> io::Result<u16> {
    let mut id = [0; 2];
    random::fill(&mut id)?;
    Ok(u16::from_be_bytes(id))
}

fn by_datagram(
    server: SocketAddr,
    question: &[u8],
    read: impl Fn(&[u8]) -> Option<Answer>,
    until: Instant,
) -> io::Result<Answer> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // Connected, so that the kernel passes on what comes from this server alone.
    socket.connect(server)?;
    socket.send(question)?;
    let mut buffer = [0; DATAGRAM];
    loop {
        socket.set_read_timeout(Some(left(until)?))?;
        let count = socket.recv(&mut buffer).map_err(timed_out)?;
        // What is no answer to the question is waited past: a forger must not end the wait.
        if let Some(answer) = read(buffer.get(..count).unwrap_or_default()) {
            return Ok(answer);
        }
    }
}

/// RFC 1035, 4.2.2: each message behind its length in two bytes.
fn over_tcp(
    server: SocketAddr,
    question: &[u8],
    read: impl Fn(&[u8]) -> Option<Answer>,
    until: Instant,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, left(until)?)?;
    stream.set_write_timeout(Some(left(until)?))?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], question].concat())?;
    let mut length = [0; 2];
    fill(&mut stream, &mut length, until)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    fill(&mut stream, &mut bytes, until)?;
    read(&bytes).ok_or_else(|| io::Error::other("it sent no answer to the question"))
}

fn fill(stream: &mut TcpStream, buffer: &mut [u8], until: Instant) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(rest).map_err(timed_out)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(())
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        // The kernel reads a timeout of zero as none at all.
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

/// `WouldBlock` is how the kernel says that a socket's timeout has passed.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}
