//! The lock: every byte from outside, by digest. `images/<name>/bedplate.lock`.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_contract::{Digest, SchemaVersion};
use serde::{Deserialize, Serialize};

use crate::{
    registry::PinnedImage,
    store::{self, StoreError},
};

/// Why a lock cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// There is none.
    #[error("there is no lock `{}`", path.display())]
    Missing {
        /// Lock file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the lock `{}`", path.display())]
    Read {
        /// Lock file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Not the format, or another version of it.
    #[error("`{}:{line}`: cannot parse the lock: {message}", path.display())]
    Syntax {
        /// Lock file.
        path: PathBuf,
        /// Line of the problem, from 1.
        line: usize,
        /// What was expected and found.
        message: String,
    },
    /// A set names a package that the lock does not hold.
    #[error("`{}`: the set `{set}` names `{package}`, which the lock does not hold", path.display())]
    Dangling {
        /// Lock file.
        path: PathBuf,
        /// Set.
        set: String,
        /// `name=version`.
        package: String,
    },
    /// The lock cannot be written as TOML.
    #[error("cannot encode the lock `{}`", path.display())]
    Encode {
        /// Lock file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Box<toml::ser::Error>,
    },
    /// The lock cannot be written.
    #[error("cannot save the lock")]
    Write(#[from] StoreError),
}

/// What a build may read, and nothing else. Names no host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// Digest of what the lock answers: repositories and wanted packages of every set. A lock whose
    /// request differs is stale.
    pub request: Digest,
    /// Repositories as they were read.
    #[serde(default, rename = "repository")]
    pub repositories: Vec<LockedRepository>,
    /// Set name → packages as `name=version`, in an order in which they can be configured.
    ///
    /// Sets: `<profile>` (the root), `kernel/<profile>`, `build/<profile>/profile` and
    /// `build/<profile>/image` (the roots of `[build]`), `tools` (build), `tools/run` (QEMU, OVMF).
    pub sets: BTreeMap<String, Vec<String>>,
    /// Every package of every set once, sorted by name and version.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
    /// Images of container registries, by their names in the definition; none in a lock that was made
    /// without a registry.
    #[serde(default, rename = "oci", skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<PinnedImage>,
}

/// A repository at the time of locking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRepository {
    /// `debian`, `debian-security`, …
    pub archive: String,
    /// Suite.
    pub suite: String,
    /// Digest of the verified `InRelease`.
    pub in_release: Digest,
}

/// One .deb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// Archive the path belongs to.
    pub archive: String,
    /// Path below the archive's URL.
    pub path: String,
    /// SHA-256 of the .deb.
    pub sha256: Digest,
    /// Bytes of the .deb.
    pub size: u64,
    /// Whether the package is in the closure of the Essential ones: it goes into the base layer.
    #[serde(default)]
    pub base: bool,
}

/// Which packages of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those of the base layer: the closure of the Essential ones.
    Base,
    /// All others.
    Rest,
}

/// First line of every lock.
const HEADER: &str = "# Written by `bedplate lock`; do not edit.\n";

impl Lock {
    /// Reads the lock at `path`.
    ///
    /// # Errors
    /// Missing, unreadable, another schema, or sets that name what is not there.
    pub fn load(path: &Path) -> Result<Self, LockError> {
        let text = fs::read_to_string(path).map_err(|source| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::NotFound => LockError::Missing { path },
                _ => LockError::Read { path, source },
            }
        })?;
        let lock: Self = toml::from_str(&text).map_err(|error| syntax(path, &text, &error))?;
        lock.check(path)?;
        Ok(lock)
    }

    /// Replaces the file at `path` by this lock, all or nothing.
    ///
    /// # Errors
    /// Any of write, fsync, rename.
    pub fn save(&self, path: &Path) -> Result<(), LockError> {
        let text = toml::to_string(self).map_err(|source| LockError::Encode {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(store::atomic_write(
            path,
            (HEADER.to_owned() + &text).as_bytes(),
        )?)
    }

    fn check(&self, path: &Path) -> Result<(), LockError> {
        let known: std::collections::BTreeSet<_> =
            self.packages.iter().map(LockedPackage::id).collect();
        for (set, ids) in &self.sets {
            if let Some(package) = ids.iter().find(|id| !known.contains(*id)) {
                return Err(LockError::Dangling {
                    path: path.to_owned(),
                    set: set.clone(),
                    package: package.clone(),
                });
            }
        }
        Ok(())
    }

    /// The packages of a set in its order.
    pub fn set<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a LockedPackage> {
        let wanted = self.sets.get(name).map_or(&[][..], Vec::as_slice);
        wanted
            .iter()
            .filter_map(|id| self.packages.iter().find(|package| package.id() == *id))
    }

    /// One part of the packages of a set, in its order.
    pub fn part<'a>(&'a self, set: &str, part: Part) -> impl Iterator<Item = &'a LockedPackage> {
        self.set(set)
            .filter(move |package| package.base == (part == Part::Base))
    }
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> LockError {
    let offset = error.span().map_or(0, |span| span.start).min(text.len());
    LockError::Syntax {
        path: path.to_owned(),
        line: 1 + text.as_bytes()[..offset]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count(),
        message: error.message().to_owned(),
    }
}

impl LockedPackage {
    /// `name=version`.
    pub fn id(&self) -> String {
        format!("{}={}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Digest, Lock, LockError, LockedPackage, LockedRepository, PinnedImage};
    use crate::registry::Blob;

    fn image() -> PinnedImage {
        let blob = |text: &str| Blob {
            digest: Digest::of(text.as_bytes()),
            size: 3,
            media_type: text.to_owned(),
        };
        PinnedImage {
            name: "grafana".to_owned(),
            reference: "grafana/grafana:12.0.2".to_owned(),
            manifest: Digest::of(b"manifest"),
            config: blob("config"),
            layers: vec![blob("one"), blob("two")],
        }
    }

    fn example() -> Lock {
        Lock {
            schema: Default::default(),
            request: Digest::of(b"request"),
            repositories: vec![LockedRepository {
                archive: "debian".into(),
                suite: "trixie".into(),
                in_release: Digest::of(b"release"),
            }],
            sets: BTreeMap::from([("kernel/min".into(), vec!["linux=1:6.12~rc1-1".into()])]),
            packages: vec![LockedPackage {
                name: "linux".into(),
                version: "1:6.12~rc1-1".into(),
                architecture: "amd64".into(),
                archive: "debian".into(),
                path: "pool/main/l/linux.deb".into(),
                sha256: Digest::of(b"deb"),
                size: 3,
                base: false,
            }],
            images: vec![image()],
        }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bedplate.lock");
        assert!(matches!(Lock::load(&path), Err(LockError::Missing { .. })));
        example().save(&path).unwrap();
        let lock = Lock::load(&path).unwrap();
        assert_eq!(lock, example());
        assert_eq!(lock.set("kernel/min").count(), 1);
        assert_eq!(lock.set("none").count(), 0);
    }

    #[test]
    fn errors_name_the_line_or_the_package() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bedplate.lock");
        example().save(&path).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        for (from, to, expected) in [
            (
                "schema = 1",
                "schema = 2",
                "bedplate.lock:2`: cannot parse the lock: expected schema 1",
            ),
            (
                "request = \"sha256:",
                "request = \"md5:",
                "bedplate.lock:3`",
            ),
            ("[\"linux=", "[\"unix=", "names `unix=1:6.12~rc1-1`"),
        ] {
            assert!(good.contains(from), "{good}");
            std::fs::write(&path, good.replace(from, to)).unwrap();
            let error = Lock::load(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
