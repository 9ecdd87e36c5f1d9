//! The loader's entries on the ESP: blessed by losing their counter, marked bad by `+0-N`, cleared
//! and installed by an upgrade.
//!
//! The ESP is mounted only while it is used. The mount is `dirsync`, so that FAT's rename, which
//! adds the new name and then removes the old, reaches the medium in that order: a crash before it
//! leaves the old name, after it the new one, and between the two (where they lie in different
//! sectors) both names of one file, each of which boots. Of such a pair neither may be removed
//! alone, for they share their clusters; whoever replaces the version clears both.
//!
//! An entry is a file that begins with `MZ`, as every UKI does. One that does not is half written,
//! and no entry: the loader passes over it, and so does [`list`].

mod entries;
mod install;

use std::{
    cmp::Ordering,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bedplate_contract::{EntryName, layout};
use bedplate_sys::mount::{self, Mount, MountFlags};
use uapi_version::strverscmp;

use crate::disk::{self, DiskError};

pub use entries::{Renamed, clear_others, clear_staged, list, room};
pub use install::{HEAD, Install};

/// Where PID 1 has the ESP while it uses it.
pub const MOUNT_POINT: &str = "/run/bedplate/esp";

/// `errors=continue`: removing both names of a pair frees their clusters twice. The kernel counts
/// the second time as damage, and with its default would make the file system read-only in the
/// middle of an upgrade. Nothing is lost by going on: a FAT entry that is free stays free.
const OPTIONS: &str = "umask=0077,errors=continue";

/// Looks at an ESP that someone else has mounted in the other way, and the pause between two.
///
/// Nobody keeps it for longer than a look or a rename, which take milliseconds.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// An ESP that could not be read or written.
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
    /// Reading, writing or removing one entry.
    #[error("{what} the entry `{entry}`")]
    Entry {
        /// `creating`, `writing`, `reading` or `removing`.
        what: &'static str,
        /// File name.
        entry: String,
        /// Cause.
        source: io::Error,
    },
}

/// Declares the entry of `wanted`'s name and version good. Idempotent.
///
/// # Errors
/// Any [`EspError`]; the entry keeps its name, and systemd-boot goes on counting.
pub fn bless(disk: &str, wanted: &EntryName) -> Result<Renamed, EspError> {
    mounted(disk, MountFlags::DIRSYNC, |directory| {
        entries::bless(directory, wanted)
    })
}

/// Leaves every name of the entry no try, so that the loader prefers any other. Idempotent.
///
/// # Errors
/// Any [`EspError`]; the entry keeps the tries it has.
pub fn mark_bad(disk: &str, wanted: &EntryName) -> Result<Renamed, EspError> {
    mounted(disk, MountFlags::DIRSYNC, |directory| {
        entries::mark_bad(directory, wanted)
    })
}

/// Has the loader start the entry of `other` and not that of `own`: all its tries to the one and, where
/// the loader would take it first, none to the other. Idempotent.
///
/// Once the tries are spent the loader comes back to `own`, which is blessed or the newer one: no kernel
/// that dies early is started for ever. A crash between the two renames leaves both to the loader, which
/// takes the newer one: whoever wanted the other comes back to where this was chosen.
///
/// # Errors
/// Any [`EspError`]; the first rename alone may be done.
pub fn choose(disk: &str, own: &EntryName, other: &EntryName) -> Result<Renamed, EspError> {
    mounted(disk, MountFlags::DIRSYNC, |directory| {
        let renamed = entries::renew(directory, other)?;
        if strverscmp(&own.version, &other.version) != Ordering::Less {
            entries::mark_bad(directory, own)?;
        }
        Ok(renamed)
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
    let esp = find(disk)?;
    let point = Path::new(MOUNT_POINT);
    let mounted = match Mounted::new(esp.clone(), point, access) {
        // An upgrade has it mounted for writing, and one file system is in one mode at a time.
        Err(error) if access == MountFlags::RDONLY && is_busy(&error) => {
            Mounted::new(esp, point, MountFlags::DIRSYNC)
        }
        other => other,
    }?;
    let result = work(mounted.directory());
    let unmounted = mounted.unmount();
    result.and_then(|value| unmounted.map(|()| value))
}

fn find(disk: &str) -> Result<PathBuf, EspError> {
    let esp = disk::find(disk, layout::ESP).map_err(EspError::Disk)?;
    Ok(esp.device)
}

/// What the ESP is mounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing is written, not even that it is mounted.
    Look,
    /// Entries are cleared or installed.
    Write,
}

/// The ESP, mounted until this is dropped.
#[derive(Debug)]
pub struct Mounted {
    device: PathBuf,
    point: PathBuf,
    directory: PathBuf,
    live: bool,
}

impl Mounted {
    /// Mounts the ESP of `disk` on `point`, beside PID 1, which waits for nobody: so this waits.
    ///
    /// # Errors
    /// [`EspError::Disk`]; [`EspError::Mount`], also when PID 1 uses it for two seconds.
    pub fn for_upgrade(disk: &str, point: &Path, purpose: Purpose) -> Result<Self, EspError> {
        let device = find(disk)?;
        let access = match purpose {
            Purpose::Look => MountFlags::RDONLY,
            Purpose::Write => MountFlags::DIRSYNC,
        };
        let mut looks = LOOKS;
        loop {
            match Self::new(device.clone(), point, access) {
                Err(error) if looks > 0 && is_busy(&error) => looks -= 1,
                other => return other,
            }
            thread::sleep(PAUSE);
        }
    }

    fn new(device: PathBuf, point: &Path, access: MountFlags) -> Result<Self, EspError> {
        let mount = Mount {
            source: &device,
            target: point,
            kind: "vfat",
            flags: MountFlags::NOSUID
                | MountFlags::NODEV
                | MountFlags::NOEXEC
                | MountFlags::NOATIME
                | access,
            options: OPTIONS,
        };
        let made = fs::create_dir_all(point).and_then(|()| mount.mount());
        match made {
            Ok(()) => Ok(Self {
                point: point.to_owned(),
                directory: point.join(layout::ENTRIES),
                device,
                live: true,
            }),
            Err(source) => Err(failed("mounting", device, source)),
        }
    }

    /// The directory of the entries.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Unmounts it, which flushes what is left and marks the FAT clean.
    ///
    /// # Errors
    /// [`EspError::Mount`].
    pub fn unmount(mut self) -> Result<(), EspError> {
        self.live = false;
        let unmounted = mount::unmount(&self.point);
        unmounted.map_err(|source| failed("unmounting", self.device.clone(), source))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.live {
            // Dropped after another error, which says more than this one could.
            let _ = mount::unmount(&self.point);
        }
    }
}

fn failed(what: &'static str, device: PathBuf, source: io::Error) -> EspError {
    EspError::Mount {
        what,
        device,
        source,
    }
}

fn is_busy(error: &EspError) -> bool {
    matches!(error, EspError::Mount { source, .. } if source.kind() == io::ErrorKind::ResourceBusy)
}
