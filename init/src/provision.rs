//! Secrets that somebody brings: files `secrets/NAME` on a FAT file system called `BEDPLATE`.
//!
//! That is the ESP of the appliance's own disk, where an installer may leave them, or a USB stick or
//! a second disk; what another disk brings wins over the ESP. A value is taken onto the state
//! partition, so that the medium may be gone at the next boot; a changed one is taken at the next
//! boot at which it is there. Nothing is ever written to the medium, and no value is told.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bedplate_contract::{appliance::Secret, fat, layout};
use bedplate_sys::{
    clock,
    mount::{self, Mount, MountFlags},
};

use crate::{
    console,
    disk::SYS_BLOCK,
    durable::{self, DurableError},
    secrets::{self, SecretsError},
    stage1::chain,
    watchdog,
};

/// Event of a value that was taken: `name`, `from`.
const TAKEN: &str = "secret.taken";
/// Event of a file that is no secret of this image, or cannot be one: `name`, `from`, `error`.
const REFUSED: &str = "secret.refused";

/// Where a medium is mounted while it is read.
const MOUNT_POINT: &str = "/run/bedplate/provision";
/// Devices of this kernel that are no medium: they hold what is elsewhere already, or take seconds to
/// say that nothing is in them.
const NO_MEDIA: [&str; 6] = ["loop", "ram", "zram", "dm-", "sr", "fd"];
/// Where USB devices show, on a machine that can have any.
const USB: &str = "/sys/bus/usb/devices";
/// A stick is seen some seconds after its port.
const USB_TIME: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of the longest secret: a chain of certificates takes a tenth of it.
const LONGEST: u64 = 64 << 10;

/// A secret that was brought and not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A file of the medium, or a directory.
    #[error("reading `{path}`")]
    Read {
        /// Path, below the mount point.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The file system.
    #[error("mounting `{device}`")]
    Mount {
        /// Node.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Where secrets are kept.
    #[error("making room for secrets")]
    Room(#[source] SecretsError),
    /// It could not be kept; the value before it, if any, is.
    #[error("keeping secret `{name}`")]
    Keep {
        /// Secret.
        name: String,
        /// Cause.
        source: DurableError,
    },
}

/// Whether any of `secrets` is brought.
pub fn is_needed(secrets: &[Secret]) -> bool {
    !names(secrets).is_empty()
}

/// Takes what the media bring of `brought`, those of the disk `own` first; returns how many values are new.
///
/// While a secret is missing, USB devices are given time to show.
///
/// # Errors
/// The first medium or value that failed; all were tried.
pub fn take(brought: &[Secret], own: Option<&str>) -> Result<usize, ProvisionError> {
    let wanted = names(brought);
    let kept = Path::new(layout::SECRETS_DIR);
    secrets::make_directory(kept, 0o700).map_err(ProvisionError::Room)?;
    let end = clock::since_boot().saturating_add(USB_TIME);
    loop {
        let taken = take_all(&wanted, own, kept);
        let missing = wanted.iter().any(|name| !kept.join(name).exists());
        let more = missing && has_usb() && clock::since_boot() < end;
        if !more || taken.is_err() {
            return taken;
        }
        watchdog::pet();
        thread::sleep(PAUSE);
    }
}

fn names(secrets: &[Secret]) -> Vec<&str> {
    let brought = |secret: &&Secret| secret.source.is_brought();
    let names = secrets.iter().filter(brought);
    names.map(|secret| secret.name.as_str()).collect()
}

fn has_usb() -> bool {
    let devices = fs::read_dir(USB).into_iter().flatten();
    devices.count() > 0
}

fn take_all(wanted: &[&str], own: Option<&str>, kept: &Path) -> Result<usize, ProvisionError> {
    let mut taken = Ok(0_usize);
    for device in media(Path::new(SYS_BLOCK), own) {
        let of_one = take_device(&device, wanted, kept);
        taken = match (taken, of_one) {
            (Ok(all), Ok(more)) => Ok(all + more),
            (Err(first), _) | (_, Err(first)) => Err(first),
        };
    }
    taken
}

/// The nodes of all file systems with the label, those of the disk `own` first, each group by name.
fn media(sys_block: &Path, own: Option<&str>) -> Vec<PathBuf> {
    let entries = fs::read_dir(sys_block).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_medium = |name: &String| !NO_MEDIA.iter().any(|other| name.starts_with(other));
    let mut names: Vec<_> = names.filter(is_medium).collect();
    names.sort_by_key(|name| (!own.is_some_and(|own| name.starts_with(own)), name.clone()));
    let nodes = names.iter().map(|name| Path::new("/dev").join(name));
    nodes.filter(|node| is_labelled(node)).collect()
}

/// A device that cannot be read has nothing to bring.
fn is_labelled(device: &Path) -> bool {
    let mut sector = [0; fat::SECTOR];
    let read = File::open(device).and_then(|mut device| device.read_exact(&mut sector));
    read.is_ok() && fat::label(&sector) == Some(layout::PROVISION_LABEL)
}

fn take_device(device: &Path, wanted: &[&str], kept: &Path) -> Result<usize, ProvisionError> {
    let failed = |source| ProvisionError::Mount {
        device: device.to_owned(),
        source,
    };
    let point = Path::new(MOUNT_POINT);
    fs::create_dir_all(point).map_err(failed)?;
    let mount = Mount {
        source: device,
        target: point,
        kind: "vfat",
        flags: MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY,
        options: "umask=0077",
    };
    mount.mount().map_err(failed)?;
    let taken = take_files(
        &point.join(layout::PROVISION_SECRETS),
        (wanted, kept),
        device,
    );
    // Read-only, so nothing is lost if it stays.
    let unmounted = mount::unmount(point).map_err(failed);
    taken.and_then(|count| unmounted.map(|()| count))
}

/// Takes the wanted files of `directory`; none is no failure.
fn take_files(
    directory: &Path,
    (wanted, kept): (&[&str], &Path),
    from: &Path,
) -> Result<usize, ProvisionError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(unread(directory, source)),
    };
    let mut taken = Ok(0);
    for entry in entries {
        let entry = entry.map_err(|source| unread(directory, source))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !wanted.contains(&name.as_str()) {
            refuse(&name, from, "no provisioned secret of this image");
            continue;
        }
        match take_file(&entry.path(), (&name, kept)) {
            Ok(true) => {
                let line = console::event(TAKEN).with("name", &name);
                console::emit(&line.with("from", from.display()));
                taken = taken.map(|count| count + 1);
            }
            Ok(false) => {}
            Err(error) => {
                refuse(&name, from, &chain(&error));
                taken = taken.and(Err(error));
            }
        }
    }
    taken
}

fn refuse(name: &str, from: &Path, error: &str) {
    let line = console::event(REFUSED).with("name", name);
    console::emit(&line.with("from", from.display()).with("error", error));
}

/// Whether the value is another than the one that is kept.
///
/// A crash before the write leaves the old value, and the next boot takes the new one; after it there
/// is nothing left to do.
fn take_file(path: &Path, (name, kept): (&str, &Path)) -> Result<bool, ProvisionError> {
    let value = read_value(path).map_err(|source| unread(path, source))?;
    let target = kept.join(name);
    if fs::read(&target).is_ok_and(|old| old == value) {
        return Ok(false);
    }
    let written = durable::write(&target, &value, 0o400);
    written.map_err(|source| ProvisionError::Keep {
        name: name.to_owned(),
        source,
    })?;
    Ok(true)
}

fn read_value(path: &Path) -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    file.take(LONGEST + 1).read_to_end(&mut value)?;
    match value.len() as u64 {
        0 => Err(io::Error::other("it is empty")),
        length if length > LONGEST => Err(io::Error::other("it is longer than 64 KiB")),
        _ => Ok(value),
    }
}

fn unread(path: &Path, source: io::Error) -> ProvisionError {
    let path = path.to_owned();
    ProvisionError::Read { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FROM: &str = "/dev/vdb";

    #[test]
    fn what_may_be_missing_is_taken_too() {
        use bedplate_contract::appliance::SecretSource;
        let secret = |name: &str, source| Secret {
            name: name.to_owned(),
            source,
        };
        let secrets = [
            secret("token", SecretSource::Provisioned),
            secret("password", SecretSource::Generated(32)),
            secret("key", SecretSource::Optional),
        ];
        assert_eq!(names(&secrets), ["token", "key"]);
    }

    #[test]
    fn values_are_taken_once_and_again_when_they_change() {
        let top = tempfile::tempdir().unwrap();
        let (medium, kept) = (top.path().join("secrets"), top.path().join("kept"));
        fs::create_dir(&kept).unwrap();
        let take = || take_files(&medium, (&["token", "key"], &kept), Path::new(FROM));
        assert_eq!(take().unwrap(), 0, "a medium without the directory");
        fs::create_dir(&medium).unwrap();
        fs::write(medium.join("token"), "one\n").unwrap();
        fs::write(medium.join("stranger"), "x").unwrap();
        assert_eq!(take().unwrap(), 1);
        assert_eq!(take().unwrap(), 0, "the same again");
        fs::write(medium.join("token"), "two").unwrap();
        assert_eq!(take().unwrap(), 1);
        let target = kept.join("token");
        assert_eq!(fs::read(&target).unwrap(), b"two");
        let mode = fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o400);
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 1, "no stranger");
    }

    #[test]
    fn what_is_no_value_leaves_the_old_one() {
        let top = tempfile::tempdir().unwrap();
        let (medium, kept) = (top.path().join("secrets"), top.path().join("kept"));
        for directory in [&medium, &kept] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(kept.join("token"), "old").unwrap();
        fs::write(medium.join("key"), "good").unwrap();
        let long = vec![7; LONGEST as usize + 1];
        for value in [&b""[..], &long] {
            fs::write(medium.join("token"), value).unwrap();
            let wanted = ["token", "key"];
            assert!(take_files(&medium, (&wanted, &kept), Path::new(FROM)).is_err());
            assert_eq!(fs::read(kept.join("token")).unwrap(), b"old");
            assert_eq!(fs::read(kept.join("key")).unwrap(), b"good");
        }
    }

    #[test]
    fn devices_without_the_label_are_left_alone() {
        let top = tempfile::tempdir().unwrap();
        let device = top.path().join("vdb");
        assert!(!is_labelled(&device), "gone");
        fs::write(&device, [0; 100]).unwrap();
        assert!(!is_labelled(&device), "too short");
        fs::write(&device, [0; 4096]).unwrap();
        assert!(!is_labelled(&device), "blank");
        let own = Some("vdb");
        assert_eq!(media(Path::new("/no/such"), own), Vec::<PathBuf>::new());
    }
}
