//! A directory as a tar archive, and back.
//!
//! Files, directories and symbolic links with their modes and times; all become the user's who
//! restores them. Sockets and pipes are their makers' business and left out. A file that changes while
//! it is read has the length that it had when it was opened.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use bedplate_sys::host::sync_file_system;
use tar::{Archive, Builder, EntryType, Header};

use super::ArchiveError;

/// Where a restore unpacks to, inside of the directory: on the same file system, and never archived.
const STAGING: &str = ".bedplate-restore";

/// Writes what is in `directory` to `sink`.
///
/// # Errors
/// Anything in it that cannot be read, with its path; the sink takes no more.
pub(super) fn pack(directory: &Path, sink: &mut impl Write) -> Result<(), ArchiveError> {
    let mut builder = Builder::new(sink);
    let mut open = vec![PathBuf::new()];
    while let Some(inner) = open.pop() {
        for name in names(&directory.join(&inner))? {
            let inner = inner.join(name);
            if inner != Path::new(STAGING) && append(&mut builder, directory, &inner)? {
                open.push(inner);
            }
        }
    }
    let written = builder.into_inner().and_then(|sink| sink.flush());
    written.map_err(|error| ArchiveError::Stream("writing", error))
}

/// Names in a directory, in order.
fn names(path: &Path) -> Result<Vec<std::ffi::OsString>, ArchiveError> {
    let entries = fs::read_dir(path).and_then(|all| all.collect::<io::Result<Vec<_>>>());
    let entries = entries.map_err(ArchiveError::file("reading", path))?;
    let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
    names.sort();
    Ok(names)
}

/// Appends one entry; returns whether it is a directory.
fn append(
    builder: &mut Builder<&mut impl Write>,
    directory: &Path,
    inner: &Path,
) -> Result<bool, ArchiveError> {
    let path = directory.join(inner);
    let metadata = match fs::symlink_metadata(&path) {
        // Gone since its directory was read: it is not there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(ArchiveError::file("looking at", &path))?,
    };
    let mut header = Header::new_gnu();
    header.set_metadata(&metadata);
    let kind = metadata.file_type();
    let appended = if kind.is_dir() {
        header.set_size(0);
        builder.append_data(&mut header, inner, io::empty())
    } else if kind.is_symlink() {
        header.set_size(0);
        fs::read_link(&path).and_then(|to| builder.append_link(&mut header, inner, to))
    } else if kind.is_file() {
        append_file(builder, (&mut header, inner), &path)
    } else {
        Ok(())
    };
    appended.map_err(ArchiveError::file("archiving", &path))?;
    Ok(kind.is_dir())
}

fn append_file(
    builder: &mut Builder<&mut impl Write>,
    (header, inner): (&mut Header, &Path),
    path: &Path,
) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let length = file.metadata()?.len();
    header.set_size(length);
    header.set_entry_type(EntryType::Regular);
    // One that has shrunk since is filled up: the header has been written.
    let content = file.chain(io::repeat(0)).take(length);
    builder.append_data(header, inner, content)
}

/// Reads an archive to its end and keeps nothing of it.
///
/// # Errors
/// It is none.
pub(super) fn check(content: impl Read) -> io::Result<()> {
    let mut archive = Archive::new(content);
    for entry in archive.entries()? {
        io::copy(&mut entry?, &mut io::sink())?;
    }
    drain(&mut archive.into_inner())
}

/// Puts what is in `content` into `directory` in place of what is there.
///
/// It is unpacked beside it first, so that a full disk or a bad archive changes nothing. Power that is
/// cut while the old goes and the new comes leaves some of each: the restore is done again then.
///
/// # Errors
/// A file that cannot be written, with its path.
pub(super) fn unpack(directory: &Path, content: &mut impl Read) -> Result<(), ArchiveError> {
    let staging = directory.join(STAGING);
    let failed = |doing| ArchiveError::file(doing, &staging);
    remove(&staging).map_err(failed("removing"))?;
    fs::create_dir(&staging).map_err(failed("making"))?;
    let unpacked = unpack_to(&staging, content);
    if let Err(error) = unpacked {
        // What stays of it is removed by the next restore.
        let _ = remove(&staging);
        return Err(failed("unpacking to")(error));
    }
    swap(directory, &staging)?;
    let synced = File::open(directory).and_then(|directory| sync_file_system(&directory));
    synced.map_err(ArchiveError::file("syncing", directory))
}

fn unpack_to(staging: &Path, content: &mut impl Read) -> io::Result<()> {
    let mut archive = Archive::new(&mut *content);
    archive.set_preserve_permissions(true);
    archive.unpack(staging)?;
    drain(content)
}

/// What follows the end of an archive belongs to it: a compressed stream is whole only at its end.
fn drain(content: &mut impl Read) -> io::Result<()> {
    io::copy(content, &mut io::sink()).map(|_| ())
}

fn swap(directory: &Path, staging: &Path) -> Result<(), ArchiveError> {
    for name in names(directory)? {
        let old = directory.join(name);
        if old != staging {
            remove(&old).map_err(ArchiveError::file("removing", &old))?;
        }
    }
    for name in names(staging)? {
        let (from, to) = (staging.join(&name), directory.join(&name));
        fs::rename(&from, &to).map_err(ArchiveError::file("moving", &from))?;
    }
    fs::remove_dir(staging).map_err(ArchiveError::file("removing", staging))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        other => other.and_then(|_| fs::remove_file(path)),
    }
}
