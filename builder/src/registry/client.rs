//! One repository of a registry, as far as a pull needs it.
//!
//! Source: distribution-spec 1.1, "Pull"; token authentication of the distribution project.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use bedplate_contract::Digest;
use serde::Deserialize;

use super::{
    Blob, Challenge, Credentials, Location, MAX_DOCUMENT, RegistryError, document::ACCEPT,
    location::is_loopback,
};
use crate::{
    resolve::{
        download::{DownloadError, Downloader, Wanted},
        progress::Bar,
    },
    store::Store,
};

/// Longest answer of a token server.
const MAX_TOKEN: u64 = 64 << 10;

/// A repository that is pulled from.
#[derive(Debug)]
pub(super) struct Client<'a> {
    downloader: &'a Downloader,
    location: &'a Location,
    repository: &'a str,
    /// For messages.
    reference: String,
    /// Value of `Authorization`, once the registry has asked for one.
    authorization: Mutex<Option<String>>,
}

#[derive(Debug, Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Client<'a> {
    /// The repository at `location`; nothing is asked yet.
    pub fn new(
        downloader: &'a Downloader,
        location: &'a Location,
        repository: &'a str,
        reference: String,
    ) -> Self {
        Self {
            downloader,
            location,
            repository,
            reference,
            authorization: Mutex::default(),
        }
    }

    /// The manifest or index that `selector`, a tag or a digest, names; of a digest it is checked.
    pub fn manifest(&self, selector: &str) -> Result<Vec<u8>, RegistryError> {
        let url = self.url(&format!("manifests/{selector}"));
        let bytes = self.authorized(&url, |downloader| {
            let downloader = downloader.with_header("accept", ACCEPT);
            downloader.text(&url, MAX_DOCUMENT)
        })?;
        match selector.parse::<Digest>() {
            Ok(expected) if expected != Digest::of(&bytes) => Err(RegistryError::Digest {
                reference: self.reference.clone(),
                expected,
                found: Digest::of(&bytes),
            }),
            _ => Ok(bytes),
        }
    }

    /// A blob in the store, fetched unless it is there; a cut one is gone on with.
    pub fn blob(&self, blob: &Blob, store: &Store, bar: &Bar) -> Result<PathBuf, RegistryError> {
        let wanted = Wanted {
            url: self.url(&format!("blobs/{}", blob.digest)),
            digest: blob.digest,
            size: blob.size,
        };
        self.authorized(&wanted.url, |downloader| {
            downloader.blob(&wanted, store, bar)
        })
    }

    fn url(&self, path: &str) -> String {
        self.location.url(self.repository, path)
    }

    /// Does `work`, and once more with what the registry asks for when it asks: a token also expires
    /// while a large image is pulled.
    fn authorized<T>(
        &self,
        url: &str,
        work: impl Fn(&Downloader) -> Result<T, DownloadError>,
    ) -> Result<T, RegistryError> {
        match work(&self.downloader()) {
            Err(DownloadError::Status { status: 401, .. }) => {
                self.log_in(url)?;
                work(&self.downloader()).map_err(|error| self.failed(error))
            }
            result => result.map_err(|error| self.failed(error)),
        }
    }

    fn downloader(&self) -> Downloader {
        match &*self.lock() {
            Some(value) => self.downloader.with_header("authorization", value),
            None => self.downloader.clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        let locked = self.authorization.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }

    fn log_in(&self, url: &str) -> Result<(), RegistryError> {
        let header = self.downloader.challenge(url);
        let header = header.map_err(|error| self.failed(error))?;
        let challenge = header.as_deref().and_then(Challenge::parse);
        let credentials = Credentials::of_user(self.location.host())?;
        let value = match challenge {
            Some(challenge @ Challenge::Bearer { .. }) => {
                self.token(&challenge, credentials.as_ref())?
            }
            Some(Challenge::Basic) => {
                let known = credentials.as_ref().map(|known| known.header().to_owned());
                known.ok_or_else(|| self.refused("it wants a user and a password; log in first"))?
            }
            None => return Err(self.refused("it asks for an authentication that is not known")),
        };
        *self.lock() = Some(value);
        Ok(())
    }

    fn token(
        &self,
        challenge: &Challenge,
        credentials: Option<&Credentials>,
    ) -> Result<String, RegistryError> {
        let url = challenge.token_url(self.repository).unwrap_or_default();
        if !self.is_trusted(&url) {
            let reason = format!("it sends us to `{url}`, which is not asked in the clear");
            return Err(self.refused(&reason));
        }
        let downloader = match credentials {
            Some(known) => &self.downloader.with_header("authorization", known.header()),
            None => self.downloader,
        };
        let answer = downloader.text(&url, MAX_TOKEN);
        let answer = answer.map_err(|error| self.failed(error))?;
        let token: Option<Token> = serde_json::from_slice(&answer).ok();
        let token = token.and_then(|token| token.token.or(token.access_token));
        // A header takes no control characters, and a token has none (RFC 6750, 2.1).
        match token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic())) {
            Some(token) => Ok(format!("Bearer {token}")),
            None => Err(self.refused("its token server gives no token")),
        }
    }

    /// Passwords and tokens go over TLS; on the loopback nobody listens in.
    fn is_trusted(&self, url: &str) -> bool {
        let Some(rest) = url.strip_prefix("http://") else {
            return url.starts_with("https://");
        };
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        self.location.is_loopback() && is_loopback(host)
    }

    fn failed(&self, error: DownloadError) -> RegistryError {
        match error {
            DownloadError::Status { status, .. } if status == 401 || status == 403 => {
                self.refused(&format!("it answers {status}"))
            }
            error => RegistryError::Download {
                reference: self.reference.clone(),
                source: Box::new(error),
            },
        }
    }

    fn refused(&self, reason: &str) -> RegistryError {
        RegistryError::Refused {
            reference: self.reference.clone(),
            reason: reason.to_owned(),
        }
    }
}
