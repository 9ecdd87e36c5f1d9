//! The lock: every byte from outside, by digest. `images/<name>/bedplate.lock`.

use std::collections::BTreeMap;

use bedplate_contract::{Digest, SchemaVersion};
use serde::{Deserialize, Serialize};

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
    /// Sets: `<profile>` (the root), `kernel/<profile>`, `tools` (build), `tools/run` (QEMU, OVMF).
    pub sets: BTreeMap<String, Vec<String>>,
    /// Every package of every set once, sorted by name and version.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
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

impl Lock {
    /// The packages of a set in its order.
    pub fn set<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a LockedPackage> {
        let wanted = self.sets.get(name).map_or(&[][..], Vec::as_slice);
        wanted
            .iter()
            .filter_map(|id| self.packages.iter().find(|package| package.id() == *id))
    }
}

impl LockedPackage {
    /// `name=version`.
    pub fn id(&self) -> String {
        format!("{}={}", self.name, self.version)
    }
}
