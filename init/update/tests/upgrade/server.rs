//! A loopback server over a layout, with faults on demand.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What the server does to every request for a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Ranges, connections that stay.
    Good,
    /// The whole, whatever was asked for.
    NoRanges,
    /// Each connection breaks after this many bytes of body.
    Cut(usize),
    /// As [`Mood::Cut`], and the whole whatever was asked for.
    CutWithoutRanges(usize),
    /// The same to every other request.
    SometimesCutWithoutRanges(usize),
    /// Other bytes.
    Garbage,
    /// Bytes without end, announced as such.
    Endless,
    /// 503 to every other request.
    Busy,
    /// This status to all.
    Status(u16),
    /// To another address of the same server.
    Moved,
    /// To itself.
    Loop,
    /// Another range than was asked for.
    WrongRange,
    /// Takes the request and says nothing.
    Silent,
}

/// A running server; it lives as long as the test process.
pub struct Server {
    port: u16,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

struct Request {
    path: String,
    range: Option<(usize, usize)>,
}

struct Serving {
    root: PathBuf,
    mood: Mood,
    requests: Arc<AtomicUsize>,
}

impl Server {
    pub fn start(root: &Path, mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let serving = Arc::new(Serving {
            root: root.to_owned(),
            mood,
            requests: server.requests.clone(),
        });
        let connections = server.connections.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let serving = serving.clone();
                thread::spawn(move || serving.serve(&stream));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://localhost:{}/layout/", self.port)
    }

    /// Requests for blobs so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Serving {
    /// Requests of one connection; `None` when it is over.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream).lines();
        loop {
            let request = read_request(&mut lines)?;
            let is_blob = request.path.contains("/sha256/");
            let mood = match is_blob {
                true => self.mood,
                false => Mood::Good,
            };
            let number = match is_blob {
                true => self.requests.fetch_add(1, Ordering::Relaxed),
                false => 0,
            };
            self.answer(&mut stream, &request, mood, number)?;
        }
    }

    fn answer(
        &self,
        stream: &mut &TcpStream,
        request: &Request,
        mood: Mood,
        number: usize,
    ) -> Option<()> {
        let path = request.path.trim_start_matches("/moved");
        let path = path.strip_prefix("/layout/")?;
        let Ok(content) = fs::read(self.root.join(path)) else {
            return head(stream, "404 x", 0, "");
        };
        match mood {
            Mood::Status(status) => head(stream, &format!("{status} x"), 0, ""),
            Mood::Busy if number.is_multiple_of(2) => head(stream, "503 x", 0, ""),
            Mood::Moved if !request.path.starts_with("/moved") => {
                let to = format!("Location: /moved{}\r\n", request.path);
                head(stream, "302 x", 0, &to)
            }
            Mood::Loop => {
                let to = format!("Location: {}\r\n", request.path);
                head(stream, "302 x", 0, &to)
            }
            Mood::Silent => {
                thread::park();
                None
            }
            Mood::Endless => endless(stream),
            Mood::SometimesCutWithoutRanges(bytes) if number.is_multiple_of(2) => {
                send(stream, "200 x", &content, "", Mood::Cut(bytes))
            }
            Mood::NoRanges | Mood::CutWithoutRanges(_) | Mood::SometimesCutWithoutRanges(_) => {
                send(stream, "200 x", &content, "", mood)
            }
            _ => part(stream, request, &content, mood),
        }
    }
}

fn part(stream: &mut &TcpStream, request: &Request, content: &[u8], mood: Mood) -> Option<()> {
    let Some((from, to)) = request.range else {
        return send(stream, "200 x", content, "", mood);
    };
    let to = to.min(content.len().checked_sub(1)?);
    let mut body = content.get(from..=to)?.to_vec();
    if mood == Mood::Garbage {
        body.iter_mut().for_each(|byte| *byte ^= 1);
    }
    let said = if mood == Mood::WrongRange {
        from + 1
    } else {
        from
    };
    let range = format!("Content-Range: bytes {said}-{to}/{}\r\n", content.len());
    send(stream, "206 x", &body, &range, mood)
}

fn send(
    stream: &mut &TcpStream,
    status: &str,
    body: &[u8],
    headers: &str,
    mood: Mood,
) -> Option<()> {
    head(stream, status, body.len(), headers)?;
    match mood {
        Mood::Cut(bytes) | Mood::CutWithoutRanges(bytes) if bytes < body.len() => {
            stream.write_all(&body[..bytes]).ok()?;
            stream.shutdown(std::net::Shutdown::Both).ok()?;
            None
        }
        _ => stream.write_all(body).ok(),
    }
}

fn endless(stream: &mut &TcpStream) -> Option<()> {
    stream
        .write_all(b"HTTP/1.1 200 x\r\nConnection: close\r\n\r\n")
        .ok()?;
    loop {
        stream.write_all(&[b'x'; 4096]).ok()?;
    }
}

fn head(stream: &mut &TcpStream, status: &str, length: usize, headers: &str) -> Option<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .ok()
}

fn read_request(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Option<Request> {
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut range = None;
    loop {
        let line = lines.next()?.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            return Some(Request { path, range });
        }
        if let Some(text) = line.strip_prefix("range: bytes=") {
            let (from, to) = text.split_once('-')?;
            range = Some((from.parse().ok()?, to.parse().ok()?));
        }
    }
}
