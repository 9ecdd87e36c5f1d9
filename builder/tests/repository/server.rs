//! A loopback HTTP server over a directory, with faults on demand.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

/// What goes wrong with the next answers for a path.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The connection breaks after this many bytes of the body.
    Cut(usize),
    /// This status and no body.
    Status(u16),
    /// The whole body, whatever range was asked for.
    IgnoreRange,
    /// As many bytes, but others.
    Garbage,
}

/// A running server; it lives as long as the test process.
#[derive(Debug, Clone)]
pub struct Server {
    root: PathBuf,
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Path → faults of the answers to come, last one first.
    faults: HashMap<String, Vec<Fault>>,
    /// `path` or `path from=N` of each request.
    requests: Vec<String>,
}

impl Server {
    /// Serves `root`, and below `pool/` files `NAME-FACTOR-SIZE.deb` whose bytes follow from the
    /// name as in `make.sh`.
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            root: root.to_owned(),
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
        };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    /// Base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next answers for `path` go wrong like this, in this order.
    pub fn fail(&self, path: &str, faults: &[Fault]) {
        let faults = faults.iter().rev().copied().collect();
        self.state
            .lock()
            .unwrap()
            .faults
            .insert(path.to_owned(), faults);
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// One request per connection; an error means that the client is gone.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let (path, from) = read_request(&stream)?;
        let fault = self.note(&path, from);
        let content = self.content(&path);
        let (status, mut body) = match (fault, content) {
            (Some(Fault::Status(status)), _) => (status, Vec::new()),
            (_, None) => (404, Vec::new()),
            (Some(Fault::IgnoreRange), Some(content)) => (200, content),
            (_, Some(content)) if from > content.len() => (416, Vec::new()),
            (_, Some(content)) if from > 0 => (206, content[from..].to_vec()),
            (_, Some(content)) => (200, content),
        };
        if let Some(Fault::Garbage) = fault {
            body.iter_mut().for_each(|byte| *byte ^= 1);
        }
        let length = body.len();
        let end = from + length;
        write!(
            stream,
            "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\
             Content-Range: bytes {from}-{}/{end}\r\n\r\n",
            end.saturating_sub(1)
        )
        .ok()?;
        if let Some(Fault::Cut(bytes)) = fault {
            body.truncate(bytes);
        }
        stream.write_all(&body).ok()
    }

    fn note(&self, path: &str, from: usize) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let range = if from > 0 {
            format!(" from={from}")
        } else {
            String::new()
        };
        state.requests.push(format!("{path}{range}"));
        state.faults.get_mut(path)?.pop()
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        let made = path.strip_prefix("pool/").and_then(payload);
        made.or_else(|| fs::read(self.root.join(path)).ok())
    }
}

/// Path without leading slash, and the offset of a range.
fn read_request(stream: &TcpStream) -> Option<(String, usize)> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let mut from = 0;
    for line in lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
    {
        let line = line.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().ok()?;
        }
    }
    Some((path, from))
}

fn payload(name: &str) -> Option<Vec<u8>> {
    let mut words = name.strip_suffix(".deb")?.split('-').skip(1);
    let factor: usize = words.next()?.parse().ok()?;
    let size: usize = words.next()?.parse().ok()?;
    Some((0..size).map(|i| (i * factor % 251) as u8).collect())
}
