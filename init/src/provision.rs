//! Secrets that somebody brings: files `secrets/NAME` on a FAT file system called `BEDPLATE`.
//!
//! That is the ESP of the appliance's own disk, where an installer may leave them, or a USB stick or
//! a second disk. A value is taken onto the state partition, so that the medium may be gone at the next
//! boot. Nothing on a medium says who made it: it adds what is missing, and replaces what is kept only
//! where the definition says so. Nothing is ever written to the medium, and no value is told.
//!
//! Media are looked at and read by children, one for each device, which leave what they found in memory:
//! a disk that does not answer holds one of them, and never PID 1.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use bedplate_contract::{appliance::Secret, fat, layout};
use bedplate_sys::{
    clock,
    mount::{self, Mount, MountFlags},
};

use crate::{
    child, console,
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

/// First argument of a child that reads a medium; the name of its device follows.
pub const WORD: &str = "read-medium";

/// Event of a device that could not be read in time, or not as a medium: `from`, `error`.
const UNREAD: &str = "secret.medium";

/// Where media are mounted while they are read, one directory for each device.
const MOUNT_POINTS: &str = "/run/bedplate/provision";
/// Where children leave what they read, one directory for each device; in memory, root only.
const BROUGHT: &str = "/run/bedplate/brought";
/// Files of one medium that are read, at most.
const FILES: usize = 64;
/// How long all media together have for an answer: sticks take a second, a disk that fails minutes.
const ANSWER: Duration = Duration::from_secs(20);
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
    !wanted(secrets).is_empty()
}

/// Takes what the media bring of `brought`, those of the disk `own` first; returns how many values are new.
///
/// While a secret is missing, USB devices are given time to show.
///
/// # Errors
/// The first medium or value that failed; all were tried.
pub fn take(brought: &[Secret], own: Option<&str>) -> Result<usize, ProvisionError> {
    let wanted = wanted(brought);
    let kept = Path::new(layout::SECRETS_DIR);
    secrets::make_directory(kept, 0o700).map_err(ProvisionError::Room)?;
    let end = clock::since_boot().saturating_add(USB_TIME);
    // A device that has answered or not is not asked again: it was there.
    let mut asked = Vec::new();
    let mut taken = Ok(0_usize);
    loop {
        let mut devices = media(Path::new(SYS_BLOCK), own);
        devices.retain(|device| !asked.contains(device));
        asked.extend_from_slice(&devices);
        taken = sum(taken, take_all(&devices, &wanted, kept));
        let missing = wanted.keys().any(|name| !kept.join(name).exists());
        let more = missing && has_usb() && clock::since_boot() < end;
        if !more || taken.is_err() {
            return taken;
        }
        watchdog::pet();
        thread::sleep(PAUSE);
    }
}

fn sum(
    one: Result<usize, ProvisionError>,
    other: Result<usize, ProvisionError>,
) -> Result<usize, ProvisionError> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok(one.saturating_add(other)),
        (Err(first), _) | (_, Err(first)) => Err(first),
    }
}

/// The names that are brought, and whether a kept value is replaced.
type Wanted<'a> = BTreeMap<&'a str, bool>;

fn wanted(secrets: &[Secret]) -> Wanted<'_> {
    let brought = |secret: &&Secret| secret.source.is_brought();
    let wanted = secrets.iter().filter(brought);
    wanted
        .map(|secret| (secret.name.as_str(), secret.replace))
        .collect()
}

fn has_usb() -> bool {
    let devices = fs::read_dir(USB).into_iter().flatten();
    devices.count() > 0
}

/// Reads all devices at once, then takes what they brought in their order.
fn take_all(devices: &[String], wanted: &Wanted<'_>, kept: &Path) -> Result<usize, ProvisionError> {
    let readers: Vec<_> = devices
        .iter()
        .map(|device| (device, read(device)))
        .collect();
    let end = clock::since_boot().saturating_add(ANSWER);
    let mut taken = Ok(0_usize);
    for (device, reader) in readers {
        let node = Path::new("/dev").join(device);
        if let Err(error) = reader.and_then(|reader| await_reader(reader, end)) {
            let line = console::event(UNREAD).with("from", node.display());
            console::emit(&line.with("error", error));
        }
        // What a late child leaves after this is not looked at any more.
        let brought = Path::new(BROUGHT).join(device);
        taken = sum(taken, take_files(&brought, (wanted, kept), &node));
        // Memory: what stays is gone with the machine.
        let _ = fs::remove_dir_all(&brought);
    }
    taken
}

fn read(device: &str) -> io::Result<Child> {
    let mut command = Command::new(layout::INIT);
    command.args([WORD, device]).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn()
}

fn await_reader(mut reader: Child, end: Duration) -> io::Result<()> {
    let left = end.saturating_sub(clock::since_boot());
    match child::wait(&mut reader, left)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(io::Error::other(format!("its reader ended with {status}"))),
        None => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

/// The kernel names of all devices that may be a medium, those of the disk `own` first, each group by
/// name.
fn media(sys_block: &Path, own: Option<&str>) -> Vec<String> {
    let entries = fs::read_dir(sys_block).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_medium = |name: &String| !NO_MEDIA.iter().any(|other| name.starts_with(other));
    let mut names: Vec<_> = names.filter(is_medium).collect();
    names.sort_by_key(|name| (!own.is_some_and(|own| name.starts_with(own)), name.clone()));
    names
}

/// What the child does: copies the files of a medium into memory. Returns its exit status; a device
/// that is no medium is none of ours.
pub fn child(arguments: &[String]) -> u8 {
    let [device] = arguments else { return 2 };
    let node = Path::new("/dev").join(device);
    if !is_labelled(&node) {
        return 0;
    }
    let point = Path::new(MOUNT_POINTS).join(device);
    let copied = mount_medium(&node, &point).and_then(|()| {
        let secrets = point.join(layout::PROVISION_SECRETS);
        let copied = copy_files(&secrets, &Path::new(BROUGHT).join(device));
        // Read-only, so nothing is lost if it stays.
        copied.and(mount::unmount(&point))
    });
    u8::from(copied.is_err())
}

/// A device that cannot be read has nothing to bring.
fn is_labelled(device: &Path) -> bool {
    let mut sector = [0; fat::SECTOR];
    let read = File::open(device).and_then(|mut device| device.read_exact(&mut sector));
    read.is_ok() && fat::label(&sector) == Some(layout::PROVISION_LABEL)
}

fn mount_medium(source: &Path, point: &Path) -> io::Result<()> {
    fs::create_dir_all(point)?;
    let mount = Mount {
        source,
        target: point,
        kind: "vfat",
        flags: MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY,
        options: "umask=0077",
    };
    mount.mount()
}

/// Copies what may be a secret, so much of each that too much of it is seen.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(to)?;
    for entry in entries.take(FILES) {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let mut file = File::open(entry.path())?.take(LONGEST.saturating_add(1));
            io::copy(&mut file, &mut File::create(to.join(entry.file_name()))?)?;
        }
    }
    Ok(())
}

/// Takes the wanted files of `directory`; none is no failure.
fn take_files(
    directory: &Path,
    (wanted, kept): (&Wanted<'_>, &Path),
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
        let Some(replace) = wanted.get(name.as_str()) else {
            refuse(&name, from, "no provisioned secret of this image");
            continue;
        };
        match take_file(&entry.path(), (&name, kept), *replace) {
            Ok(Taken::Kept) => refuse(
                &name,
                from,
                "another value is kept, and `replace` is not set",
            ),
            Ok(Taken::New) => {
                let line = console::event(TAKEN).with("name", &name);
                console::emit(&line.with("from", from.display()));
                taken = taken.map(|count| count + 1);
            }
            Ok(Taken::Same) => {}
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

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It is kept from now on.
    New,
    /// It is the one that is kept.
    Same,
    /// Another one is kept and stays.
    Kept,
}

/// Takes a value that is missing or, where it may `replace` the one that is kept, another.
///
/// A crash before the write leaves what was kept, and the next boot takes the value; after it there is
/// nothing left to do.
fn take_file(
    path: &Path,
    (name, kept): (&str, &Path),
    replace: bool,
) -> Result<Taken, ProvisionError> {
    let value = read_value(path).map_err(|source| unread(path, source))?;
    let target = kept.join(name);
    match fs::read(&target) {
        Ok(old) if old == value => return Ok(Taken::Same),
        // An optional one that nobody has brought yet.
        Ok(old) if old.is_empty() => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Whatever else is there, a directory or what cannot be read, is no missing value.
        _ if !replace => return Ok(Taken::Kept),
        _ => {}
    }
    let written = durable::write(&target, &value, 0o400);
    written.map_err(|source| ProvisionError::Keep {
        name: name.to_owned(),
        source,
    })?;
    Ok(Taken::New)
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
            replace: false,
        };
        let secrets = [
            secret("token", SecretSource::Provisioned),
            secret("password", SecretSource::Generated(32)),
            secret("key", SecretSource::Optional),
        ];
        let wanted: Vec<_> = wanted(&secrets).into_keys().collect();
        assert_eq!(wanted, ["key", "token"]);
    }

    #[test]
    fn what_is_kept_is_replaced_only_where_the_definition_says_so() {
        let top = tempfile::tempdir().unwrap();
        let (medium, kept) = (top.path().join("secrets"), top.path().join("kept"));
        for directory in [&medium, &kept] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(kept.join("key"), "").unwrap();
        for (name, value) in [("token", "one"), ("key", "first")] {
            fs::write(medium.join(name), value).unwrap();
        }
        let wanted = Wanted::from([("token", false), ("key", false)]);
        let take = |wanted: &Wanted<'_>| take_files(&medium, (wanted, &kept), Path::new(FROM));
        assert_eq!(
            take(&wanted).unwrap(),
            2,
            "a missing one, and one that is empty"
        );
        fs::write(medium.join("token"), "a stranger's").unwrap();
        assert_eq!(take(&wanted).unwrap(), 0);
        assert_eq!(fs::read(kept.join("token")).unwrap(), b"one");
        let wanted = Wanted::from([("token", true), ("key", false)]);
        assert_eq!(take(&wanted).unwrap(), 1);
        assert_eq!(fs::read(kept.join("token")).unwrap(), b"a stranger's");
    }

    #[test]
    fn a_child_copies_files_alone_and_not_more_than_too_much() {
        let top = tempfile::tempdir().unwrap();
        let (from, to) = (top.path().join("secrets"), top.path().join("brought/vdb"));
        copy_files(&from, &to).unwrap();
        assert!(!to.exists(), "a medium without the directory");
        fs::create_dir_all(from.join("directory")).unwrap();
        fs::write(from.join("token"), "one").unwrap();
        fs::write(from.join("long"), vec![7; 3 * LONGEST as usize]).unwrap();
        copy_files(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("token")).unwrap(), b"one");
        assert_eq!(fs::metadata(to.join("long")).unwrap().len(), LONGEST + 1);
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
        let mode = fs::metadata(&to).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }

    #[test]
    fn a_reader_that_does_not_answer_is_left() {
        let sleeper = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let end = clock::since_boot().saturating_add(Duration::from_millis(30));
        let error = await_reader(sleeper, end).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn values_are_taken_once_and_again_when_they_change() {
        let top = tempfile::tempdir().unwrap();
        let (medium, kept) = (top.path().join("secrets"), top.path().join("kept"));
        fs::create_dir(&kept).unwrap();
        let wanted = Wanted::from([("token", true), ("key", true)]);
        let take = || take_files(&medium, (&wanted, &kept), Path::new(FROM));
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
            let wanted = Wanted::from([("token", true), ("key", true)]);
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
        assert_eq!(media(Path::new("/no/such"), own), Vec::<String>::new());
    }
}
