//! What the kernel holds back of files and devices, and the room of file systems.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

use nix::{errno::Errno, libc};
use rustix::fs::{Advice, CWD, FileType, Gid, Mode};

/// Starts writing the `length` bytes from `offset` that the kernel holds back, and waits for none.
///
/// It is no promise that they are on the medium; only `sync_all` is.
///
/// # Errors
/// As sync_file_range(2).
pub fn start_write(file: &File, offset: u64, length: u64) -> io::Result<()> {
    sync_range(file, offset, length, libc::SYNC_FILE_RANGE_WRITE)
}

/// Writes the `length` bytes from `offset` that the kernel holds back, and waits until it has.
///
/// # Errors
/// As sync_file_range(2).
pub fn finish_write(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_range(file, offset, length, flags)
}

fn sync_range(file: &File, offset: u64, length: u64, flags: u32) -> io::Result<()> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let offset = i64::try_from(offset).map_err(invalid)?;
    let length = i64::try_from(length).map_err(invalid)?;
    // SAFETY: the call takes numbers alone; the descriptor is open for as long as `file` lives.
    let result = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, flags) };
    Errno::result(result)?;
    Ok(())
}

/// Makes the character device `(major, minor)` at `path` for the user of this process and `group`, with
/// the permissions `mode`, whatever the umask; where something is already, it stays.
///
/// # Errors
/// As mknod(2), chown(2) and chmod(2).
pub fn make_character_device(
    path: &Path,
    (major, minor): (u32, u32),
    (group, mode): (u32, u32),
) -> io::Result<()> {
    let device = rustix::fs::makedev(major, minor);
    let mode = Mode::from_raw_mode(mode);
    match rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, mode, device) {
        Ok(()) => {
            rustix::fs::chown(path, None, Some(Gid::from_raw(group)))?;
            Ok(rustix::fs::chmod(path, mode)?)
        }
        Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Drops what the kernel remembers of the clean pages of `file`, so that the next read asks the
/// medium.
///
/// # Errors
/// As posix_fadvise(2).
pub fn forget(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(
        file.as_fd(),
        0,
        None,
        Advice::DontNeed,
    )?)
}

/// Opens the directory at `path`, which is refused when its last name is a link.
///
/// # Errors
/// As open(2): `ELOOP` or `ENOTDIR` for a link.
pub fn open_directory(path: &Path) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags).open(path)
}

/// Opens the file at `path` to be read, which is refused when its last name is a link; nothing is waited
/// for, as at a pipe.
///
/// # Errors
/// As open(2): `ELOOP` for a link; what is no file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no file")),
    }
}

/// The room of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes in which room is given away: the cluster of a FAT.
    pub unit: u64,
    /// Bytes that are free for root.
    pub free: u64,
}

/// The room of the file system that `path` is on.
///
/// # Errors
/// As statvfs(3).
pub fn space(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Space {
        unit: found.f_frsize.max(1),
        free: found.f_bfree.saturating_mul(found.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::FileExt};

    use super::*;

    #[test]
    fn a_device_has_its_number_and_its_mode() {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root for devices");
            return;
        }
        let path = std::env::temp_dir().join(format!("bedplate-null-{}", std::process::id()));
        make_character_device(&path, (1, 3), (44, 0o666)).unwrap();
        // There already: nothing changes.
        make_character_device(&path, (1, 5), (0, 0o600)).unwrap();
        let made = fs::metadata(&path).unwrap();
        assert!(made.file_type().is_char_device());
        assert_eq!(made.rdev(), rustix::fs::makedev(1, 3));
        assert_eq!((made.gid(), made.mode() & 0o7777), (44, 0o666));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_was_written_is_read_again() {
        let path = std::env::temp_dir().join(format!("bedplate-file-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        file.write_all_at(&[7; 8192], 0).unwrap();
        start_write(&file, 0, 4096).unwrap();
        finish_write(&file, 0, 8192).unwrap();
        file.sync_all().unwrap();
        forget(&file).unwrap();
        let mut read = [0; 8192];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(read, [7; 8192]);
        assert!(start_write(&file, u64::MAX, 1).is_err());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn room_is_counted_in_units() {
        let space = space(Path::new("/")).unwrap();
        assert!(space.unit >= 512 && space.free > 0);
    }
}
