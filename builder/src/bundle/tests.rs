//! A bundle of made-up artifacts, read back as a host reads it and by zstd.

use std::{fs, io::Read, path::Path};

use bedplate_contract::{Digest, frames::Index, oci as host};

use super::*;
use crate::{disk::tests::make_artifacts, oci::Layout};

/// Makes the artifacts of a disk with a root of `blocks` blocks, and the bundle of them, both below
/// `directory`; returns where the bundle lies.
pub fn make(directory: &Path, version: &str, blocks: usize) -> std::path::PathBuf {
    let [disk, to] = ["disk", "bundle"].map(|name| directory.join(name));
    fs::create_dir_all(&disk).unwrap();
    make_artifacts(&disk, version, blocks);
    let facts = ImageFacts {
        name: "hello".to_owned(),
        version: version.to_owned(),
        profile: "min".to_owned(),
        summary: String::new(),
        driver: None,
    };
    let request = BundleRequest {
        facts: &facts,
        update: &Update::default(),
        disk: &disk,
    };
    build(&request, &to).unwrap();
    to
}

#[test]
fn a_host_finds_everything_by_digest() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = make(directory.path(), "1.0", 600);
    let text = fs::read(bundle.join(host::INDEX)).unwrap();
    let index: host::Index = serde_json::from_slice(&text).unwrap();
    let [only] = &index.manifests[..] else {
        panic!("one manifest")
    };
    assert_eq!(only.artifact_type.as_deref(), Some(bundle::ARTIFACT));
    assert_eq!(only.annotation(annotation::PROFILE), Some("min"));
    let layout = Layout::open(&bundle).unwrap();
    let [stored] = &stored(&layout).unwrap()[..] else {
        panic!("one bundle")
    };
    let manifest = &stored.manifest;
    assert_eq!(stored.title(), "hello 1.0 for min");
    let parts = [
        &manifest.root.frames,
        &manifest.root.index,
        &manifest.verity,
    ];
    for part in parts.into_iter().chain([&manifest.uki]) {
        let bytes = fs::read(bundle.join(host::blob(&part.digest))).unwrap();
        assert_eq!(Digest::of(&bytes), part.digest);
        assert_eq!(bytes.len() as u64, part.size);
    }
}

#[test]
fn the_frames_are_a_zstd_file_of_the_root() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = make(directory.path(), "1.0", 600);
    let layout = Layout::open(&bundle).unwrap();
    let manifest = stored(&layout).unwrap().remove(0).manifest;
    let root = fs::read(directory.path().join("disk/root.erofs")).unwrap();
    let blob = |content: &Content| fs::read(bundle.join(host::blob(&content.digest))).unwrap();
    let frames = blob(&manifest.root.frames);
    let mut whole = Vec::new();
    let mut decoder = zstd::Decoder::new(&frames[..]).unwrap();
    decoder.read_to_end(&mut whole).unwrap();
    assert!(whole == root);
    let index = Index::parse(&blob(&manifest.root.index)).unwrap();
    assert_eq!(index.compressed_size(), manifest.root.frames.size);
    // 600 blocks are two whole pieces and a third.
    assert_eq!(index.len(), 3);
    for span in index.spans() {
        let (at, size) = (span.compressed_offset as usize, span.frame.compressed_size);
        let frame = &frames[at..at + size as usize];
        assert_eq!(Digest::of(frame), span.frame.compressed);
        let piece = zstd::bulk::decompress(frame, index.frame_size() as usize).unwrap();
        let start = span.offset as usize;
        assert!(piece == root[start..start + piece.len()]);
    }
}

#[test]
fn equal_artifacts_give_equal_bytes_on_any_number_of_cores() {
    let made = [1, 3].map(|cores| {
        let directory = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(cores);
        let pool = pool.build().unwrap();
        let bundle = pool.install(|| make(directory.path(), "1.0", 600));
        let mut names: Vec<_> = fs::read_dir(bundle.join(host::BLOBS))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        (names, fs::read(bundle.join(host::INDEX)).unwrap())
    });
    assert_eq!(made[0], made[1]);
}

/// Names the artifact of `manifest` in the layout instead of the one that it has.
pub fn rewrite(layout: &Path, manifest: &BundleManifest) {
    let layout = LayoutDirectory::create(layout).unwrap();
    let descriptor = put_artifact(&layout, manifest).unwrap();
    layout.save_index(vec![descriptor]).unwrap();
}
