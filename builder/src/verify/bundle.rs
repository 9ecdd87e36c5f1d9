//! One bundle: its signatures, and its content put together again.

use std::{
    fs::File,
    io::{BufWriter, Read, Write},
    path::Path,
};

use bedplate_contract::{
    BundleManifest, Digest,
    bundle::{self, Content},
    cmdline,
    frames::{Index, Span},
    signature::SignatureError,
    verity::{BLOCK_SIZE, Superblock},
};
use goblin::pe::PE;
use tempfile::TempDir;

use super::{Policy, error::ContentError};
use crate::{
    bundle::Stored,
    disk::{output, verity},
    oci::Layout,
    stream::Hashing,
};

/// Largest UKI that is read into memory.
const MOST_UKI: u64 = 1 << 30;

/// The keys whose signatures count, once there are enough.
pub(super) fn signers(stored: &Stored, policy: &Policy) -> Result<Vec<Digest>, SignatureError> {
    let envelope = stored.envelope();
    envelope.open(bundle::MANIFEST, &policy.keys, policy.threshold)?;
    let named = |id: &Digest| envelope.signatures.iter().any(|s| s.keyid == id.hex());
    let ids = policy.keys.iter().map(|key| key.id());
    Ok(ids.filter(named).collect())
}

/// Checks every digest of the bundle, and that root image, hash tree and UKI belong together.
pub(super) fn check_content(layout: &Layout, stored: &Stored) -> Result<(), ContentError> {
    let manifest = &stored.manifest;
    check_parts(stored)?;
    let scratch = TempDir::new().map_err(ContentError::Scratch)?;
    let root = scratch.path().join("root");
    put_together(layout, manifest, &root)?;
    check_verity(layout, manifest, &root, scratch.path())?;
    let uki = read(layout, &manifest.uki)?;
    let named = named_root_hash(&uki).map_err(ContentError::Uki)?;
    ContentError::same("root hash that the UKI names", &manifest.root_hash, &named)
}

/// Whether registries see the same parts as hosts do.
fn check_parts(stored: &Stored) -> Result<(), ContentError> {
    let manifest = &stored.manifest;
    let parts = [
        &manifest.root.frames,
        &manifest.root.index,
        &manifest.verity,
        &manifest.uki,
    ];
    let signed = parts.map(|part| (part.digest.to_string(), part.size));
    let layers = stored.document.layers().iter();
    let shown: Vec<_> = layers.map(|l| (l.digest().to_string(), l.size())).collect();
    let text = |parts: &[(String, u64)]| {
        let parts = parts
            .iter()
            .map(|(digest, size)| format!("{digest} ({size})"));
        parts.collect::<Vec<_>>().join(", ")
    };
    ContentError::same("parts in the OCI manifest", &text(&signed), &text(&shown))
}

/// Writes the root image to `to`, frame by frame, each checked on its way.
fn put_together(layout: &Layout, manifest: &BundleManifest, to: &Path) -> Result<(), ContentError> {
    let root = &manifest.root;
    let index = Index::parse(&read(layout, &root.index)?)?;
    let mut blob = layout.open_blob(&root.frames.digest)?;
    let mut frames = Hashing::new(std::io::sink());
    let file = File::create(to).map_err(ContentError::Scratch)?;
    let mut image = Hashing::new(BufWriter::new(file));
    for span in index.spans() {
        let compressed = next(&mut blob, &span)?;
        let piece = piece(&compressed, &span, index.frame_size())?;
        frames
            .write_all(&compressed)
            .map_err(ContentError::Scratch)?;
        image.write_all(&piece).map_err(ContentError::Scratch)?;
    }
    let trailing = std::io::copy(&mut blob, &mut frames).map_err(ContentError::Scratch)?;
    ContentError::same("bytes behind the last frame", &0, &trailing)?;
    check(frames, "frames", &root.frames)?;
    check(image, "root image", &root.image)
}

/// Reads the next frame.
fn next(blob: &mut impl Read, span: &Span) -> Result<Vec<u8>, ContentError> {
    let mut bytes = Vec::new();
    let size = u64::from(span.frame.compressed_size);
    let read = blob.take(size).read_to_end(&mut bytes);
    let whole = read.is_ok_and(|length| length as u64 == size);
    match whole && Digest::of(&bytes) == span.frame.compressed {
        true => Ok(bytes),
        false => Err(damaged(span, "its bytes have another digest")),
    }
}

fn piece(compressed: &[u8], span: &Span, frame_size: u32) -> Result<Vec<u8>, ContentError> {
    let piece = zstd::bulk::decompress(compressed, frame_size as usize)
        .map_err(|_| damaged(span, "it cannot be decompressed"))?;
    match Digest::of(&piece) == span.frame.piece {
        true => Ok(piece),
        false => Err(damaged(span, "its piece of the image has another digest")),
    }
}

fn damaged(span: &Span, what: &'static str) -> ContentError {
    ContentError::Frame {
        number: span.number,
        what,
    }
}

fn check<W: Write>(
    hashing: Hashing<W>,
    noun: &'static str,
    expected: &Content,
) -> Result<(), ContentError> {
    let (digest, size) = hashing.finish().map_err(ContentError::Scratch)?;
    ContentError::same(noun, &expected.digest, &digest)?;
    ContentError::same(noun, &expected.size, &size)
}

/// Makes the hash tree of the root image again, with the salt of the one that is shipped.
fn check_verity(
    layout: &Layout,
    manifest: &BundleManifest,
    root: &Path,
    scratch: &Path,
) -> Result<(), ContentError> {
    let mut shipped = Vec::new();
    let verity = &manifest.verity;
    layout.copy(&verity.digest, verity.size, &mut shipped)?;
    let head = &shipped[..shipped.len().min(BLOCK_SIZE)];
    let superblock = Superblock::parse(head).map_err(ContentError::Superblock)?;
    let tree = scratch.join("tree");
    let root_hash = verity::write(root, &superblock.salt, &tree)?;
    ContentError::same("root hash", &manifest.root_hash, &root_hash)?;
    let made = output::digest(&tree).map_err(ContentError::Scratch)?;
    ContentError::same("hash tree", &verity.digest, &made)
}

fn read(layout: &Layout, content: &Content) -> Result<Vec<u8>, ContentError> {
    let mut bytes = Vec::new();
    if content.size > MOST_UKI {
        let what = format!("it has {} bytes", content.size);
        return Err(ContentError::Uki(what));
    }
    layout.copy(&content.digest, content.size, &mut bytes)?;
    Ok(bytes)
}

/// The root hash on the command line of a UKI.
fn named_root_hash(uki: &[u8]) -> Result<Digest, String> {
    let parsed = PE::parse(uki).map_err(|error| error.to_string())?;
    let mut sections = parsed.sections.iter();
    let section = sections.find(|s| s.name().is_ok_and(|name| name == ".cmdline"));
    let section = section.ok_or("it has no section `.cmdline`")?;
    let start = section.pointer_to_raw_data as usize;
    let end = start.saturating_add(section.virtual_size as usize);
    let line = uki.get(start..end).ok_or("its `.cmdline` is cut short")?;
    let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let named = cmdline::root_hash(line.trim_end_matches('\0'));
    named.ok_or_else(|| format!("expected `{}=` on its command line", cmdline::ROOT_HASH))
}
