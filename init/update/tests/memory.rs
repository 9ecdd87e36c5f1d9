//! The memory of the updater, which must not grow with the image. Alone in its process, whose
//! memory is measured.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use bedplate_contract::{
    BundleManifest, Digest, EntryName, SchemaVersion,
    bundle::{Content, RootContent},
    frames::{FRAME_SIZE, Frame, Index},
    oci,
    verity::{self, BLOCK_SIZE, Superblock},
};
use bedplate_update::{
    progress::Progress,
    source,
    stage::{self, Disk, Entries},
};
use sha2::{Digest as _, Sha256};

/// Pieces of the image; in every fourth there is something.
const PIECES: u64 = 256;
/// What the updater may have in use, with the test around it.
const MOST_KIB: u64 = 64 << 10;

#[test]
fn memory_does_not_grow_with_the_image() {
    let directory = tempfile::tempdir().unwrap();
    let layout = directory.path().join("layout");
    let manifest = write_layout(&layout);
    let mut disk = target(directory.path(), manifest.root.image.size);
    let mut source = source::open(&layout.display().to_string()).unwrap();
    // Forgets the peak of making the layout (proc(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let mut out = Vec::new();
    let progress = &mut Progress::new(&mut out);
    let tally = stage::stage(&manifest, &mut *source, &mut disk, progress).unwrap();
    let peak = peak_kib();
    assert_eq!(tally.pieces, PIECES);
    assert!(peak < MOST_KIB, "{peak} KiB");
    assert!(!out.is_empty());
}

fn piece(number: u64) -> Vec<u8> {
    let mut piece = vec![0; FRAME_SIZE as usize];
    if number.is_multiple_of(4) {
        let mut state = number + 1;
        for byte in piece.iter_mut().step_by(2) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
    }
    piece
}

fn write_layout(root: &Path) -> BundleManifest {
    fs::create_dir_all(root.join(oci::BLOBS)).unwrap();
    let scratch = root.join("frames");
    let mut blob = BufWriter::new(File::create(&scratch).unwrap());
    let (mut image, mut all) = (Sha256::new(), Sha256::new());
    let frames = (0..PIECES).map(|number| {
        let piece = piece(number);
        let compressed = zstd::bulk::compress(&piece, 1).unwrap();
        blob.write_all(&compressed).unwrap();
        image.update(&piece);
        all.update(&compressed);
        Frame {
            compressed_size: compressed.len() as u32,
            compressed: Digest::of(&compressed),
            piece: Digest::of(&piece),
        }
    });
    let index = Index::new(frames.collect());
    blob.flush().unwrap();
    let content = |hash: Sha256, size| Content {
        digest: Digest::from_bytes(hash.finalize().into()),
        size,
    };
    let frames = content(all, index.compressed_size());
    fs::rename(scratch, root.join(oci::blob(&frames.digest))).unwrap();
    let (tree, root_hash) = tree();
    BundleManifest {
        schema: SchemaVersion,
        name: "lab".to_owned(),
        version: "1.0.1".to_owned(),
        profile: "min".to_owned(),
        minimum_version: None,
        expires: None,
        root_hash,
        root: RootContent {
            image: content(image, PIECES * u64::from(FRAME_SIZE)),
            frames,
            index: keep(root, &index.encode()),
        },
        verity: keep(root, &tree),
        uki: keep(root, &[&b"MZ"[..], &vec![7; 30 << 20]].concat()),
    }
}

fn tree() -> (Vec<u8>, Digest) {
    let superblock = Superblock {
        uuid: [1; 16],
        data_blocks: PIECES * u64::from(FRAME_SIZE) / BLOCK_SIZE as u64,
        salt: [2; 32],
    };
    let mut tree = superblock.encode().to_vec();
    tree.resize(2 * BLOCK_SIZE, 0);
    let block = [0; BLOCK_SIZE];
    (tree, verity::root_hash(&superblock.salt, &block))
}

fn keep(root: &Path, bytes: &[u8]) -> Content {
    let content = Content {
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
    };
    fs::write(root.join(oci::blob(&content.digest)), bytes).unwrap();
    content
}

fn target(directory: &Path, size: u64) -> Disk {
    let open = |name: &str, size| {
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true);
        let file = file.open(directory.join(name)).unwrap();
        file.set_len(size).unwrap();
        file
    };
    let esp = directory.join("esp");
    fs::create_dir(&esp).unwrap();
    Disk::new(
        open("root", size),
        open("tree", 1 << 20),
        None,
        Entries::Directory(esp),
        EntryName::fresh("lab", "1.0.0"),
    )
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.unwrap().parse().unwrap()
}
