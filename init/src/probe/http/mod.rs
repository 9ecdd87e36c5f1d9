//! HTTP exchanges: one request, its answer read to its end, redirects followed.
//!
//! The meaning is that of Kubernetes (its `pkg/probe/http`): a status from 200 to 399 is good; a redirect
//! to the same host is followed, and the last answer counts; one that leads elsewhere is good with a warning. An
//! answer is read to its end, so that no server sees its connection break at every probe.

mod answer;
mod request;

use std::{
    io::{self, Read, Write},
    os::fd::BorrowedFd,
};

use bedplate_sys::poll::Interest;

use super::{closed, connect::Connecting};
use answer::Answer;
pub use request::Request;
use request::Target;

/// Most redirects that are followed; as many as Go's client, and so Kubernetes, follows.
const REDIRECTS: u32 = 10;

/// Bytes read before others have their turn.
const TURN: usize = 64 * 1024;

/// A request and what came back so far.
#[derive(Debug)]
pub(super) struct Exchange {
    request: Request,
    connection: Connecting,
    is_connected: bool,
    bytes: Vec<u8>,
    sent: usize,
    answer: Answer,
    followed: u32,
}

/// What a good answer is not enough for: where it leads, when that is not followed.
pub(super) type Warning = Option<String>;

impl Exchange {
    pub fn begin(request: Request) -> io::Result<Self> {
        Ok(Self {
            connection: Connecting::begin(request.address)?,
            is_connected: false,
            bytes: request.bytes(),
            sent: 0,
            answer: Answer::default(),
            followed: 0,
            request,
        })
    }

    pub fn watch(&self) -> (BorrowedFd<'_>, Interest) {
        let (fd, write) = self.connection.watch();
        let sent = self.sent >= self.bytes.len();
        (fd, if sent { Interest::Read } else { write })
    }

    /// Goes as far as the socket lets it; the verdict once the last answer is whole.
    pub fn advance(&mut self) -> io::Result<Option<Result<Warning, String>>> {
        if !self.is_connected {
            self.is_connected = self.connection.advance()?;
        }
        match self.transfer() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
            Ok(false) => Ok(None),
            Ok(true) => self.conclude(),
        }
    }

    /// Whether the answer is whole.
    fn transfer(&mut self) -> io::Result<bool> {
        if !self.is_connected {
            return Ok(false);
        }
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            self.sent += self.connection.stream().write(rest)?;
        }
        let mut chunk = [0; 4096];
        for _ in 0..TURN / chunk.len() {
            let count = self.connection.stream().read(&mut chunk)?;
            let whole = match chunk.get(..count) {
                None | Some([]) => self.answer.end()?,
                Some(bytes) => self.answer.take(bytes)?,
            };
            if whole || self.is_enough() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whoever is told to end may end before it has said all that it wanted.
    fn is_enough(&self) -> bool {
        !self.request.follows() && self.answer.head().is_some()
    }

    /// What a whole answer means: a verdict, or another exchange.
    fn conclude(&mut self) -> io::Result<Option<Result<Warning, String>>> {
        let head = self.answer.head().ok_or_else(closed)?;
        let status = head.status;
        if !matches!(status, 200..=399) {
            return Ok(Some(Err(format!("HTTP status {status}"))));
        }
        if !head.redirects() || !self.request.follows() {
            return Ok(Some(Ok(None)));
        }
        let Some(location) = &head.location else {
            return Ok(Some(Err(format!(
                "HTTP status {status} that leads nowhere"
            ))));
        };
        match self.request.target(location) {
            Target::Elsewhere => Ok(Some(Ok(Some(format!(
                "HTTP status {status} leads to `{location}`, which is not asked"
            ))))),
            Target::Here(_) if self.followed >= REDIRECTS => {
                Ok(Some(Err(format!("more than {REDIRECTS} HTTP redirects"))))
            }
            Target::Here(request) => self.follow(request),
        }
    }

    fn follow(&mut self, request: Request) -> io::Result<Option<Result<Warning, String>>> {
        let followed = self.followed + 1;
        *self = Self {
            followed,
            ..Self::begin(request)?
        };
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{SocketAddr, TcpListener},
        thread,
    };

    use bedplate_sys::poll::{self, Wait};

    use super::*;

    /// A server that answers the first request with the first text, and so on, and tells whether it
    /// could write all of it and then saw its client leave in order.
    fn serve(answers: Vec<String>) -> (SocketAddr, thread::JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept()?;
                let mut request = [0; 1024];
                let _count = stream.read(&mut request)?;
                for piece in answer.as_bytes().chunks(1000) {
                    stream.write_all(piece)?;
                }
                stream.shutdown(std::net::Shutdown::Write)?;
                // A client that closed with bytes unread makes the kernel send a reset.
                let _count = stream.read(&mut request)?;
            }
            Ok(())
        });
        (address, server)
    }

    fn ask(address: SocketAddr) -> Result<Warning, String> {
        let request = Request::new("GET", address, "/health");
        let mut exchange = Exchange::begin(request).unwrap();
        loop {
            let (fd, interest) = exchange.watch();
            let token = ();
            poll::wait(
                &[Wait {
                    token,
                    fd,
                    interest,
                }],
                Some(5000),
            )
            .unwrap();
            match exchange.advance() {
                Ok(Some(verdict)) => return verdict,
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn answer(status: &str, headers: &str, body: usize) -> String {
        let body = "x".repeat(body);
        format!("HTTP/1.1 {status}\r\n{headers}\r\n{body}")
    }

    #[test]
    fn an_answer_is_read_to_its_end() {
        for (headers, body) in [
            ("Content-Length: 2000\r\n", 2000),
            ("Content-Length: 200000\r\n", 200_000),
            ("", 9000),
            ("", 0),
        ] {
            let (address, server) = serve(vec![answer("200 OK", headers, body)]);
            assert_eq!(ask(address), Ok(None), "{headers}{body}");
            server.join().unwrap().unwrap();
        }
        let (address, server) = serve(vec![answer("200 OK", "Content-Length: 9\r\n", 3)]);
        ask(address).unwrap_err();
        server.join().unwrap().unwrap();
    }

    #[test]
    fn the_last_answer_of_a_redirect_counts() {
        let found = |to: &str| answer("302 Found", &format!("Location: {to}\r\n"), 0);
        let (good, bad) = (answer("200 OK", "", 0), answer("503 Busy", "", 0));
        let ends = |answers: Vec<String>| {
            let (address, server) = serve(answers);
            let verdict = ask(address);
            // One that was asked less often than it expects is left waiting.
            drop(server);
            verdict
        };
        assert_eq!(ends(vec![found("/a"), found("b"), good]), Ok(None));
        assert_eq!(
            ends(vec![found("/broken"), bad]),
            Err("HTTP status 503".to_owned())
        );
        assert_eq!(
            ends(vec![found("/health"); 11]),
            Err("more than 10 HTTP redirects".to_owned())
        );
        let elsewhere = ends(vec![found("https://login.example/")]).unwrap();
        assert_eq!(
            elsewhere.unwrap(),
            "HTTP status 302 leads to `https://login.example/`, which is not asked"
        );
        assert_eq!(
            ends(vec![answer("302 Found", "", 0)]),
            Err("HTTP status 302 that leads nowhere".to_owned())
        );
        assert_eq!(ends(vec![answer("304 Not Modified", "", 0)]), Ok(None));
    }
}
