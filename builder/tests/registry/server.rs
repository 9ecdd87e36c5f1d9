//! A registry on the loopback that holds what a test puts into it, with troubles on demand.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use bedplate::registry::Location;

/// What goes wrong with the next answer for a path.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// The connection breaks after this many bytes.
    Cut(usize),
    /// As many bytes, but others.
    Garbage,
}

/// What a client must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing.
    Open,
    /// A token of this server, which is good for so many requests.
    Token(usize),
    /// Something that no client has.
    Closed,
    /// A token of a server elsewhere.
    Elsewhere,
}

/// A running registry; it lives as long as the test process.
#[derive(Debug, Clone)]
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    guard: Guard,
    content: HashMap<String, Vec<u8>>,
    troubles: HashMap<String, Trouble>,
    requests: Vec<String>,
    tokens: usize,
    left: usize,
}

impl Server {
    pub fn start(guard: Guard) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            guard,
            content: HashMap::new(),
            troubles: HashMap::new(),
            requests: Vec::new(),
            tokens: 0,
            left: 0,
        };
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::new(Mutex::new(state)),
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

    pub fn location(&self) -> Location {
        format!("127.0.0.1:{}", self.port).parse().unwrap()
    }

    /// Puts `bytes` where a client asks for `path`, such as `manifests/1.0` of the repository `a/b`.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = format!("/v2/a/b/{path}");
        self.state
            .lock()
            .unwrap()
            .content
            .insert(path, bytes.to_vec());
    }

    pub fn trouble(&self, path: &str, trouble: Trouble) {
        let path = format!("/v2/a/b/{path}");
        self.state.lock().unwrap().troubles.insert(path, trouble);
    }

    /// The requests since the last call, each `PATH` or `PATH from=N`.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// One request per connection; `None` means that the client is gone.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let (path, from, authorization) = read_request(&stream)?;
        if let Some(query) = path.strip_prefix("/token?") {
            let token = self.issue(query);
            let body = format!("{{\"token\":\"{token}\"}}");
            return answer(&mut stream, "200 OK", "", body.as_bytes(), None);
        }
        if !self.admits(authorization.as_deref()) {
            let challenge = self.challenge();
            return answer(&mut stream, "401 Unauthorized", &challenge, b"", None);
        }
        let (content, trouble) = self.look_up(&path, from);
        let Some(mut body) = content else {
            return answer(&mut stream, "404 Not Found", "", b"", None);
        };
        if let Some(Trouble::Garbage) = trouble {
            body.iter_mut().for_each(|byte| *byte ^= 1);
        }
        let cut = match trouble {
            Some(Trouble::Cut(bytes)) => Some(bytes),
            _ => None,
        };
        let (status, range) = match from {
            0 => ("200 OK", String::new()),
            _ => {
                let last = body.len().saturating_sub(1);
                let range = format!("Content-Range: bytes {from}-{last}/{}\r\n", body.len());
                ("206 Partial Content", range)
            }
        };
        let rest = body.get(from..).unwrap_or_default();
        answer(&mut stream, status, &range, rest, cut)
    }

    fn look_up(&self, path: &str, from: usize) -> (Option<Vec<u8>>, Option<Trouble>) {
        let mut state = self.state.lock().unwrap();
        let line = if from > 0 {
            format!("{path} from={from}")
        } else {
            path.to_owned()
        };
        state.requests.push(line.replace("/v2/a/b/", ""));
        (
            state.content.get(path).cloned(),
            state.troubles.remove(path),
        )
    }

    fn issue(&self, query: &str) -> String {
        assert!(query.contains("scope=repository%3Aa%2Fb%3Apull"), "{query}");
        assert!(query.contains("service=test"), "{query}");
        let mut state = self.state.lock().unwrap();
        state.tokens += 1;
        if let Guard::Token(uses) = state.guard {
            state.left = uses;
        }
        format!("token-{}", state.tokens)
    }

    fn admits(&self, authorization: Option<&str>) -> bool {
        let mut state = self.state.lock().unwrap();
        let wanted = format!("Bearer token-{}", state.tokens);
        match state.guard {
            Guard::Open => true,
            Guard::Closed | Guard::Elsewhere => false,
            Guard::Token(_) => {
                let good = authorization == Some(&wanted) && state.left > 0;
                state.left -= usize::from(good);
                good
            }
        }
    }

    fn challenge(&self) -> String {
        let realm = match self.state.lock().unwrap().guard {
            Guard::Elsewhere => "http://tokens.example.org/token".to_owned(),
            _ => format!("http://127.0.0.1:{}/token", self.port),
        };
        let scope = "repository:a/b:pull";
        format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"test\",scope=\"{scope}\"\r\n")
    }
}

fn answer(
    stream: &mut TcpStream,
    status: &str,
    headers: &str,
    body: &[u8],
    cut: Option<usize>,
) -> Option<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream
        .write_all(&body[..cut.unwrap_or(length).min(length)])
        .ok()
}

/// Path, the offset of a range, and what the client brings.
fn read_request(stream: &TcpStream) -> Option<(String, usize, Option<String>)> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let (mut from, mut authorization) = (0, None);
    for line in lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
    {
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let range = value.strip_prefix("bytes=")?;
                from = range.trim_end_matches('-').parse().ok()?;
            }
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    Some((path, from, authorization))
}
