//! Bytes that are counted, and hashed, on their way.

use std::io::{self, Read, Write};

use bedplate_contract::Digest;
use sha2::{Digest as _, Sha256};

/// Counts and hashes what is written, or read, through it.
pub(super) struct Tally<T> {
    inner: T,
    bytes: u64,
    sha256: Sha256,
}

impl<T> Tally<T> {
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            bytes: 0,
            sha256: Sha256::new(),
        }
    }

    /// Bytes so far, their digest, and what they went to.
    pub fn finish(self) -> (u64, Digest, T) {
        let sum: [u8; 32] = self.sha256.finalize().into();
        (self.bytes, Digest::from_bytes(sum), self.inner)
    }

    fn count(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.sha256.update(bytes);
    }
}

impl<T: Write> Write for Tally<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Tally<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
