//! What the machine stands on: its slots, its ESP, its record, its clock, its trust.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use bedplate_contract::{
    Digest, EntryName,
    control::{BootState, Status},
    layout,
    trust::Trust,
};
use bedplate_init::{
    disk::{self, DiskError, Slot, Source},
    esp::{self, EspError, Purpose},
    meta::{Meta, MetaError},
    verity,
};
use bedplate_sys::block;

use crate::{
    admission::{Facts, Inactive},
    stage::{Disk, Entries},
};

/// A machine that cannot say what it stands on.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// No slots.
    #[error("finding the slots of this machine; a container has none")]
    Disk(#[from] DiskError),
    /// A partition.
    #[error("opening `{device}`")]
    Device {
        /// Node.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The ESP.
    #[error(transparent)]
    Esp(#[from] EspError),
    /// The record.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The trust document.
    #[error("reading `{path}`")]
    Trust {
        /// The document.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
}

/// Where the running root comes from, and where the next goes.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The slot that runs.
    pub slot: Slot,
    disk: String,
    running: Digest,
    entry: EntryName,
    root: PathBuf,
    tree: PathBuf,
    active: PathBuf,
}

impl Ground {
    /// Finds the slots of the machine that `status` speaks of.
    ///
    /// # Errors
    /// [`GroundError::Disk`].
    pub fn find(status: &Status) -> Result<Self, GroundError> {
        let Source {
            slot,
            disk,
            root_hash,
        } = Source::load()?;
        let device = |partition| disk::find(&disk, partition).map(|found| found.device);
        Ok(Self {
            root: device(slot.other().root())?,
            tree: device(slot.other().verity())?,
            active: device(slot.root())?,
            entry: EntryName::fresh(&status.name, &status.version),
            running: root_hash,
            slot,
            disk,
        })
    }

    /// Where the entries are.
    pub fn entries(&self) -> Entries {
        Entries::Esp(self.disk.clone())
    }

    /// All that decides whether a bundle is taken; nothing is written for it.
    ///
    /// # Errors
    /// Any [`GroundError`].
    pub fn facts(&self, status: &Status) -> Result<Facts, GroundError> {
        let running = &self.entry;
        let room = |directory: &Path| esp::room(directory, running);
        Ok(Facts {
            now: now(),
            name: status.name.clone(),
            version: status.version.clone(),
            profile: status.profile.clone(),
            boot: status.boot,
            quarantine: status.quarantine.clone(),
            blessed: self.blessed(status.boot)?,
            inactive: Inactive {
                letter: self.slot.other().letter(),
                root_hash: verity::read_tree(&self.tree).ok().map(|(_, hash)| hash),
                root: size(&self.root)?,
                tree: size(&self.tree)?,
            },
            esp: self.entries().with(Purpose::Look, room)?,
        })
    }

    /// A healthy machine runs what was blessed last, whatever its record remembers; so one whose
    /// record is lost can still be repaired by an upgrade.
    fn blessed(&self, boot: BootState) -> Result<Option<Digest>, GroundError> {
        if matches!(boot, BootState::Healthy | BootState::Failing) {
            return Ok(Some(self.running));
        }
        let partition = disk::find(&self.disk, layout::META)?;
        Ok(Meta::open(&partition.device)?.record().blessed)
    }

    /// The inactive slot, opened so that the kernel refuses it if anything runs from it.
    ///
    /// # Errors
    /// [`GroundError::Device`].
    pub fn target(&self) -> Result<Disk, GroundError> {
        let open = |device: &Path| block::open_unused(device).map_err(failed(device));
        Ok(Disk::new(
            open(&self.root)?,
            open(&self.tree)?,
            // Without the running root to copy from, more is fetched.
            fs::File::open(&self.active).ok(),
            self.entries(),
            self.entry.clone(),
        ))
    }
}

fn size(device: &Path) -> Result<u64, GroundError> {
    let size = fs::File::open(device).and_then(|file| block::size(&file));
    size.map_err(failed(device))
}

fn failed(device: &Path) -> impl FnOnce(io::Error) -> GroundError {
    let device = device.to_owned();
    move |source| GroundError::Device { device, source }
}

/// A clock before 1970 says 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Whom the machine trusts; nobody, where the image has no such document.
///
/// # Errors
/// [`GroundError::Trust`].
pub fn trust(path: &Path) -> Result<Trust, GroundError> {
    let failed = |source| GroundError::Trust {
        path: path.to_owned(),
        source,
    };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Trust::default()),
        Err(error) => Err(failed(error)),
        Ok(text) => Trust::parse(&text).map_err(|error| failed(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_trust_trusts_nobody() {
        assert_eq!(trust(Path::new("/no/such")).unwrap(), Trust::default());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trust.json");
        fs::write(&path, crate::sample::trust().encode()).unwrap();
        assert_eq!(trust(&path).unwrap(), crate::sample::trust());
        fs::write(&path, "{}").unwrap();
        assert!(trust(&path).unwrap_err().to_string().starts_with("reading"));
    }
}
