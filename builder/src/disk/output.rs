//! Writing and reading large outputs: sparse, and with errors that say what was needed.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bedplate_contract::{Digest, verity::BLOCK_SIZE};
use sha2::{Digest as _, Sha256};

/// Bytes moved at a time.
const CHUNK: usize = 1 << 20;

/// An output that could not be written, with the space that it takes; the cause says whether space
/// was what lacked.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`, which needs {} MiB", path.display(), needed.div_ceil(1 << 20))]
pub struct WriteError {
    path: PathBuf,
    needed: u64,
    #[source]
    source: io::Error,
}

impl WriteError {
    /// Makes the error of a write to `path` that needs `needed` bytes in all.
    pub fn new(path: &Path, needed: u64, source: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            needed,
            source,
        }
    }
}

/// Writes `bytes` to the new file `path`, which lies in a step of the store: it appears with the
/// whole step, so it needs no rename of its own.
///
/// # Errors
/// The write fails.
pub fn save(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    fs::write(path, bytes).map_err(|e| WriteError::new(path, bytes.len() as u64, e))
}

/// The digest of the file at `path`, read in pieces.
///
/// # Errors
/// The file cannot be read.
pub fn digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            length => hasher.update(&chunk[..length]),
        }
    }
}

/// Copies the file at `from` to `offset` of `to`, leaving holes where it has only zeros. The target
/// must be a hole there already.
///
/// # Errors
/// Any of read and write.
pub fn copy_sparse(from: &Path, to: &File, offset: u64) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut at = offset;
    loop {
        chunk.clear();
        let length = (&mut source).take(CHUNK as u64).read_to_end(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        for block in chunk.chunks(BLOCK_SIZE) {
            if block.iter().any(|byte| *byte != 0) {
                to.write_all_at(block, at)?;
            }
            at += block.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn zeros_become_holes() {
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| directory.path().join(name));
        let mut bytes = vec![0; 3 << 20];
        bytes[2 << 20] = 1;
        std::fs::write(&from, &bytes).unwrap();
        let file = File::create(&to).unwrap();
        file.set_len(8 << 20).unwrap();
        copy_sparse(&from, &file, 4096).unwrap();
        let copy = std::fs::read(&to).unwrap();
        assert_eq!(copy[4096..4096 + bytes.len()], bytes);
        assert!(file.metadata().unwrap().blocks() * 512 < 1 << 20);
        assert_eq!(digest(&to).unwrap(), Digest::of(&copy));
    }

    #[test]
    fn a_full_disk_is_named() {
        let error = save(Path::new("/dev/full"), b"bytes").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot write `/dev/full`, which needs 1 MiB"
        );
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn errors_say_what_was_needed() {
        let error = WriteError::new(
            Path::new("disk.raw"),
            (3 << 20) + 1,
            io::ErrorKind::StorageFull.into(),
        );
        assert_eq!(
            error.to_string(),
            "cannot write `disk.raw`, which needs 4 MiB"
        );
    }
}
