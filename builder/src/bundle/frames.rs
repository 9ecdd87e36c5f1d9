//! The root image as frames and their index.
//!
//! Each piece of the image is a zstd frame of its own (RFC 8878, 3.1.1), so that a host fetches, checks
//! and resumes piece by piece, and `zstd -d` makes the image of the whole.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use bedplate_contract::{
    Digest,
    bundle::{self, Content},
    frames::{FRAME_SIZE, Frame, Index},
};

use super::{BundleError, media};
use crate::{
    oci::LayoutDirectory,
    stream::{self, Hashing},
};

/// zstd's default: more saves little and takes many times as long (DESIGN 9 ships most of an upgrade
/// as pieces that a host has already).
const LEVEL: i32 = 3;

/// Puts the frames of the image and their index; returns what they are called.
pub(super) fn put(
    image: &Path,
    layout: &LayoutDirectory,
) -> Result<(Content, Content), BundleError> {
    let mut frames = Vec::new();
    let mut size = 0;
    let digest = layout.put_with::<BundleError>(|file| {
        let failed = |error| BundleError::frames(image, error);
        let (digest, written) = write(image, file, &mut frames).map_err(failed)?;
        size = written;
        Ok(digest)
    })?;
    let index = Index::new(frames).encode();
    layout.put(media(bundle::ROOT_INDEX), &index)?;
    let index = Content {
        digest: Digest::of(&index),
        size: index.len() as u64,
    };
    Ok((Content { digest, size }, index))
}

fn write(image: &Path, to: &mut File, frames: &mut Vec<Frame>) -> io::Result<(Digest, u64)> {
    let mut to = Hashing::new(to);
    let take = |(frame, bytes): (Frame, Vec<u8>)| {
        frames.push(frame);
        to.write_all(&bytes)
    };
    let size = FRAME_SIZE as usize;
    stream::in_pieces(&mut File::open(image)?, size, compress, take)?;
    to.finish()
}

fn compress(piece: &[u8]) -> io::Result<(Frame, Vec<u8>)> {
    let bytes = zstd::bulk::compress(piece, LEVEL)?;
    let frame = Frame {
        compressed_size: u32::try_from(bytes.len()).map_err(io::Error::other)?,
        compressed: Digest::of(&bytes),
        piece: Digest::of(piece),
    };
    Ok((frame, bytes))
}
