//! The partitions of the machine's disks, by their GPT names as the kernel shows them in sysfs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_contract::{Digest, layout};
use serde::{Deserialize, Serialize};

use crate::durable::{self, DurableError};

/// Where the kernel lists block devices.
pub const SYS_BLOCK: &str = "/sys/class/block";

/// What stage 1 found, for PID 1 of the root; in memory only.
pub const SOURCE: &str = "/run/bedplate/source.json";

/// A half of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// The half that provisioning fills.
    A,
    /// The other.
    B,
}

impl Slot {
    /// Both, A first.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other half.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// `a` or `b`.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// Partition of its root.
    pub const fn root(self) -> layout::Partition {
        match self {
            Self::A => layout::SLOT_A,
            Self::B => layout::SLOT_B,
        }
    }

    /// Partition of its hash tree.
    pub const fn verity(self) -> layout::Partition {
        match self {
            Self::A => layout::SLOT_A_VERITY,
            Self::B => layout::SLOT_B_VERITY,
        }
    }
}

/// Where the running root comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The slot.
    pub slot: Slot,
    /// Kernel name of its disk, such as `vda`.
    pub disk: String,
    /// Root hash of the slot.
    pub root_hash: Digest,
}

/// A partition that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// GPT name.
    pub label: String,
    /// From 1.
    pub number: u32,
    /// Node, such as `/dev/vda1`.
    pub device: PathBuf,
    /// Kernel name of its disk, such as `vda`.
    pub disk: String,
}

/// A disk that does not say what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// sysfs cannot be read.
    #[error("listing block devices in `{path}`")]
    List {
        /// Directory.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A label that no partition has.
    #[error("disk `{disk}` has no partition `{label}`")]
    Missing {
        /// Kernel name of the disk.
        disk: String,
        /// GPT name that was looked for.
        label: &'static str,
    },
    /// No record of where the root comes from: a container, or stage 1 of another make.
    #[error("reading where the root comes from")]
    NoSource(#[source] io::Error),
    /// A record that is not what stage 1 writes.
    #[error("parsing `{SOURCE}`")]
    BadSource(#[source] serde_json::Error),
    /// The record could not be written.
    #[error("recording where the root comes from")]
    Record(#[source] DurableError),
}

impl Source {
    /// Reads what stage 1 wrote.
    ///
    /// # Errors
    /// [`DiskError::NoSource`] in a container; [`DiskError::BadSource`].
    pub fn load() -> Result<Self, DiskError> {
        let text = fs::read_to_string(SOURCE).map_err(DiskError::NoSource)?;
        serde_json::from_str(&text).map_err(DiskError::BadSource)
    }

    /// Leaves it for PID 1 of the root.
    ///
    /// # Errors
    /// `/run` that cannot be written.
    pub fn save(&self) -> Result<(), DiskError> {
        let text = serde_json::to_string(self).map_err(DiskError::BadSource)?;
        let path = Path::new(SOURCE);
        if let Some(directory) = path.parent() {
            // The write that follows says what is wrong.
            let _ = fs::create_dir_all(directory);
        }
        durable::write(path, text.as_bytes(), 0o644).map_err(DiskError::Record)
    }
}

/// Every partition with a GPT name, sorted by disk and number.
///
/// # Errors
/// A `sys_block` that cannot be listed; devices that vanish meanwhile are left out.
pub fn scan(sys_block: &Path) -> Result<Vec<Partition>, DiskError> {
    let failed = |source| DiskError::List {
        path: sys_block.to_owned(),
        source,
    };
    let entries = fs::read_dir(sys_block).map_err(failed)?;
    let mut found: Vec<_> = entries
        .filter_map(|entry| read_partition(&entry.ok()?.path()))
        .collect();
    found.sort_by(|a, b| (&a.disk, a.number).cmp(&(&b.disk, b.number)));
    Ok(found)
}

/// The partition `wanted` of `disk`.
///
/// # Errors
/// [`DiskError::Missing`], or as [`scan`].
pub fn find(disk: &str, wanted: layout::Partition) -> Result<Partition, DiskError> {
    let found = scan(Path::new(SYS_BLOCK))?;
    let mut found = found.into_iter();
    found
        .find(|partition| partition.disk == disk && partition.label == wanted.label)
        .ok_or_else(|| DiskError::Missing {
            disk: disk.to_owned(),
            label: wanted.label,
        })
}

/// `/sys/class/block/vda1` links to `…/block/vda/vda1`: the disk is the directory above.
fn read_partition(path: &Path) -> Option<Partition> {
    let uevent = fs::read_to_string(path.join("uevent")).ok()?;
    let value = |key: &str| {
        let lines = uevent.lines().filter_map(|line| line.split_once('='));
        lines
            .filter(|(found, _)| *found == key)
            .map(|(_, value)| value)
            .next()
    };
    let real = fs::canonicalize(path).ok()?;
    let disk = real.parent()?.file_name()?.to_str()?.to_owned();
    Some(Partition {
        label: value("PARTNAME")?.to_owned(),
        number: value("PARTN")?.parse().ok()?,
        device: Path::new("/dev").join(value("DEVNAME")?),
        disk,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn sysfs(root: &Path, disk: &str, name: &str, uevent: &str) {
        let real = root.join("devices").join(disk).join(name);
        fs::create_dir_all(&real).unwrap();
        fs::write(real.join("uevent"), uevent).unwrap();
        fs::create_dir_all(root.join("class")).unwrap();
        symlink(&real, root.join("class").join(name)).unwrap();
    }

    #[test]
    fn partitions_are_found_by_name() {
        let root = tempfile::tempdir().unwrap();
        let uevent = |device: &str, number: u32, label: &str| {
            format!(
                "MAJOR=254\nDEVNAME={device}\nDEVTYPE=partition\nPARTN={number}\nPARTNAME={label}\n"
            )
        };
        sysfs(root.path(), "vdb", "vdb1", &uevent("vdb1", 1, "esp"));
        sysfs(root.path(), "vda", "vda10", &uevent("vda10", 10, "state"));
        sysfs(root.path(), "vda", "vda2", &uevent("vda2", 2, "slot-a"));
        sysfs(root.path(), "vda", "vda3", "DEVNAME=vda3\nPARTN=3\n");
        let found = scan(&root.path().join("class")).unwrap();
        let labels: Vec<_> = found
            .iter()
            .map(|p| (p.disk.as_str(), p.label.as_str()))
            .collect();
        assert_eq!(
            labels,
            [("vda", "slot-a"), ("vda", "state"), ("vdb", "esp")]
        );
        assert_eq!(found[0].device, Path::new("/dev/vda2"));
    }

    #[test]
    fn slots_know_their_partitions() {
        assert_eq!(Slot::A.root().label, "slot-a");
        assert_eq!(Slot::B.verity().label, "slot-b-verity");
        assert_eq!(serde_json::to_string(&Slot::B).unwrap(), "\"b\"");
        assert_eq!(Slot::B.letter(), "b");
        assert_eq!(Slot::BOTH.map(Slot::other), [Slot::B, Slot::A]);
    }
}
