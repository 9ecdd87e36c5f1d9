//! Locked packages → blobs in the store, in parallel.

use std::path::PathBuf;

use super::{
    ResolveError, Sources,
    download::Wanted,
    lock::{Lock, LockedPackage},
    parallel,
};
use crate::store::Store;

/// The .debs of some sets of a lock, all in the store.
#[derive(Debug, Clone)]
pub struct Packages {
    store: Store,
}

impl Packages {
    /// The .deb of a package of the fetched sets.
    pub fn blob(&self, package: &LockedPackage) -> PathBuf {
        self.store.blob(&package.sha256)
    }
}

/// Brings every .deb of the sets `names` into the store.
///
/// # Errors
/// The first download that fails; offline, the first one that would be needed.
pub fn fetch(lock: &Lock, names: &[&str], sources: &Sources) -> Result<Packages, ResolveError> {
    let mut missing: Vec<&LockedPackage> = names.iter().flat_map(|name| lock.set(name)).collect();
    missing.sort_by_key(|package| &package.sha256);
    missing.dedup_by_key(|package| &package.sha256);
    missing.retain(|package| !sources.store.blob(&package.sha256).is_file());
    // The largest first, so that none is left to run alone at the end.
    missing.sort_by_key(|package| std::cmp::Reverse(package.size));
    sources.refuse_offline(missing.first().map(|package| package.path.as_str()))?;
    fetch_all(&missing, sources)?;
    Ok(Packages {
        store: sources.store.clone(),
    })
}

fn fetch_all(packages: &[&LockedPackage], sources: &Sources) -> Result<(), ResolveError> {
    let total = packages.iter().map(|package| package.size).sum();
    let title = format!("{} packages", packages.len());
    let whole = sources.progress.bytes(&title, total);
    parallel::each(packages, |package| {
        fetch_one(package, sources)?;
        whole.add(package.size);
        Ok(())
    })
}

fn fetch_one(package: &LockedPackage, sources: &Sources) -> Result<(), ResolveError> {
    let base = sources.mirrors.url(&package.archive)?;
    let wanted = Wanted {
        url: format!("{base}/{}", package.path),
        digest: package.sha256,
        size: package.size,
    };
    let bar = sources.progress.bytes(&package.name, package.size);
    sources.downloader.blob(&wanted, &sources.store, &bar)?;
    Ok(())
}
