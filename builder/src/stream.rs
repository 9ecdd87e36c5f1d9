//! Bytes on their way: hashed and counted, and worked on in pieces by all cores.

use std::io::{self, Read, Write};

use bedplate_contract::Digest;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

/// Pieces read at a time; with pieces of 1 MiB it bounds memory to some 64 MiB.
const BATCH: usize = 32;

/// A writer that hashes and counts what goes through it.
#[derive(Debug)]
pub struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Hashing<W> {
    /// Starts with nothing written to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            size: 0,
        }
    }

    /// Flushes; returns digest and size.
    ///
    /// # Errors
    /// The flush fails.
    pub fn finish(mut self) -> io::Result<(Digest, u64)> {
        self.inner.flush()?;
        Ok((Digest::from_bytes(self.hash.finalize().into()), self.size))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads `input` in pieces of `size` bytes, the last one shorter, gives each to `work` on any core,
/// and the results in order to `take`: what comes out depends on the input alone.
///
/// # Errors
/// Any of read, `work` and `take`.
pub fn in_pieces<T: Send>(
    input: &mut impl Read,
    size: usize,
    work: impl Fn(&[u8]) -> io::Result<T> + Sync,
    mut take: impl FnMut(T) -> io::Result<()>,
) -> io::Result<()> {
    let mut batch = vec![0; size * BATCH];
    loop {
        let filled = fill(input, &mut batch)?;
        if filled == 0 {
            return Ok(());
        }
        let pieces = batch[..filled].par_chunks(size);
        for result in pieces.map(&work).collect::<io::Result<Vec<T>>>()? {
            take(result)?;
        }
    }
}

/// Fills as much of `buffer` as there is input; returns how much.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order() {
        let input: Vec<u8> = (0..BATCH * 2 * 10 + 3).map(|at| at as u8).collect();
        let mut output = Vec::new();
        let mut sizes = Vec::new();
        let work = |piece: &[u8]| Ok(piece.to_vec());
        in_pieces(&mut &input[..], 10, work, |piece| {
            sizes.push(piece.len());
            output.extend(piece);
            Ok(())
        })
        .unwrap();
        assert_eq!(output, input);
        assert_eq!((sizes.len(), sizes.last()), (BATCH * 2 + 1, Some(&3)));
    }
}
