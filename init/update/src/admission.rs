//! Whether a bundle is taken: decided from its envelope and the facts of the machine, before a byte
//! is written. Pure.

use std::cmp::Ordering;

use bedplate_contract::{
    BundleManifest, Digest, EntryName,
    control::BootState,
    meta::Quarantined,
    signature::{self, Envelope, SignatureError},
    trust::{Trust, TrustError},
    verity::BLOCK_SIZE,
    version::{self, TimeError},
};

/// What the machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Seconds since 1970, by the machine's clock.
    pub now: u64,
    /// Image that runs.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its profile.
    pub profile: String,
    /// Where its boot stands.
    pub boot: BootState,
    /// Versions that failed here.
    pub quarantine: Vec<Quarantined>,
    /// Root hash of the last blessed root, as far as it is known.
    pub blessed: Option<Digest>,
    /// The slot that would be written.
    pub inactive: Inactive,
    /// Bytes that an entry may have on the ESP once all but the running one are cleared.
    pub esp: u64,
}

/// The slot that would be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inactive {
    /// `a` or `b`.
    pub letter: &'static str,
    /// Root hash of the tree in it; `None` in an empty one.
    pub root_hash: Option<Digest>,
    /// Bytes of its root partition.
    pub root: u64,
    /// Bytes of its verity partition.
    pub tree: u64,
}

/// Whether a quarantined version is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantine {
    /// It is refused.
    Holds,
    /// The operator says to take it.
    Forced,
}

/// Why a bundle is refused, in words that follow `<bundle> is refused: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Without signature, with too few, or with others' signatures.
    #[error("{0}")]
    Signature(SignatureError),
    /// Keys or manifest cannot be read.
    #[error("{0}")]
    Trust(TrustError),
    /// The bundle of another image.
    #[error("it is for the image `{found}`; this machine runs `{expected}`")]
    Image {
        /// What runs.
        expected: String,
        /// What the bundle is for.
        found: String,
    },
    /// The bundle of another profile.
    #[error("it is for the profile `{found}`; this machine has `{expected}`")]
    Profile {
        /// What runs.
        expected: String,
        /// What the bundle is for.
        found: String,
    },
    /// Version or sizes that no builder writes.
    #[error("its manifest says {0}, which no builder writes")]
    Manifest(String),
    /// Older than the image lets its host go back.
    #[error("its version {found} is older than {floor}, the oldest that this machine takes")]
    Floor {
        /// Oldest version that is taken.
        floor: String,
        /// Version of the bundle.
        found: String,
    },
    /// Not newer than what runs.
    #[error(
        "its version {found} is older than the running {running}; `bedplatectl rollback` goes back"
    )]
    Older {
        /// What runs.
        running: String,
        /// Version of the bundle.
        found: String,
    },
    /// What runs already.
    #[error("its version {0} is the one that runs")]
    Same(String),
    /// The running version is too old for it.
    #[error("it needs a machine that runs {minimum} or newer; this one runs {running}")]
    Minimum {
        /// Oldest version that may run.
        minimum: String,
        /// What runs.
        running: String,
    },
    /// Its time is over.
    #[error("it expired at {expired}; the clock of this machine says {now}")]
    Expired {
        /// When.
        expired: String,
        /// What the clock says.
        now: String,
    },
    /// A time that is none.
    #[error("its expiry cannot be read: {0}")]
    Expiry(TimeError),
    /// It failed here.
    #[error(
        "version {version} failed on this machine and is in quarantine; `--force` takes it again"
    )]
    Quarantined {
        /// Version of the bundle.
        version: String,
    },
    /// The running version is not decided yet.
    #[error("the boot of the running version is not decided yet ({0}); wait until it is healthy")]
    Unsettled(&'static str),
    /// The other slot is what the machine falls back to.
    #[error(
        "slot {0} holds the last version that was blessed, and the blessed slot is never written"
    )]
    Blessed(&'static str),
    /// It does not fit.
    #[error("its {what} needs {needed} bytes, and {place} has {available}")]
    Room {
        /// `root image`, `hash tree` or `UKI`.
        what: &'static str,
        /// `slot b`, `the ESP` and so on.
        place: String,
        /// Bytes of the bundle.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
}

/// The manifest in `envelope` (`None`: not signed), if this machine takes it.
///
/// # Errors
/// The first [`Refusal`], in the order in which they help: who made it, what it is for, then what
/// the operator can change.
pub fn judge(
    envelope: Option<&[u8]>,
    trust: &Trust,
    facts: &Facts,
    quarantine: Quarantine,
) -> Result<BundleManifest, Refusal> {
    let manifest = open(envelope, trust)?;
    check_identity(&manifest, facts)?;
    check_versions(&manifest, trust, facts)?;
    check_expiry(&manifest, facts)?;
    check_machine(&manifest, facts, quarantine)?;
    check_room(&manifest, facts)?;
    Ok(manifest)
}

fn open(envelope: Option<&[u8]>, trust: &Trust) -> Result<BundleManifest, Refusal> {
    let refused = |error| match error {
        TrustError::Signature(error) => Refusal::Signature(error),
        error => Refusal::Trust(error),
    };
    if trust.keys.is_empty() {
        return Err(Refusal::Trust(TrustError::NoKeys));
    }
    let bytes = envelope.ok_or(Refusal::Signature(SignatureError::Unsigned))?;
    if bytes.len() > signature::MAX_ENVELOPE {
        let words = format!("more than {} bytes", signature::MAX_ENVELOPE);
        return Err(Refusal::Signature(SignatureError::Envelope(words)));
    }
    let envelope = Envelope::parse(bytes).map_err(Refusal::Signature)?;
    trust.open(&envelope).map_err(refused)
}

fn check_identity(manifest: &BundleManifest, facts: &Facts) -> Result<(), Refusal> {
    let (name, profile) = (&manifest.name, &manifest.profile);
    if *name != facts.name {
        let (expected, found) = (facts.name.clone(), name.clone());
        return Err(Refusal::Image { expected, found });
    }
    if *profile != facts.profile {
        let (expected, found) = (facts.profile.clone(), profile.clone());
        return Err(Refusal::Profile { expected, found });
    }
    // The version becomes a file name.
    let entry = EntryName::fresh(name, &manifest.version);
    if entry.to_string().parse() != Ok(entry) {
        return Err(Refusal::Manifest(format!("version {:?}", manifest.version)));
    }
    let size = manifest.root.image.size;
    if size == 0 || !size.is_multiple_of(BLOCK_SIZE as u64) {
        return Err(Refusal::Manifest(format!("a root image of {size} bytes")));
    }
    Ok(())
}

fn check_versions(manifest: &BundleManifest, trust: &Trust, facts: &Facts) -> Result<(), Refusal> {
    let (found, running) = (manifest.version.clone(), facts.version.clone());
    if let Some(floor) = trust.floor.clone().filter(|floor| is_older(&found, floor)) {
        return Err(Refusal::Floor { floor, found });
    }
    match version::compare(&found, &running) {
        Ordering::Less => return Err(Refusal::Older { running, found }),
        Ordering::Equal => return Err(Refusal::Same(found)),
        Ordering::Greater => {}
    }
    let minimum = manifest.minimum_version.clone();
    match minimum.filter(|minimum| is_older(&running, minimum)) {
        Some(minimum) => Err(Refusal::Minimum { minimum, running }),
        None => Ok(()),
    }
}

fn is_older(a: &str, b: &str) -> bool {
    version::compare(a, b) == Ordering::Less
}

fn check_expiry(manifest: &BundleManifest, facts: &Facts) -> Result<(), Refusal> {
    let Some(expires) = &manifest.expires else {
        return Ok(());
    };
    let at = version::parse_time(expires).map_err(Refusal::Expiry)?;
    match facts.now < at {
        true => Ok(()),
        false => Err(Refusal::Expired {
            expired: expires.clone(),
            now: version::time(facts.now),
        }),
    }
}

fn check_machine(
    manifest: &BundleManifest,
    facts: &Facts,
    quarantine: Quarantine,
) -> Result<(), Refusal> {
    if quarantine == Quarantine::Holds && is_quarantined(manifest, facts) {
        let version = manifest.version.clone();
        return Err(Refusal::Quarantined { version });
    }
    check_settled(facts.boot)?;
    let inactive = &facts.inactive;
    if inactive.root_hash.is_some() && inactive.root_hash == facts.blessed {
        return Err(Refusal::Blessed(inactive.letter));
    }
    Ok(())
}

/// Whether the bundle's root has failed on the machine.
pub fn is_quarantined(manifest: &BundleManifest, facts: &Facts) -> bool {
    let mut quarantine = facts.quarantine.iter();
    quarantine.any(|failed| failed.root == manifest.root_hash)
}

/// Refuses while the running version is on trial: the other slot is what it falls back to.
///
/// # Errors
/// [`Refusal::Unsettled`].
pub fn check_settled(boot: BootState) -> Result<(), Refusal> {
    match boot {
        BootState::Healthy | BootState::Failing | BootState::Degraded => Ok(()),
        BootState::Starting => Err(Refusal::Unsettled("starting")),
        BootState::Gating => Err(Refusal::Unsettled("gating")),
        BootState::Stopping => Err(Refusal::Unsettled("stopping")),
    }
}

fn check_room(manifest: &BundleManifest, facts: &Facts) -> Result<(), Refusal> {
    let inactive = &facts.inactive;
    let slot = format!("slot {}", inactive.letter);
    let verity = format!("slot {}'s verity partition", inactive.letter);
    for (what, place, needed, available) in [
        ("root image", slot, manifest.root.image.size, inactive.root),
        ("hash tree", verity, manifest.verity.size, inactive.tree),
        ("UKI", "the ESP".to_owned(), manifest.uki.size, facts.esp),
    ] {
        if needed > available {
            return Err(Refusal::Room {
                what,
                place,
                needed,
                available,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
