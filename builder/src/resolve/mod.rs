//! Names → digests: the only stage that reads repository indexes.
//!
//! Definitions → requests → (verified indexes, solver) → [`Lock`] → blobs in the store. A build
//! with a current lock reads no index; offline, it touches no network.

use std::{collections::BTreeMap, path::Path};

use crate::{
    definition::{Definition, Repository},
    store::Store,
};

pub mod apt_sources;
mod date;
pub mod deb822;
pub mod download;
mod error;
mod fetch;
mod guess;
pub mod index;
pub mod lock;
mod locking;
pub mod mirror;
mod order;
pub mod progress;
mod provider;
pub mod relation;
pub mod release;
mod request;
pub mod signature;
pub mod tools;
mod universe;

use self::{
    download::{Downloader, Patience},
    lock::LockError,
    request::Request,
};
pub use self::{
    error::{ErrorClass, ResolveError},
    fetch::{Packages, fetch},
    lock::{Lock, LockedPackage},
    mirror::Mirrors,
    progress::Progress,
    tools::ToolSet,
};

/// Where everything from outside comes from and goes to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Archive → URL.
    pub mirrors: Mirrors,
    /// Where downloads are kept.
    pub store: Store,
    /// Whether the network may be used.
    pub network: Network,
    /// Where progress is shown.
    pub progress: Progress,
    /// How files are fetched.
    pub downloader: Downloader,
    /// Where tools come from.
    pub tools: Repository,
}

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It may.
    Online,
    /// What is not in the store is an error.
    Offline,
}

/// What to do about the lock of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Lock anew.
    Update,
    /// Use the lock when it is current, else lock anew.
    UseIfCurrent,
    /// Use the lock; a stale one is an error.
    Locked,
}

impl Sources {
    /// Online, with the usual patience and progress on stderr.
    pub fn new(mirrors: Mirrors, store: Store) -> Self {
        Self {
            mirrors,
            store,
            network: Network::Online,
            progress: Progress::on_stderr(),
            downloader: Downloader::new(Patience::default()),
            tools: tools::repository(),
        }
    }

    fn refuse_offline(&self, wanted: Option<&str>) -> Result<(), ResolveError> {
        match (self.network, wanted) {
            (Network::Offline, Some(subject)) => Err(ResolveError::Offline {
                subject: subject.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// Locks all `definitions`, the profiles of one image, and the tools that building and running
/// them takes.
///
/// # Errors
/// See [`ResolveError`].
pub fn lock(definitions: &[Definition], sources: &Sources) -> Result<Lock, ResolveError> {
    locking::lock(&request::of_definitions(definitions, sources), sources)
}

/// Locks `sets` of tools alone.
///
/// # Errors
/// See [`ResolveError`].
pub fn lock_tools(sets: &[ToolSet], sources: &Sources) -> Result<Lock, ResolveError> {
    locking::lock(&request::of_tools(sets, sources), sources)
}

/// The lock at `path` for `definitions`, made and saved where `mode` says so.
///
/// # Errors
/// [`ResolveError::Stale`] when `mode` is [`LockMode::Locked`] and the lock does not answer
/// `definitions`; else see [`ResolveError`].
pub fn ensure_lock(
    path: &Path,
    definitions: &[Definition],
    mode: LockMode,
    sources: &Sources,
) -> Result<Lock, ResolveError> {
    ensure(
        path,
        &request::of_definitions(definitions, sources),
        mode,
        sources,
    )
}

/// As [`ensure_lock`] for `sets` of tools alone.
///
/// # Errors
/// As [`ensure_lock`].
pub fn ensure_tools_lock(
    path: &Path,
    sets: &[ToolSet],
    mode: LockMode,
    sources: &Sources,
) -> Result<Lock, ResolveError> {
    ensure(path, &request::of_tools(sets, sources), mode, sources)
}

fn ensure(
    path: &Path,
    requests: &[Request],
    mode: LockMode,
    sources: &Sources,
) -> Result<Lock, ResolveError> {
    if mode != LockMode::Update {
        let wanted = request::digest(requests);
        match Lock::load(path) {
            Ok(lock) if lock.request == wanted => return Ok(lock),
            Ok(_) | Err(LockError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if mode == LockMode::Locked {
        let path = path.to_owned();
        return Err(ResolveError::Stale { path });
    }
    let lock = locking::lock(requests, sources)?;
    lock.save(path)?;
    Ok(lock)
}

/// Sets by name, as [`Lock::sets`] holds them.
type Sets = BTreeMap<String, Vec<String>>;
