//! The file that a download grows in, with the hash of what it holds.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use bedplate_contract::Digest;
use sha2::{Digest as _, Sha256};

use super::{BUFFER, DownloadError, Wanted};

/// A file that grows, with the hash of what it holds.
pub(super) struct Partial {
    /// Where it lies.
    pub path: PathBuf,
    file: File,
    hash: Sha256,
    /// Bytes it holds.
    pub length: u64,
}

impl Partial {
    /// Opens or makes the file and hashes what it holds; one longer than `size` is emptied.
    pub fn open(path: &Path, size: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path)?;
        let mut partial = Self {
            path: path.to_owned(),
            file,
            hash: Sha256::new(),
            length: 0,
        };
        if partial.file.metadata()?.len() > size {
            partial.restart()?;
        }
        partial.read_existing()?;
        Ok(partial)
    }

    fn read_existing(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                count => {
                    self.hash.update(&buffer[..count]);
                    self.length += count as u64;
                }
            }
        }
    }

    /// Adds `bytes` at the end.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Empties the file.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hash = Sha256::new();
        self.length = 0;
        Ok(())
    }

    /// Whether the file is what was wanted.
    pub fn check(&self, wanted: &Wanted) -> Result<(), DownloadError> {
        let found = Digest::from_bytes(self.hash.clone().finalize().into());
        if found == wanted.digest && self.length == wanted.size {
            return Ok(());
        }
        Err(DownloadError::Digest {
            url: wanted.url.clone(),
            expected: wanted.digest,
            size: wanted.size,
            found,
            found_size: self.length,
        })
    }
}
