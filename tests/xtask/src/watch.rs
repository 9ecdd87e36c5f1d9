//! Whether the tests left alone what is not theirs.
//!
//! `/tmp`, `/var/tmp` and the home directory belong to whoever runs the tests: keys and disks that the
//! README tells its reader to make lie there. While the suite runs, every name that is made, changed or
//! removed right below them is noted (inotify(7)). The suite's own names are those of `tempfile`
//! and of the product.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor},
};

/// How names begin that the suite makes for itself.
const OWN: [&str; 2] = [".tmp", "bedplate"];

/// A watch over places.
#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
    places: BTreeMap<WatchDescriptor, Place>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// What was there before.
    before: BTreeSet<PathBuf>,
}

/// What happened to somebody else's names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// They were there before, and were changed or removed.
    pub harmed: BTreeSet<PathBuf>,
    /// They were made.
    pub made: BTreeSet<PathBuf>,
}

impl Watch {
    /// Watches where people keep things.
    pub fn usual() -> Result<Self> {
        let home = env::var_os("HOME").map(PathBuf::from);
        let places = ["/tmp", "/var/tmp"].map(PathBuf::from);
        Self::over(places.into_iter().chain(home).filter(|path| path.is_dir()))
    }

    fn over(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let mut places = BTreeMap::new();
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_MOVE;
        for path in paths {
            let watched = inotify.add_watch(&path, flags);
            let watch = watched.with_context(|| format!("watching `{}`", path.display()))?;
            let before = names(&path)?;
            places.insert(watch, Place { path, before });
        }
        Ok(Self { inotify, places })
    }

    /// Takes what happened so far into `touched`; called often enough, for the kernel's queue is bounded.
    pub fn drain(&self, touched: &mut Touched) -> Result<()> {
        loop {
            let events = match self.inotify.read_events() {
                Err(Errno::EAGAIN) => return Ok(()),
                events => events?,
            };
            for event in events {
                let place = self.places.get(&event.wd);
                let (Some(place), Some(name)) = (place, event.name) else {
                    continue;
                };
                let path = place.path.join(&name);
                let name = name.to_string_lossy();
                match place.before.contains(&path) {
                    true => touched.harmed.insert(path),
                    false if OWN.iter().any(|own| name.starts_with(own)) => false,
                    false => touched.made.insert(path),
                };
            }
        }
    }
}

fn names(directory: &Path) -> Result<BTreeSet<PathBuf>> {
    let entries = directory.read_dir();
    let entries = entries.with_context(|| format!("listing `{}`", directory.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_not_the_suite_s_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("release.key"), "key").unwrap();
        fs::write(path("host.raw"), "disk").unwrap();
        let watch = Watch::over([place.path().to_owned()]).unwrap();
        fs::remove_file(path("release.key")).unwrap();
        fs::write(path("host.raw"), "another").unwrap();
        fs::write(path("updates"), "").unwrap();
        fs::remove_file(path("updates")).unwrap();
        fs::create_dir(path(".tmpAb3")).unwrap();
        let mut touched = Touched::default();
        watch.drain(&mut touched).unwrap();
        let expected = Touched {
            harmed: [path("host.raw"), path("release.key")].into(),
            made: [path("updates")].into(),
        };
        assert_eq!(touched, expected);
    }
}
