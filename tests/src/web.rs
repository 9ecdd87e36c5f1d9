//! A web server over a directory, as upgrades are served from one; with trouble on demand.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Result;

/// What happens to the next answers for a path.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// Nothing more comes once so many bytes have, in one answer or more, until the client goes away.
    Stall(u64),
    /// As many bytes, but others.
    Garbage,
}

/// A server of 127.0.0.1; it lives as long as the test process.
#[derive(Debug, Clone)]
pub struct Web {
    root: PathBuf,
    port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    troubles: HashMap<String, Trouble>,
    requests: Vec<Request>,
    stalled: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Path without leading slash.
    pub path: String,
    /// First byte.
    pub from: u64,
    /// Last byte; absent: up to the end.
    pub to: Option<u64>,
}

impl Web {
    /// Serves the files below `root`.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(root: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self {
            root: root.to_owned(),
            port: listener.local_addr()?.port(),
            state: Arc::default(),
        };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                // A client that goes away in the middle is no trouble of the server's.
                thread::spawn(move || drop(server.serve(stream)));
            }
        });
        Ok(server)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next answers for `path` go wrong.
    pub fn trouble(&self, path: &str, trouble: Trouble) {
        self.state().troubles.insert(path.to_owned(), trouble);
    }

    /// What was asked for so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Waits until an answer for `path` stalls; false when none does in time.
    pub fn stalls(&self, path: &str, timeout: Duration) -> bool {
        let waiting = |state: &mut State| !state.stalled.iter().any(|stalled| stalled == path);
        let (_, noted) = &*self.state;
        let waited = noted.wait_timeout_while(self.state(), timeout, waiting);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request per connection.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let Some(request) = read_request(&stream)? else {
            return write!(stream, "HTTP/1.1 400 no\r\nContent-Length: 0\r\n\r\n");
        };
        self.state().requests.push(request.clone());
        match File::open(self.root.join(&request.path)).and_then(|file| Part::of(file, &request)) {
            Ok(part) => self.answer(&mut stream, part, &request),
            Err(_) => write!(
                stream,
                "HTTP/1.1 404 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ),
        }
    }

    fn answer(&self, stream: &mut TcpStream, mut part: Part, request: &Request) -> io::Result<()> {
        stream.write_all(part.head(request).as_bytes())?;
        match self.next_trouble(&request.path, part.length) {
            None => io::copy(&mut part.bytes, stream).map(drop),
            Some(Trouble::Garbage) => {
                let mut bytes = Vec::new();
                part.bytes.read_to_end(&mut bytes)?;
                bytes.iter_mut().for_each(|byte| *byte ^= 1);
                stream.write_all(&bytes)
            }
            Some(Trouble::Stall(length)) => {
                io::copy(&mut part.bytes.take(length), stream)?;
                self.state().stalled.push(request.path.clone());
                self.state.1.notify_all();
                // Ends when the client closes its side.
                stream.read_to_end(&mut Vec::new()).map(drop)
            }
        }
    }

    /// What happens to an answer of `length` bytes.
    fn next_trouble(&self, path: &str, length: u64) -> Option<Trouble> {
        let mut state = self.state();
        match state.troubles.get_mut(path) {
            Some(Trouble::Stall(left)) if length < *left => {
                *left -= length;
                None
            }
            _ => state.troubles.remove(path),
        }
    }
}

/// The bytes of an answer.
struct Part {
    bytes: io::Take<File>,
    length: u64,
    total: u64,
}

impl Part {
    fn of(mut file: File, request: &Request) -> io::Result<Self> {
        let total = file.metadata()?.len();
        let end = request.to.map_or(total, |to| total.min(to + 1));
        let length = end.saturating_sub(request.from);
        file.seek(SeekFrom::Start(request.from))?;
        Ok(Self {
            bytes: file.take(length),
            length,
            total,
        })
    }

    /// Status line and fields (RFC 9110, 14.4 and 15.3.7).
    fn head(&self, request: &Request) -> String {
        let Self { length, total, .. } = self;
        let whole = request.from == 0 && request.to.is_none();
        let status = if whole {
            "200 OK"
        } else {
            "206 Partial Content"
        };
        let range = if whole {
            String::new()
        } else {
            let last = (request.from + length).saturating_sub(1);
            format!("Content-Range: bytes {}-{last}/{total}\r\n", request.from)
        };
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{range}Accept-Ranges: bytes\r\n\
             Connection: close\r\n\r\n"
        )
    }
}

/// The request; none in what is no request for a file below the root.
fn read_request(stream: &TcpStream) -> io::Result<Option<Request>> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first
        .split(' ')
        .nth(1)
        .map(|path| path.trim_start_matches('/'));
    let Some(path) = path.filter(|path| !path.split('/').any(|name| name == "..")) else {
        return Ok(None);
    };
    let mut request = Request {
        path: path.to_owned(),
        from: 0,
        to: None,
    };
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some((from, to)) = line
            .strip_prefix("range: bytes=")
            .and_then(|r| r.split_once('-'))
        {
            request.from = from.parse().unwrap_or(0);
            request.to = to.parse().ok();
        }
    }
    Ok(Some(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(server: &Web, more: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port()))?;
        write!(stream, "GET /file HTTP/1.1\r\nHost: x\r\n{more}\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn files_and_their_parts() -> Result<()> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("file"), "0123456789")?;
        let server = Web::start(directory.path())?;
        for (range, status, body) in [
            ("", "200 OK", "0123456789"),
            ("Range: bytes=4-\r\n", "206 Partial Content", "456789"),
            ("Range: bytes=4-6\r\n", "206 Partial Content", "456"),
        ] {
            let answer = get(&server, range)?;
            anyhow::ensure!(
                answer.contains(status) && answer.ends_with(&format!("\r\n\r\n{body}")),
                "{answer}"
            );
        }
        server.trouble("file", Trouble::Garbage);
        anyhow::ensure!(get(&server, "")?.ends_with("1032547698"));
        anyhow::ensure!(server.requests().len() == 4);
        Ok(())
    }
}
