//! Gzip in members of a fixed size, compressed in parallel.
//!
//! A gzip file may have many members (RFC 1952, 2.2). Their borders depend on the input alone, so
//! the bytes are the same for any number of cores.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use bedplate_contract::Digest;
use flate2::{Compression, GzBuilder};

use crate::stream::{self, Hashing};

/// Bytes of input per member: large enough that the ratio does not suffer.
const MEMBER: usize = 1 << 20;

/// Compresses `from` to `to`; returns digest and size of `to`.
pub fn compress(from: &Path, to: &Path) -> io::Result<(Digest, u64)> {
    let mut input = File::open(from)?;
    let mut output = Hashing::new(BufWriter::new(File::create(to)?));
    stream::in_pieces(&mut input, MEMBER, member, |member| {
        output.write_all(&member)
    })?;
    output.finish()
}

fn member(input: &[u8]) -> io::Result<Vec<u8>> {
    // No name and no time in the header.
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::new(6));
    encoder.write_all(input)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read};

    use flate2::read::MultiGzDecoder;

    use super::*;

    #[test]
    fn members_read_as_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a"), dir.path().join("a.gz"));
        let input: Vec<u8> = (0..MEMBER * 2 + 77).map(|at| (at / 7) as u8).collect();
        fs::write(&from, &input).unwrap();
        let (digest, size) = compress(&from, &to).unwrap();
        let bytes = fs::read(&to).unwrap();
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (digest, size));
        let mut output = Vec::new();
        MultiGzDecoder::new(&bytes[..])
            .read_to_end(&mut output)
            .unwrap();
        assert_eq!(input, output);
    }
}
