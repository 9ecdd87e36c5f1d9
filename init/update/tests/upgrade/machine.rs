//! A machine of plain files: version 1.0.0 runs from slot a, slot b holds something old.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use bedplate_contract::{BundleManifest, Digest, EntryName, control::BootState, oci};
use bedplate_init::esp;
use bedplate_update::{
    admission::{Facts, Inactive},
    progress::Progress,
    source::Source,
    stage::{self, Disk, Entries, StageError, Tally, Target},
};

use crate::layout::{Layout, image, noise};

/// Bytes of the slot's partitions: more than any image here.
const ROOT: usize = 160 << 10;
const TREE: usize = 16 << 10;

/// Its files.
pub struct Machine {
    directory: tempfile::TempDir,
}

impl Machine {
    /// A machine whose other slot and entry are those of a version from before.
    pub fn new() -> Self {
        let machine = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(machine.esp()).unwrap();
        for (name, bytes) in [
            ("active", image(0)),
            ("root", noise(50, ROOT)),
            ("tree", noise(51, TREE)),
            ("esp/lab_1.0.0.efi", b"MZ running".to_vec()),
            ("esp/lab_0.9.efi", b"MZ before".to_vec()),
            ("esp/lab_0.9+1-2.efi", b"MZ before".to_vec()),
        ] {
            fs::write(machine.path(name), bytes).unwrap();
        }
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn esp(&self) -> PathBuf {
        self.path("esp")
    }

    pub fn running() -> EntryName {
        EntryName::fresh("lab", "1.0.0")
    }

    pub fn disk(&self) -> Disk {
        let open = |name| {
            let mut options = File::options();
            options
                .read(true)
                .write(true)
                .open(self.path(name))
                .unwrap()
        };
        Disk::new(
            open("root"),
            open("tree"),
            Some(open("active")),
            Entries::Directory(self.esp()),
            Self::running(),
        )
    }

    pub fn facts() -> Facts {
        Facts {
            now: 0,
            name: "lab".to_owned(),
            version: "1.0.0".to_owned(),
            profile: "min".to_owned(),
            boot: BootState::Healthy,
            quarantine: vec![],
            blessed: None,
            inactive: Inactive {
                letter: "b",
                root_hash: None,
                root: ROOT as u64,
                tree: TREE as u64,
            },
            esp: 1 << 20,
        }
    }

    /// What the loader could start, sorted.
    pub fn entries(&self) -> Vec<String> {
        let entries = esp::list(&self.esp()).unwrap();
        entries.iter().map(EntryName::to_string).collect()
    }

    /// Whether the slot holds the bundle, every byte of it.
    pub fn holds(&self, layout: &Layout) -> bool {
        let starts = |name, bytes: &[u8]| fs::read(self.path(name)).unwrap().starts_with(bytes);
        starts("root", &layout.image) && starts("tree", &layout.tree)
    }

    /// The promise at every point: what runs can boot, and nothing boots that is not whole.
    pub fn assert_safe(&self, layout: &Layout, when: &str) {
        let running = fs::read(self.path("esp/lab_1.0.0.efi")).unwrap();
        assert_eq!(running, b"MZ running", "{when}");
        let entries = self.entries();
        let new = format!("lab_{}+3.efi", layout.manifest.version);
        if entries.contains(&new) {
            assert!(
                self.holds(layout),
                "{when}: an entry for a slot that is not whole"
            );
            let uki = fs::read(self.esp().join(&new)).unwrap();
            assert!(uki == layout.uki, "{when}: an entry that is not whole");
        }
        // The old entry may be there only as long as its slot is as it was.
        if entries.iter().any(|entry| entry.starts_with("lab_0.9")) {
            assert!(
                fs::read(self.path("root")).unwrap() == noise(50, ROOT),
                "{when}"
            );
            assert!(
                fs::read(self.path("tree")).unwrap() == noise(51, TREE),
                "{when}"
            );
        }
    }

    /// The promise at the end.
    pub fn assert_staged(&self, layout: &Layout, when: &str) {
        self.assert_safe(layout, when);
        let new = format!("lab_{}+3.efi", layout.manifest.version);
        assert_eq!(self.entries(), ["lab_1.0.0.efi".to_owned(), new], "{when}");
    }

    /// Bytes that a run has to fetch now, given what the slots hold.
    pub fn missing(&self, layout: &Layout) -> u64 {
        let manifest = &layout.manifest;
        let slot = fs::read(self.path("root")).unwrap();
        let active = fs::read(self.path("active")).unwrap();
        let pieces = layout.index.spans().filter(|span| {
            let from = span.offset as usize;
            let to = (from + layout.index.frame_size() as usize).min(layout.image.len());
            let holds = |bytes: &[u8]| {
                let piece = bytes.get(from..to);
                piece.is_some_and(|piece| Digest::of(piece) == span.frame.piece)
            };
            !holds(&slot) && !holds(&active)
        });
        let frames: u64 = pieces
            .map(|span| u64::from(span.frame.compressed_size))
            .sum();
        let tree = fs::read(self.path("tree"))
            .unwrap()
            .starts_with(&layout.tree);
        let tree = if tree { 0 } else { manifest.verity.size };
        manifest.root.index.size + frames + tree + manifest.uki.size
    }
}

/// Stages the bundle, telling nobody.
pub fn run(
    manifest: &BundleManifest,
    source: &mut dyn Source,
    target: &mut dyn Target,
) -> Result<Tally, StageError> {
    let mut out = std::io::sink();
    stage::stage(manifest, source, target, &mut Progress::new(&mut out))
}

/// The blob at its place in the layout.
pub fn blob(root: &Path, digest: &Digest) -> PathBuf {
    root.join(oci::blob(digest))
}
