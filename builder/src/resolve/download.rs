//! One URL → verified bytes.
//!
//! A file is written to a partial path of the store, resumed from there by `Range` after a cut, and
//! hashed as it arrives; only a file of the wanted digest leaves this module. Retries are for what
//! may pass (time-outs, cuts, 429, 5xx), never for 404 or a wrong digest.

mod partial;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bedplate_contract::Digest;
use ureq::{Agent, Body, http::Response};

use self::partial::Partial;
use super::progress::Bar;
use crate::store::{Store, StoreError};

/// Why a file did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server says no.
    #[error("cannot fetch `{url}`: the server answers {status}")]
    Status {
        /// URL.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// No answer, or the connection broke, as often as was tried.
    #[error("cannot fetch `{url}`: given up after {attempts} attempts")]
    Transport {
        /// URL.
        url: String,
        /// How often it was tried without a byte of progress.
        attempts: u32,
        /// Cause.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The bytes are not the wanted ones; they were removed.
    #[error(
        "`{url}` is not what was expected: expected {expected} ({size} bytes), found {found} \
         ({found_size} bytes{})",
        if *found_size > *size { " or more" } else { "" }
    )]
    Digest {
        /// URL.
        url: String,
        /// Digest wanted.
        expected: Digest,
        /// Size wanted.
        size: u64,
        /// Digest of what came.
        found: Digest,
        /// Size of what came.
        found_size: u64,
    },
    /// The answer is larger than anything sensible.
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge {
        /// URL.
        url: String,
        /// Limit.
        limit: u64,
    },
    /// The disk is full.
    #[error("no space left for `{url}` in `{}`", path.display())]
    NoSpace {
        /// URL.
        url: String,
        /// File being written.
        path: PathBuf,
    },
    /// The partial file cannot be used.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// File being written.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The store.
    #[error("cannot keep a download")]
    Store(#[from] StoreError),
}

/// A file by URL and digest.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where it is.
    pub url: String,
    /// What it must be.
    pub digest: Digest,
    /// How long it must be.
    pub size: u64,
}

/// How patient a [`Downloader`] is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Attempts without a byte of progress.
    pub attempts: u32,
    /// Pause before the second attempt; doubles from one to the next.
    pub pause: Duration,
    /// Longest time to wait for a connection, a header or more of the body.
    pub stall: Duration,
}

impl Default for Patience {
    /// Five attempts over 7.5 s ride out a restart of a mirror; 30 s of silence is a dead peer.
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_millis(500),
            stall: Duration::from_secs(30),
        }
    }
}

/// Fetches over HTTP. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Downloader {
    agent: Agent,
    patience: Patience,
    headers: Vec<(&'static str, String)>,
}

/// Bytes read at once.
const BUFFER: usize = 64 << 10;

/// How one attempt ended short.
enum Failure {
    /// Another attempt may help; `progress` when bytes arrived.
    Passing {
        error: ureq::Error,
        progress: bool,
    },
    Final(DownloadError),
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        Self::Final(error)
    }
}

impl Downloader {
    /// A downloader with this patience.
    pub fn new(patience: Patience) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(patience.stall))
            .timeout_recv_response(Some(patience.stall))
            .timeout_per_read(Some(patience.stall))
            .http_status_as_error(false)
            .user_agent(concat!("bedplate/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.new_agent(),
            patience,
            headers: Vec::new(),
        }
    }

    /// The same, with a header in every request; `authorization` is not shown to a host that the
    /// first one sends it to.
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut downloader = self.clone();
        downloader.headers.push((name, value.to_owned()));
        downloader
    }

    /// What a server that answers 401 for `url` asks for: its `WWW-Authenticate`.
    ///
    /// # Errors
    /// See [`DownloadError`].
    pub fn challenge(&self, url: &str) -> Result<Option<String>, DownloadError> {
        self.retry(url, || {
            let response = self.send(url, 0)?;
            let header = response.headers().get("www-authenticate");
            let text = header.and_then(|value| value.to_str().ok());
            Ok(text.map(str::to_owned))
        })
    }

    /// The bytes at `url`, at most `limit`; nothing about them is verified.
    ///
    /// # Errors
    /// See [`DownloadError`].
    pub fn text(&self, url: &str, limit: u64) -> Result<Vec<u8>, DownloadError> {
        self.retry(url, || {
            let response = self.request(url, 0)?;
            let mut bytes = Vec::new();
            let mut body = response.into_body().into_reader().take(limit + 1);
            body.read_to_end(&mut bytes)
                .map_err(|error| passing(error, false))?;
            if bytes.len() as u64 > limit {
                let url = url.to_owned();
                return Err(DownloadError::TooLarge { url, limit }.into());
            }
            Ok(bytes)
        })
    }

    /// The blob `wanted` in `store`: fetched unless it is there.
    ///
    /// # Errors
    /// See [`DownloadError`].
    pub fn blob(
        &self,
        wanted: &Wanted,
        store: &Store,
        bar: &Bar,
    ) -> Result<PathBuf, DownloadError> {
        store.realize_blob(&wanted.digest, |path| {
            self.retry(&wanted.url, || self.attempt(wanted, path, bar))
        })
    }

    fn retry<T>(
        &self,
        url: &str,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, DownloadError> {
        let mut attempts = 0;
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { error, progress }) => {
                    attempts = if progress { 1 } else { attempts + 1 };
                    if attempts >= self.patience.attempts {
                        return Err(give_up(url, attempts, error));
                    }
                    thread::sleep(self.patience.pause * (1 << (attempts - 1).min(10)));
                }
            }
        }
    }

    /// An answer of 200, or 206 when `from` is not 0; 416 is passed on for the caller to restart.
    fn request(&self, url: &str, from: u64) -> Result<Response<Body>, Failure> {
        let response = self.send(url, from)?;
        match response.status().as_u16() {
            200 | 206 | 416 => Ok(response),
            status @ (408 | 429 | 500..=599) => Err(Failure::Passing {
                error: ureq::Error::StatusCode(status),
                progress: false,
            }),
            status => Err(Failure::Final(DownloadError::Status {
                url: url.to_owned(),
                status,
            })),
        }
    }

    fn send(&self, url: &str, from: u64) -> Result<Response<Body>, Failure> {
        let mut request = self.agent.get(url);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        request.call().map_err(|error| Failure::Passing {
            error,
            progress: false,
        })
    }

    /// Goes on where `path` ends. Afterwards `path` holds the whole file, or what came of it, or
    /// nothing when that was wrong.
    fn attempt(&self, wanted: &Wanted, path: &Path, bar: &Bar) -> Result<(), Failure> {
        let fail = |source: io::Error| write_error(wanted, path, source);
        let mut partial = Partial::open(path, wanted.size).map_err(fail)?;
        let resumed = partial.length;
        bar.restart();
        bar.add(resumed);
        if resumed < wanted.size {
            let response = self.request(&wanted.url, resumed)?;
            if response.status() != 206 || !continues_at(&response, resumed) {
                partial.restart().map_err(fail)?;
                bar.restart();
            }
            if response.status() == 416 {
                return Err(passing(io::Error::other("the range was refused"), false));
            }
            self.copy(response, wanted, &mut partial, bar)?;
        }
        match partial.check(wanted) {
            Ok(()) => Ok(()),
            Err(error) => {
                fs::remove_file(path).map_err(fail)?;
                // What an earlier process left may be torn; what came in one go is simply wrong.
                Err(if resumed > 0 {
                    passing(io::Error::other(error.to_string()), false)
                } else {
                    Failure::Final(error)
                })
            }
        }
    }

    fn copy(
        &self,
        response: Response<Body>,
        wanted: &Wanted,
        partial: &mut Partial,
        bar: &Bar,
    ) -> Result<(), Failure> {
        let before = partial.length;
        // One byte more than wanted shows a file that is too long without fetching the rest.
        let rest = (wanted.size + 1).saturating_sub(before);
        let mut body = response.into_body().into_reader().take(rest);
        let mut buffer = vec![0; BUFFER];
        loop {
            let progress = partial.length > before;
            match body
                .read(&mut buffer)
                .map_err(|error| passing(error, progress))?
            {
                // A cut is an error of the connection; this is all that the server has.
                0 => return Ok(()),
                count => {
                    let written = partial.append(&buffer[..count]);
                    written.map_err(|source| write_error(wanted, &partial.path, source))?;
                    bar.add(count as u64);
                }
            }
        }
    }
}

fn passing(error: io::Error, progress: bool) -> Failure {
    Failure::Passing {
        error: ureq::Error::Io(error),
        progress,
    }
}

fn give_up(url: &str, attempts: u32, error: ureq::Error) -> DownloadError {
    let url = url.to_owned();
    match error {
        ureq::Error::StatusCode(status) => DownloadError::Status { url, status },
        error => DownloadError::Transport {
            url,
            attempts,
            source: Box::new(error),
        },
    }
}

fn write_error(wanted: &Wanted, path: &Path, source: io::Error) -> DownloadError {
    let path = path.to_owned();
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    if full.contains(&source.kind()) {
        let url = wanted.url.clone();
        return DownloadError::NoSpace { url, path };
    }
    DownloadError::Write { path, source }
}

/// Whether a partial answer starts at `from`. Source: RFC 9110, section 14.4.
fn continues_at(response: &Response<Body>, from: u64) -> bool {
    let range = response.headers().get("content-range");
    let text = range.and_then(|value| value.to_str().ok());
    text.is_some_and(|text| text.starts_with(&format!("bytes {from}-")))
}
