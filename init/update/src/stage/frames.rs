//! The frame index of a bundle, and frames → pieces.

use bedplate_contract::{
    BundleManifest,
    bundle::RootContent,
    frames::{Index, MAX_FRAMES, Span},
};

use super::{StageError, Tally};
use crate::source::{self, Source};

/// A piece of the root image, and the frame that it is shipped as.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Frame and place.
    pub span: Span,
    /// Bytes of the piece.
    pub size: usize,
}

/// Fetches the index and checks it against the manifest.
pub fn fetch(
    manifest: &BundleManifest,
    source: &mut dyn Source,
    tally: &mut Tally,
) -> Result<Index, StageError> {
    let content = &manifest.root.index;
    let most = Index::encoded_size(MAX_FRAMES as usize);
    let bytes = source::whole(source, content, most).map_err(|source| StageError::Source {
        what: "frame index",
        source,
    })?;
    tally.fetched += content.size;
    index(&bytes, &manifest.root)
}

/// Reads an index that must cover the root image with frames that fill their blob.
///
/// # Errors
/// [`StageError::Index`], [`StageError::Contradiction`].
pub fn index(bytes: &[u8], root: &RootContent) -> Result<Index, StageError> {
    let index = Index::parse(bytes)?;
    let found = index.compressed_size();
    if found != root.frames.size {
        return Err(StageError::Contradiction {
            what: "frames",
            expected: root.frames.size,
            found,
        });
    }
    let size = u64::from(index.frame_size());
    let covered = size.saturating_mul(index.len() as u64);
    // The last frame holds at least one byte.
    let is_covered = covered >= root.image.size && covered - root.image.size < size;
    match is_covered {
        true => Ok(index),
        false => Err(StageError::Contradiction {
            what: "root image",
            expected: root.image.size,
            found: covered,
        }),
    }
}

/// The pieces of an index that [`index`] has checked.
pub fn pieces<'a>(index: &'a Index, root: &RootContent) -> impl Iterator<Item = Piece> + use<'a> {
    let size = u64::from(index.frame_size());
    let whole = root.image.size;
    index.spans().map(move |span| {
        let left = whole.saturating_sub(span.offset).min(size);
        // At most `MAX_FRAME_SIZE`.
        let size = usize::try_from(left).unwrap_or_default();
        Piece { span, size }
    })
}

/// Unpacks frames one by one.
#[derive(Debug)]
pub struct Unpacker {
    compressed: Vec<u8>,
}

impl Unpacker {
    /// Holds no frame yet.
    pub const fn new() -> Self {
        Self {
            compressed: Vec::new(),
        }
    }

    /// Reads the frame of `piece` from where `source` stands, and unpacks it.
    ///
    /// The digest is checked before a decoder sees the bytes, and the decoder has room for the
    /// piece and no more.
    pub fn next(&mut self, piece: &Piece, source: &mut dyn Source) -> Result<Vec<u8>, StageError> {
        let failed = |source| StageError::Source {
            what: "root image",
            source,
        };
        let frame = &piece.span.frame;
        self.read(piece, source)?;
        source::check(&self.compressed, &frame.compressed).map_err(failed)?;
        let bytes = zstd::bulk::decompress(&self.compressed, piece.size);
        let bytes = bytes.ok().filter(|bytes| bytes.len() == piece.size);
        let bytes = bytes.ok_or(StageError::Frame {
            number: piece.span.number,
            expected: piece.size,
        })?;
        source::check(&bytes, &frame.piece).map_err(failed)?;
        Ok(bytes)
    }

    fn read(&mut self, piece: &Piece, source: &mut dyn Source) -> Result<(), StageError> {
        let size = piece.span.frame.compressed_size as usize;
        // What no encoder writes is not read either: it bounds the memory.
        if size > zstd::zstd_safe::compress_bound(piece.size) {
            return Err(StageError::Frame {
                number: piece.span.number,
                expected: piece.size,
            });
        }
        self.compressed.resize(size, 0);
        source
            .read(&mut self.compressed)
            .map_err(|source| StageError::Source {
                what: "root image",
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use bedplate_contract::{Digest, bundle::Content, frames::Frame};

    use super::*;

    fn root(image: u64, frames: u64) -> RootContent {
        let content = |size| Content {
            digest: Digest::of(b""),
            size,
        };
        RootContent {
            image: content(image),
            frames: content(frames),
            index: content(0),
        }
    }

    fn bytes(count: usize) -> Vec<u8> {
        let frame = Frame {
            compressed_size: 10,
            compressed: Digest::of(b"a"),
            piece: Digest::of(b"b"),
        };
        Index::new(vec![frame; count]).encode()
    }

    #[test]
    fn an_index_covers_its_image() {
        const MIB: u64 = 1 << 20;
        for (image, count, good) in [
            (MIB, 1, true),
            (MIB + 1, 2, true),
            (2 * MIB, 2, true),
            (MIB, 2, false),
            (MIB + 1, 1, false),
            (4096, 1, true),
        ] {
            let checked = index(&bytes(count), &root(image, 10 * count as u64));
            assert_eq!(checked.is_ok(), good, "{image} {count}");
        }
        let short = index(&bytes(2), &root(2 * MIB, 19)).unwrap_err();
        let expected = "the frame index has 20 bytes of frames, the manifest 19";
        assert_eq!(short.to_string(), expected);
    }

    #[test]
    fn the_last_piece_is_what_is_left() {
        let root = root((1 << 20) + 4096, 20);
        let index = index(&bytes(2), &root).unwrap();
        let sizes: Vec<_> = pieces(&index, &root).map(|piece| piece.size).collect();
        assert_eq!(sizes, [1 << 20, 4096]);
    }
}
