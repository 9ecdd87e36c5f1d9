//! Copies of files that keep their holes, and share what they have where the file system can.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

/// Copies `from` to `to`: both share their blocks until one is written (ioctl_ficlone(2)); where that
/// cannot be, holes stay holes, so a disk image takes the space of its data.
///
/// # Errors
/// Any read or write; `to` is then incomplete and the caller's to remove.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(from)?;
    let target = File::create(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut at = 0;
    while let Some(data) = next(&source, SeekFrom::Data(at))? {
        let end = next(&source, SeekFrom::Hole(data))?.unwrap_or(length);
        copy_range(&source, &target, data..end)?;
        at = end;
    }
    Ok(())
}

/// The next offset of a kind; `None` past the last one (lseek(2), `ENXIO`).
fn next(file: &File, from: SeekFrom) -> io::Result<Option<u64>> {
    match seek(file, from) {
        Ok(offset) => Ok(Some(offset)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn copy_range(source: &File, target: &File, range: std::ops::Range<u64>) -> io::Result<()> {
    // The kernel copies without a buffer here, and on some file systems without a byte.
    if copied_by_kernel(source, target, &range)? {
        return Ok(());
    }
    let mut buffer = vec![0; 1 << 20];
    let mut at = range.start;
    while at < range.end {
        let room = usize::try_from(range.end - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        source.read_exact_at(&mut buffer[..room], at)?;
        target.write_all_at(&buffer[..room], at)?;
        at += room as u64;
    }
    Ok(())
}

/// copy_file_range(2); `false` where the two file systems cannot, before anything is written.
fn copied_by_kernel(
    source: &File,
    target: &File,
    range: &std::ops::Range<u64>,
) -> io::Result<bool> {
    let (mut from, mut to) = (range.start, range.start);
    while from < range.end {
        let left = usize::try_from(range.end - from).unwrap_or(usize::MAX);
        let copied =
            rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), left);
        match copied {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(_) if from == range.start => return Ok(false),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::MetadataExt};

    #[test]
    fn holes_stay_holes() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let file = File::create(&from).unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(b"middle", 32 << 20).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(&from).unwrap(), fs::read(&to).unwrap());
        assert!(fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20);
    }
}
