//! Copies of files that keep their holes.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

/// Copies `from` to `to`: holes stay holes, so a disk image takes the space of its data.
///
/// # Errors
/// Any read or write; `to` is then incomplete and the caller's to remove.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(from)?;
    let target = File::create(to)?;
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
