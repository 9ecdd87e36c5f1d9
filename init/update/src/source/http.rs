//! A layout on a server, read by range requests.
//!
//! Cut connections, silence, 429 and 5xx are tried again where the bytes ended; a server without
//! ranges sends the whole, of which the part that is not wanted is dropped. Everything ends: an
//! attempt by its timeouts, attempts by their number, all together by [`Patience::total`].

use std::{
    io::{self, Read},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use bedplate_contract::{Digest, oci};
use ureq::{
    Agent, Body, BodyReader,
    http::{Response, Uri},
    unversioned::transport::DefaultConnector,
};

use super::{Source, SourceError, tls};
use crate::resolver::Resolver;

/// Redirects that are followed: to a mirror, from there to a store.
const REDIRECTS: u32 = 5;
/// Bytes that are read at once of what is dropped.
const DROPPED: usize = 64 << 10;

/// How long a server is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Attempts in a row without a byte.
    pub attempts: u32,
    /// Pause before the second attempt; doubles from one to the next.
    pub pause: Duration,
    /// Longest silence while connecting, before the answer, within it.
    pub stall: Duration,
    /// Longest time for all fetches of a source together.
    pub total: Duration,
}

impl Default for Patience {
    /// Six attempts over half a minute ride out the restart of a server or of a link; 30 s of
    /// silence are a dead peer; in six hours a slow link (1 Mbit/s) brings two gigabytes.
    fn default() -> Self {
        Self {
            attempts: 6,
            pause: Duration::from_secs(1),
            stall: Duration::from_secs(30),
            total: Duration::from_secs(6 * 3600),
        }
    }
}

/// A layout on a server.
#[derive(Debug)]
pub struct Http {
    agent: Agent,
    base: String,
    patience: Patience,
    until: Instant,
    wanted: Option<Wanted>,
    answer: Option<Answer>,
}

/// What is read next.
#[derive(Debug, Clone)]
struct Wanted {
    path: String,
    at: u64,
    end: u64,
}

/// What the server is sending.
struct Answer {
    path: String,
    at: u64,
    end: u64,
    body: BodyReader<'static>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({} from {})", self.path, self.at)
    }
}

/// How one attempt ended short.
enum Failure {
    Passing(ureq::Error),
    Final(SourceError),
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        Self::Passing(error)
    }
}

impl Http {
    /// The layout at the URL `base`; nothing is asked yet.
    ///
    /// # Errors
    /// [`SourceError::Url`].
    pub fn new(base: &str, patience: Patience) -> Result<Self, SourceError> {
        let uri = base.parse::<Uri>().ok();
        let good = uri.as_ref().is_some_and(|uri| {
            let named = uri.host().is_some_and(|host| !host.is_empty());
            named && uri.query().is_none() && !base.contains('#')
        });
        if !good {
            return Err(SourceError::Url(base.to_owned()));
        }
        Ok(Self {
            agent: agent(base, patience),
            base: base.trim_end_matches('/').to_owned(),
            patience,
            until: Instant::now() + patience.total,
            wanted: None,
            answer: None,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Runs `attempt` until it has something, fails for good, or has failed too often. `None` is no
    /// failure and no end: bytes that are dropped must not let a server that cuts go on for ever.
    fn retry<T>(
        &mut self,
        path: &str,
        mut attempt: impl FnMut(&mut Self) -> Result<Option<T>, Failure>,
    ) -> Result<T, SourceError> {
        let mut attempts = 0;
        loop {
            self.check_deadline(path)?;
            match attempt(self) {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => {}
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error)) => {
                    self.answer = None;
                    attempts += 1;
                    if attempts >= self.patience.attempts {
                        return Err(self.give_up(path, attempts, error));
                    }
                    thread::sleep(self.patience.pause * (1 << (attempts - 1).min(10)));
                }
            }
        }
    }

    fn check_deadline(&self, path: &str) -> Result<(), SourceError> {
        match Instant::now() < self.until {
            true => Ok(()),
            false => Err(SourceError::Deadline {
                url: self.url(path),
                seconds: self.patience.total.as_secs(),
            }),
        }
    }

    fn give_up(&self, path: &str, attempts: u32, error: ureq::Error) -> SourceError {
        let url = self.url(path);
        match error {
            ureq::Error::StatusCode(status) => SourceError::Status { url, status },
            error => SourceError::GivenUp {
                url,
                attempts,
                source: Box::new(error),
            },
        }
    }

    fn request(&self, path: &str, range: Option<Range<u64>>) -> Result<Response<Body>, Failure> {
        let url = self.url(path);
        let mut request = self.agent.get(&url);
        if let Some(range) = range {
            let last = range.end.saturating_sub(1);
            request = request.header("Range", format!("bytes={}-{last}", range.start));
        }
        let response = request.call().map_err(|error| judge(&url, error))?;
        match response.status().as_u16() {
            200 | 206 => Ok(response),
            status @ (408 | 425 | 429 | 500..=599) => Err(ureq::Error::StatusCode(status).into()),
            status => Err(Failure::Final(SourceError::Status { url, status })),
        }
    }

    fn fetch_document(&self, path: &str, most: usize) -> Result<Vec<u8>, Failure> {
        let body = self.request(path, None)?.into_body().into_reader();
        let mut bytes = Vec::new();
        let read = body.take(most as u64 + 1).read_to_end(&mut bytes);
        read.map_err(ureq::Error::Io)?;
        if bytes.len() > most {
            let path = path.to_owned();
            return Err(Failure::Final(SourceError::TooLong { path, most }));
        }
        Ok(bytes)
    }

    /// Reads what comes next of `wanted`, at least one byte.
    fn next(&mut self, wanted: &Wanted, buffer: &mut [u8]) -> Result<usize, Failure> {
        let answer = match self.answer.take().filter(|answer| answer.leads_to(wanted)) {
            Some(answer) => answer,
            None => self.ask(wanted)?,
        };
        if answer.at > wanted.at {
            return Err(broken("the server sent another range than was asked for"));
        }
        let answer = self.answer.insert(answer);
        if answer.at < wanted.at {
            let ahead = wanted.at - answer.at;
            let mut dropped = [0; DROPPED];
            let most = usize::try_from(ahead).unwrap_or(DROPPED).min(DROPPED);
            answer.read(&mut dropped[..most])?;
            return Ok(0);
        }
        answer.read(buffer)
    }

    fn ask(&self, wanted: &Wanted) -> Result<Answer, Failure> {
        let response = self.request(&wanted.path, Some(wanted.at..wanted.end))?;
        let (at, end) = match response.status().as_u16() {
            206 => (range_start(&response)?, wanted.end),
            // It does not know ranges; what it sends may be wanted to its end.
            _ => (0, response.body().content_length().unwrap_or(u64::MAX)),
        };
        Ok(Answer {
            path: wanted.path.clone(),
            at,
            end,
            body: response.into_body().into_reader(),
        })
    }
}

impl Answer {
    fn leads_to(&self, wanted: &Wanted) -> bool {
        self.path == wanted.path && self.at <= wanted.at && wanted.at < self.end
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        match self.body.read(buffer).map_err(ureq::Error::Io)? {
            0 => Err(broken("the server sent less than it has to")),
            count => {
                self.at = self.at.saturating_add(count as u64);
                if self.at == self.end {
                    // Its end is looked at, or the connection could not be used again. What else
                    // comes is none of ours.
                    let _ = self.body.read(&mut [0]);
                }
                Ok(count)
            }
        }
    }
}

fn agent(base: &str, patience: Patience) -> Agent {
    let stall = Some(patience.stall);
    let config = Agent::config_builder()
        .timeout_connect(stall)
        .timeout_send_request(stall)
        .timeout_recv_response(stall)
        .timeout_per_read(stall)
        .http_status_as_error(false)
        .max_redirects(REDIRECTS)
        // Whoever asked for TLS is not sent on without.
        .https_only(base.starts_with("https://"))
        .tls_config(tls::config())
        .user_agent(concat!("bedplatectl/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), Resolver::default())
}

/// Whether another attempt may help.
fn judge(url: &str, error: ureq::Error) -> Failure {
    use ureq::Error;
    let is_final = match &error {
        Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        Error::BadUri(_)
        | Error::Http(_)
        | Error::Tls(_)
        | Error::Rustls(_)
        | Error::RequireHttpsOnly(_)
        | Error::RedirectFailed
        | Error::TooManyRedirects
        | Error::LargeResponseHeader(..) => true,
        _ => false,
    };
    match is_final {
        false => Failure::Passing(error),
        true => Failure::Final(SourceError::Connection {
            url: url.to_owned(),
            source: Box::new(error),
        }),
    }
}

/// First byte of the range that is sent (RFC 9110, 14.4).
fn range_start(response: &Response<Body>) -> Result<u64, Failure> {
    let header = response.headers().get("Content-Range");
    let text = header.and_then(|value| value.to_str().ok());
    let range = text.and_then(|text| text.strip_prefix("bytes "));
    let start = range.and_then(|range| range.split('-').next()?.parse().ok());
    start.ok_or_else(|| broken("the server does not say which range it sends"))
}

fn broken(what: &'static str) -> Failure {
    Failure::Passing(ureq::Error::Io(io::Error::other(what)))
}

impl Source for Http {
    fn document(&mut self, path: &str, most: usize) -> Result<Vec<u8>, SourceError> {
        self.retry(path, |http| http.fetch_document(path, most).map(Some))
    }

    fn open(&mut self, blob: &Digest, range: Range<u64>) -> Result<(), SourceError> {
        self.wanted = Some(Wanted {
            path: oci::blob(blob),
            at: range.start,
            end: range.end,
        });
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), SourceError> {
        let wanted = self.wanted.take();
        let mut wanted = wanted.ok_or_else(|| SourceError::Missing("open blob".to_owned()))?;
        let mut rest = buffer;
        let after = wanted.at.saturating_add(rest.len() as u64);
        if after > wanted.end {
            return Err(SourceError::Short {
                path: wanted.path,
                expected: after,
            });
        }
        while !rest.is_empty() {
            let count = self.retry(&wanted.path.clone(), |http| {
                let count = http.next(&wanted, rest)?;
                Ok(Some(count).filter(|count| *count > 0))
            })?;
            rest = rest.split_at_mut(count).1;
            wanted.at = wanted.at.saturating_add(count as u64);
        }
        self.wanted = Some(wanted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_texts_are_no_urls() {
        let patience = Patience::default();
        for text in ["http://", "http://h/?a=b", "https://h/#a", "http:// h"] {
            let error = Http::new(text, patience).unwrap_err();
            assert!(matches!(error, SourceError::Url(_)), "{text}");
        }
        let http = Http::new("https://h:1/a/", patience).unwrap();
        assert_eq!(http.url("index.json"), "https://h:1/a/index.json");
    }
}
