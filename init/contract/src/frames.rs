//! The index of a root image's frames: pieces that are compressed, fetched and checked one by one.
//!
//! | bytes | content (little endian) |
//! | --- | --- |
//! | 0..8 | magic |
//! | 8..12 | bytes of root image in every frame but the last |
//! | 12..16 | number of frames |
//! | 16.. | for each frame: compressed bytes (4), SHA-256 of the compressed bytes (32), SHA-256 of the piece of the root image (32) |
//!
//! The frames are zstd frames (RFC 8878, 3.1) and lie one after the other in one blob: any of them can
//! be fetched by a range request and checked before it is decompressed, and a piece that a slot holds
//! already is known by its digest and not fetched at all. That is how a cut upgrade goes on.

use crate::Digest;

const MAGIC: &[u8; 8] = b"BdpFram1";
const HEADER: usize = 16;
const ENTRY: usize = 68;

/// Bytes of root image in a frame.
///
/// Small enough that a lost connection costs little and that host and builder need little memory;
/// large enough that zstd compresses within 1 % of the whole.
pub const FRAME_SIZE: u32 = 1 << 20;
/// Largest frame size that is read: it bounds the memory of a reader.
pub const MAX_FRAME_SIZE: u32 = 8 << 20;
/// Most frames that are read: a root of 64 GiB.
pub const MAX_FRAMES: u32 = 1 << 16;

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of the compressed frame.
    pub compressed_size: u32,
    /// Digest of the compressed frame.
    pub compressed: Digest,
    /// Digest of the piece of root image.
    pub piece: Digest,
}

/// All frames of a root image, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    frame_size: u32,
    frames: Vec<Frame>,
}

/// Where a frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its place in the order, from 0.
    pub number: usize,
    /// The frame.
    pub frame: Frame,
    /// First byte of the compressed frame in the blob.
    pub compressed_offset: u64,
    /// First byte of the piece in the root image.
    pub offset: u64,
}

/// Bytes that are no index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Another format, or a newer version of it.
    #[error("found no frame index of this version")]
    Magic,
    /// A number that no builder writes.
    #[error("expected {field} from 1 to {most} in the frame index, found {found}")]
    Range {
        /// Name of the field.
        field: &'static str,
        /// The largest value that is read.
        most: u32,
        /// The value that was found.
        found: u32,
    },
    /// Cut short, or followed by something.
    #[error("expected a frame index of {expected} bytes, found {found}")]
    Length {
        /// Bytes that the number of frames asks for.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
}

impl Index {
    /// The index of frames of [`FRAME_SIZE`].
    pub const fn new(frames: Vec<Frame>) -> Self {
        Self {
            frame_size: FRAME_SIZE,
            frames,
        }
    }

    /// Bytes of root image in every frame but the last.
    pub const fn frame_size(&self) -> u32 {
        self.frame_size
    }

    /// The frames, with their places.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        let mut compressed_offset = 0;
        let size = u64::from(self.frame_size);
        self.frames.iter().enumerate().map(move |(number, frame)| {
            let span = Span {
                number,
                frame: *frame,
                compressed_offset,
                offset: size.saturating_mul(number as u64),
            };
            compressed_offset += u64::from(frame.compressed_size);
            span
        })
    }

    /// Number of frames.
    pub const fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is no frame; no index that was parsed is empty.
    pub const fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes of all compressed frames.
    pub fn compressed_size(&self) -> u64 {
        let sizes = self.frames.iter().map(|f| u64::from(f.compressed_size));
        sizes.sum()
    }

    /// Bytes of the index of `count` frames.
    pub const fn encoded_size(count: usize) -> usize {
        HEADER + count * ENTRY
    }

    /// The bytes of the index.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::encoded_size(self.frames.len()));
        bytes.extend(MAGIC);
        bytes.extend(self.frame_size.to_le_bytes());
        // More than 2^32 frames would not fit into memory; readers refuse far fewer.
        let count = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        bytes.extend(count.to_le_bytes());
        for frame in &self.frames {
            bytes.extend(frame.compressed_size.to_le_bytes());
            bytes.extend(frame.compressed.as_bytes());
            bytes.extend(frame.piece.as_bytes());
        }
        bytes
    }

    /// Reads an index.
    ///
    /// # Errors
    /// [`IndexError`]: nothing is allocated for more frames than there are bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(IndexError::Magic)?;
        if magic != MAGIC {
            return Err(IndexError::Magic);
        }
        let (frame_size, rest) = number(rest, "a frame size", MAX_FRAME_SIZE)?;
        let (count, rest) = number(rest, "a number of frames", MAX_FRAMES)?;
        let expected = Self::encoded_size(count as usize);
        if expected != bytes.len() {
            let found = bytes.len();
            return Err(IndexError::Length { expected, found });
        }
        let frames = rest.as_chunks::<ENTRY>().0.iter().map(frame);
        Ok(Self {
            frame_size,
            frames: frames.collect(),
        })
    }
}

fn number<'a>(
    bytes: &'a [u8],
    field: &'static str,
    most: u32,
) -> Result<(u32, &'a [u8]), IndexError> {
    let (found, rest) = bytes.split_first_chunk::<4>().ok_or(IndexError::Magic)?;
    let found = u32::from_le_bytes(*found);
    match (1..=most).contains(&found) {
        true => Ok((found, rest)),
        false => Err(IndexError::Range { field, most, found }),
    }
}

fn frame(entry: &[u8; ENTRY]) -> Frame {
    let (size, digests) = entry.split_at(4);
    let (compressed, piece) = digests.split_at(32);
    let digest = |bytes: &[u8]| {
        let chunk = bytes.first_chunk().copied();
        Digest::from_bytes(chunk.unwrap_or_default())
    };
    Frame {
        compressed_size: size.first_chunk().copied().map_or(0, u32::from_le_bytes),
        compressed: digest(compressed),
        piece: digest(piece),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(byte: u8, compressed_size: u32) -> Frame {
        Frame {
            compressed_size,
            compressed: Digest::from_bytes([byte; 32]),
            piece: Digest::from_bytes([byte + 1; 32]),
        }
    }

    #[test]
    fn an_index_round_trips_and_places_its_frames() {
        let index = Index::new(vec![frame(1, 10), frame(3, 20), frame(5, 7)]);
        let bytes = index.encode();
        assert_eq!(bytes.len(), Index::encoded_size(3));
        assert_eq!(Index::parse(&bytes).unwrap(), index);
        assert_eq!(index.compressed_size(), 37);
        let places = index.spans().map(|s| (s.compressed_offset, s.offset));
        let size = u64::from(FRAME_SIZE);
        assert_eq!(
            places.collect::<Vec<_>>(),
            [(0, 0), (10, size), (30, 2 * size)]
        );
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = Index::new(vec![frame(1, 10)]).encode();
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Index::parse(&bytes).unwrap_err().to_string()
        };
        assert_eq!(with(0, 0), "found no frame index of this version");
        assert_eq!(
            with(11, 255),
            "expected a frame size from 1 to 8388608 in the frame index, found 4279238656"
        );
        assert_eq!(with(12, 2), "expected a frame index of 152 bytes, found 84");
        assert_eq!(
            with(12, 0),
            "expected a number of frames from 1 to 65536 in the frame index, found 0"
        );
        assert_eq!(Index::parse(b"Bdp"), Err(IndexError::Magic));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(index) = Index::parse(&bytes) {
                prop_assert_eq!(index.encode(), bytes);
            }
        }
    }
}
