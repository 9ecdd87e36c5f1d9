//! Names → digests: the only stage that reads repository indexes.
//!
//! Definitions → requests → (verified indexes, solver) → [`Lock`] → blobs in the store. A build
//! with a current lock reads no index; offline, it touches no network.

use std::{collections::BTreeMap, path::Path};

use crate::{
    definition::{Definition, OciSource, Repository},
    registry::Origins,
    store::Store,
};

pub mod apt_sources;
mod date;
pub mod deb822;
pub mod download;
mod error;
mod fetch;
mod guess;
mod images;
pub mod index;
pub mod lock;
mod locking;
pub mod mirror;
mod order;
pub mod parallel;
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
    images::fetch_images,
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
    /// Where images of container registries come from.
    pub images: Origins,
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
            images: Origins::default(),
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
    let mut lock = locking::lock(&request::of_definitions(definitions, sources), sources)?;
    lock.images = images::pin(&images::wanted(definitions), None, sources)?;
    Ok(lock)
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
        &images::wanted(definitions),
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
    ensure(path, &request::of_tools(sets, sources), &[], mode, sources)
}

fn ensure(
    path: &Path,
    requests: &[Request],
    images: &[OciSource],
    mode: LockMode,
    sources: &Sources,
) -> Result<Lock, ResolveError> {
    let known = known(path, mode)?;
    let answers = |lock: &&Lock| lock.request == request::digest(requests);
    let current = known.as_ref().filter(answers);
    match current {
        Some(lock) if images::is_current(lock, images) => return Ok(lock.clone()),
        Some(lock) if mode == LockMode::Locked => return Err(images::stale(path, lock, images)),
        None if mode == LockMode::Locked => {
            let path = path.to_owned();
            return Err(ResolveError::Stale { path });
        }
        _ => {}
    }
    // Another image is no reason to take other packages, nor the other way round.
    let pinned = images::pin(images, known.as_ref(), sources)?;
    let lock = match current {
        Some(lock) => lock.clone(),
        None => locking::lock(requests, sources)?,
    };
    let lock = Lock {
        images: pinned,
        ..lock
    };
    lock.save(path)?;
    Ok(lock)
}

/// The lock at `path`, where it counts.
fn known(path: &Path, mode: LockMode) -> Result<Option<Lock>, ResolveError> {
    if mode == LockMode::Update {
        return Ok(None);
    }
    match Lock::load(path) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sets by name, as [`Lock::sets`] holds them.
type Sets = BTreeMap<String, Vec<String>>;
