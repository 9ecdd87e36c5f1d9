//! The loader's entry of this version on the ESP: blessed by losing its counter, marked bad by `+0-N`.
//!
//! The ESP is mounted only while it is written. The mount is `dirsync`, so that FAT's rename, which
//! adds the new name and then removes the old, reaches the medium in that order: a crash before it
//! leaves the old name, after it the new one, and between the two (where they lie in different
//! sectors) both names of one file, each of which boots. Of such a pair neither may be removed, for
//! they share their clusters; whoever replaces the version clears both.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_contract::{EntryName, layout};
use bedplate_sys::mount::{self, Mount, MountFlags};

use crate::{
    disk::{self, DiskError},
    durable,
};

/// Where the ESP is while it is written.
const MOUNT_POINT: &str = "/run/bedplate/esp";

/// An entry that could not be renamed.
#[derive(Debug, thiserror::Error)]
pub enum EspError {
    /// The partition.
    #[error("looking for the ESP")]
    Disk(#[source] DiskError),
    /// Mounting or unmounting.
    #[error("{what} the ESP `{device}`")]
    Mount {
        /// `mounting` or `unmounting`.
        what: &'static str,
        /// Node.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Listing.
    #[error("listing the entries in `{directory}`")]
    List {
        /// Directory on the ESP.
        directory: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// No entry of this version.
    #[error("no entry of `{wanted}` in `{directory}`")]
    NoEntry {
        /// Name without counter.
        wanted: String,
        /// Directory on the ESP.
        directory: PathBuf,
    },
    /// Renaming.
    #[error("renaming `{from}` to `{to}`")]
    Rename {
        /// Name before.
        from: String,
        /// Name after.
        to: String,
        /// Cause.
        source: io::Error,
    },
}

/// An entry's name before and after; the same where nothing was left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// As it was found.
    pub before: EntryName,
    /// As it is now.
    pub after: EntryName,
}

/// Declares the entry of `wanted`'s name and version good. Idempotent.
///
/// # Errors
/// Any [`EspError`]; the entry keeps its name, and systemd-boot goes on counting.
pub fn bless(disk: &str, wanted: &EntryName) -> Result<Renamed, EspError> {
    mounted(disk, MountFlags::DIRSYNC, |entries| {
        rename(entries, wanted, EntryName::blessed)
    })
}

/// Leaves the entry no try, so that the loader prefers any other. Idempotent.
///
/// # Errors
/// Any [`EspError`]; the entry keeps the tries it has.
pub fn mark_bad(disk: &str, wanted: &EntryName) -> Result<Renamed, EspError> {
    mounted(disk, MountFlags::DIRSYNC, |entries| {
        rename(entries, wanted, EntryName::bad)
    })
}

/// The names of all entries, sorted.
///
/// # Errors
/// [`EspError::Disk`], [`EspError::Mount`], [`EspError::List`].
pub fn entries(disk: &str) -> Result<Vec<EntryName>, EspError> {
    mounted(disk, MountFlags::RDONLY, list)
}

/// `access` is `DIRSYNC` for a rename, `RDONLY` for a look: reading must not mark the FAT dirty.
fn mounted<T>(
    disk: &str,
    access: MountFlags,
    work: impl FnOnce(&Path) -> Result<T, EspError>,
) -> Result<T, EspError> {
    let esp = disk::find(disk, layout::ESP).map_err(EspError::Disk)?;
    let point = Path::new(MOUNT_POINT);
    let failed = |what| {
        let device = esp.device.clone();
        move |source| EspError::Mount {
            what,
            device,
            source,
        }
    };
    let mount = Mount {
        source: &esp.device,
        target: point,
        kind: "vfat",
        flags: MountFlags::NOSUID
            | MountFlags::NODEV
            | MountFlags::NOEXEC
            | MountFlags::NOATIME
            | access,
        options: "umask=0077",
    };
    let made = fs::create_dir_all(point).and_then(|()| mount.mount());
    made.map_err(failed("mounting"))?;
    let result = work(&point.join(layout::ENTRIES));
    // Unmounting flushes what is left and marks the FAT clean.
    let unmounted = mount::unmount(point).map_err(failed("unmounting"));
    result.and_then(|value| unmounted.map(|()| value))
}

fn list(directory: &Path) -> Result<Vec<EntryName>, EspError> {
    let read = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = read.map_err(|source| EspError::List {
        directory: directory.to_owned(),
        source,
    })?;
    let names = entries.into_iter().map(|entry| entry.file_name());
    // Names of others are none of ours.
    let mut names: Vec<EntryName> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    names.sort_by_key(EntryName::to_string);
    Ok(names)
}

fn rename(
    directory: &Path,
    wanted: &EntryName,
    new_name: impl Fn(&EntryName) -> EntryName,
) -> Result<Renamed, EspError> {
    let mut found = list(directory)?;
    found.retain(|name| name.same_entry(wanted));
    let done = found.iter().find(|name| new_name(name) == **name);
    let Some(before) = done.or(found.first()) else {
        return Err(EspError::NoEntry {
            wanted: wanted.blessed().to_string(),
            directory: directory.to_owned(),
        });
    };
    let renamed = Renamed {
        before: before.clone(),
        after: new_name(before),
    };
    if renamed.before != renamed.after {
        move_entry(directory, &renamed)?;
    }
    Ok(renamed)
}

fn move_entry(directory: &Path, names: &Renamed) -> Result<(), EspError> {
    let (from, to) = (names.before.to_string(), names.after.to_string());
    let target = directory.join(&to);
    let moved = fs::rename(directory.join(&from), &target);
    let durable = moved.and_then(|()| durable::sync_parent(&target));
    durable.map_err(|source| EspError::Rename { from, to, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let found = list(directory).unwrap();
        found.iter().map(EntryName::to_string).collect()
    }

    #[test]
    fn a_life_on_the_esp() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for name in ["a_1+2-1.efi", "a_2+3.efi", "b_1.efi", "other.txt"] {
            fs::write(path.join(name), "").unwrap();
        }
        let wanted = EntryName::fresh("a", "1");
        let blessed = rename(path, &wanted, EntryName::blessed).unwrap();
        assert_eq!(blessed.before.to_string(), "a_1+2-1.efi");
        assert_eq!(names(path), ["a_1.efi", "a_2+3.efi", "b_1.efi"]);
        let again = rename(path, &wanted, EntryName::blessed).unwrap();
        assert_eq!(again.before, again.after);
        let bad = rename(path, &EntryName::fresh("a", "2"), EntryName::bad).unwrap();
        assert_eq!(bad.after.to_string(), "a_2+0.efi");
        assert_eq!(names(path), ["a_1.efi", "a_2+0.efi", "b_1.efi"]);
    }

    #[test]
    fn of_two_names_of_one_file_none_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("a_1+2-1.efi"), "").unwrap();
        fs::hard_link(path.join("a_1+2-1.efi"), path.join("a_1.efi")).unwrap();
        let wanted = EntryName::fresh("a", "1");
        let blessed = rename(path, &wanted, EntryName::blessed).unwrap();
        assert_eq!(blessed.before, blessed.after);
        assert_eq!(names(path), ["a_1+2-1.efi", "a_1.efi"]);
    }

    #[test]
    fn a_missing_entry_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = EntryName::fresh("a", "1");
        let error = rename(directory.path(), &wanted, EntryName::bad).unwrap_err();
        assert!(error.to_string().starts_with("no entry of `a_1.efi` in"));
    }
}
