//! The root image: pieces that are there are kept, the others fetched and written.

use std::{
    sync::mpsc::{self, SyncSender},
    thread,
};

use bedplate_contract::{Digest, bundle::RootContent, frames::Index};

use super::{
    Part, StageError, Tally, Target,
    frames::{self, Piece, Unpacker},
};
use crate::{progress::Progress, source::Source};

/// Pieces that wait to be written while the next is fetched.
const AHEAD: usize = 2;

/// Keeps the pieces that the slot holds, copies those that the running root holds at the same
/// place, and returns the others.
pub fn reuse(
    root: &RootContent,
    index: &Index,
    target: &mut dyn Target,
    progress: &mut Progress<'_>,
    tally: &mut Tally,
) -> Result<Vec<Piece>, StageError> {
    progress.begin("looking for what is there", root.image.size);
    let mut missing = Vec::new();
    let mut buffer = vec![0; index.frame_size() as usize];
    for piece in frames::pieces(index, root) {
        let bytes = buffer.get_mut(..piece.size).unwrap_or_default();
        tally.pieces += 1;
        match keep(&piece, bytes, target)? {
            Found::InSlot => tally.reused += 1,
            Found::InActive => {
                tally.reused += 1;
                tally.written += bytes.len() as u64;
            }
            Found::Nowhere => missing.push(piece),
        }
        progress.advance(piece.size as u64);
    }
    Ok(missing)
}

enum Found {
    InSlot,
    InActive,
    Nowhere,
}

fn keep(piece: &Piece, bytes: &mut [u8], target: &mut dyn Target) -> Result<Found, StageError> {
    let (at, wanted) = (piece.span.offset, piece.span.frame.piece);
    target.read(Part::Root, at, bytes)?;
    if Digest::of(bytes) == wanted {
        return Ok(Found::InSlot);
    }
    if target.read_active(at, bytes) && Digest::of(bytes) == wanted {
        // A crash leaves some pieces of the new root among those of the old; no entry starts them.
        target.write(Part::Root, at, bytes)?;
        return Ok(Found::InActive);
    }
    Ok(Found::Nowhere)
}

/// Fetches and writes the `missing` pieces; one thread fetches and unpacks, this one writes.
pub fn fetch(
    root: &RootContent,
    missing: &[Piece],
    source: &mut dyn Source,
    target: &mut dyn Target,
    progress: &mut Progress<'_>,
    tally: &mut Tally,
) -> Result<(), StageError> {
    let frames = missing.iter().map(compressed);
    let total = frames.sum();
    progress.begin("fetching the root image", total);
    let (sender, receiver) = mpsc::sync_channel(AHEAD);
    thread::scope(|scope| {
        let fetcher = scope.spawn(move || fetch_all(root, missing, source, &sender));
        let written = receiver.into_iter().try_for_each(|(piece, bytes)| {
            let piece: Piece = piece;
            // A crash leaves pieces without an entry, as above.
            target.write(Part::Root, piece.span.offset, &bytes)?;
            tally.fetched += compressed(&piece);
            tally.written += bytes.len() as u64;
            progress.advance(compressed(&piece));
            Ok(())
        });
        // The receiver is gone by now, so the other thread ends whatever it does.
        let fetched = fetcher.join().map_err(|_| StageError::Ended);
        written.and_then(|()| fetched.and_then(|fetched| fetched))
    })
}

fn compressed(piece: &Piece) -> u64 {
    u64::from(piece.span.frame.compressed_size)
}

fn fetch_all(
    root: &RootContent,
    missing: &[Piece],
    source: &mut dyn Source,
    sender: &SyncSender<(Piece, Vec<u8>)>,
) -> Result<(), StageError> {
    let mut unpacker = Unpacker::new();
    for run in missing.chunk_by(|a, b| a.span.number + 1 == b.span.number) {
        open(root, run, source)?;
        for piece in run {
            let bytes = unpacker.next(piece, source)?;
            if sender.send((*piece, bytes)).is_err() {
                // The other thread could not write, and says so.
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Neighbours are fetched as one range: one request of a server, not one per piece.
fn open(root: &RootContent, run: &[Piece], source: &mut dyn Source) -> Result<(), StageError> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Ok(());
    };
    let end = last.span.compressed_offset.saturating_add(compressed(last));
    let opened = source.open(&root.frames.digest, first.span.compressed_offset..end);
    opened.map_err(|source| StageError::Source {
        what: "root image",
        source,
    })
}
