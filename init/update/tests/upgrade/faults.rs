//! A run that ends at its n-th effect, for every n, and the run after it.

use std::{ops::Range, path::Path};

use bedplate_contract::{Digest, EntryName};
use bedplate_init::esp::HEAD;
use bedplate_update::{
    source::{Local, Source, SourceError},
    stage::{Disk, Part, StageError, Tally, Target, TargetError},
};

use crate::{
    layout::{Layout, PIECES},
    machine::{Machine, run},
};

/// Effects that are left; at the end of them everything fails.
pub struct Fuse {
    left: usize,
    pub used: usize,
}

impl Fuse {
    pub fn after(effects: usize) -> Self {
        Self {
            left: effects,
            used: 0,
        }
    }

    /// Whether this effect still happens.
    pub fn burn(&mut self) -> bool {
        self.used += 1;
        let lives = self.left > 0;
        self.left = self.left.saturating_sub(1);
        lives
    }
}

/// A target whose fuse burns with each effect; the write at its end is done by half.
struct Faulty {
    disk: Disk,
    fuse: Fuse,
}

impl Faulty {
    fn burn(&mut self) -> Result<(), TargetError> {
        match self.fuse.burn() {
            true => Ok(()),
            false => Err(TargetError::NoEntry),
        }
    }
}

impl Target for Faulty {
    fn clear_entries(&mut self) -> Result<(), TargetError> {
        self.burn()?;
        self.disk.clear_entries()
    }
    fn read(&mut self, part: Part, at: u64, buffer: &mut [u8]) -> Result<(), TargetError> {
        self.burn()?;
        self.disk.read(part, at, buffer)
    }
    fn read_active(&mut self, at: u64, buffer: &mut [u8]) -> bool {
        self.disk.read_active(at, buffer)
    }
    fn write(&mut self, part: Part, at: u64, bytes: &[u8]) -> Result<(), TargetError> {
        let burnt = self.burn();
        let bytes = match burnt {
            Ok(()) => bytes,
            Err(_) => &bytes[..bytes.len() / 2],
        };
        self.disk.write(part, at, bytes)?;
        burnt
    }
    fn flush(&mut self, part: Part) -> Result<(), TargetError> {
        self.burn()?;
        self.disk.flush(part)
    }
    fn begin_entry(&mut self, name: &EntryName) -> Result<(), TargetError> {
        self.burn()?;
        self.disk.begin_entry(name)
    }
    fn commit_entry(&mut self, head: &[u8; HEAD]) -> Result<(), TargetError> {
        self.burn()?;
        self.disk.commit_entry(head)
    }
}

/// A source whose fuse burns with each read, and that counts what it gave.
struct Counting {
    local: Local,
    fuse: Fuse,
    given: u64,
}

fn source(root: &Path, reads: usize) -> Counting {
    Counting {
        local: Local::open(root).unwrap(),
        fuse: Fuse::after(reads),
        given: 0,
    }
}

impl Source for Counting {
    fn document(&mut self, path: &str, most: usize) -> Result<Vec<u8>, SourceError> {
        self.local.document(path, most)
    }
    fn open(&mut self, blob: &Digest, range: Range<u64>) -> Result<(), SourceError> {
        self.local.open(blob, range)
    }
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), SourceError> {
        if !self.fuse.burn() {
            return Err(SourceError::Missing("cut".to_owned()));
        }
        self.given += buffer.len() as u64;
        self.local.read(buffer)
    }
}

fn layout() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::write(directory.path(), 1);
    (directory, layout)
}

fn finish(machine: &Machine, layout: &Layout, when: &str) -> Tally {
    let expected = machine.missing(layout);
    let mut source = source(&layout.root, usize::MAX);
    let tally = run(&layout.manifest, &mut source, &mut machine.disk());
    let tally = tally.unwrap_or_else(|error| panic!("{when}: {error}"));
    assert_eq!(
        tally.fetched, expected,
        "{when}: what is there is not fetched"
    );
    assert_eq!(source.given, expected, "{when}");
    machine.assert_staged(layout, when);
    tally
}

#[test]
fn a_bundle_is_staged() {
    let (_directory, layout) = layout();
    let machine = Machine::new();
    let tally = finish(&machine, &layout, "first");
    // The piece that all versions share comes from the running slot.
    assert_eq!((tally.pieces, tally.reused), (PIECES as u64, 1));
    let written = layout.image.len() + layout.tree.len() + layout.uki.len();
    assert_eq!(tally.written, written as u64);
    let again = finish(&machine, &layout, "again");
    assert_eq!(again.reused, again.pieces);
    assert_eq!(again.written, layout.manifest.uki.size);
}

#[test]
fn the_next_version_replaces_what_was_staged() {
    let (_directory, layout) = layout();
    let machine = Machine::new();
    finish(&machine, &layout, "first");
    let next = tempfile::tempdir().unwrap();
    let next = Layout::write(next.path(), 2);
    let tally = run(
        &next.manifest,
        &mut source(&next.root, usize::MAX),
        &mut machine.disk(),
    );
    assert_eq!(tally.unwrap().reused, 1);
    machine.assert_staged(&next, "next");
}

#[test]
fn a_run_that_ends_anywhere_is_gone_on_with() {
    let (_directory, layout) = layout();
    let mut cuts = 0;
    for effects in 0.. {
        let machine = Machine::new();
        let mut target = Faulty {
            disk: machine.disk(),
            fuse: Fuse::after(effects),
        };
        let mut whole = source(&layout.root, usize::MAX);
        let ended = run(&layout.manifest, &mut whole, &mut target);
        drop(target);
        let when = format!("after {effects} effects");
        machine.assert_safe(&layout, &when);
        let Err(error) = ended else {
            break;
        };
        assert!(matches!(error, StageError::Target(_)), "{when}: {error}");
        finish(&machine, &layout, &when);
        cuts += 1;
    }
    assert!(cuts > 4 * PIECES, "{cuts} effects");
}

#[test]
fn a_source_that_ends_anywhere_is_gone_on_with() {
    let (_directory, layout) = layout();
    let mut cuts = 0;
    for reads in 0.. {
        let machine = Machine::new();
        let mut cut = source(&layout.root, reads);
        let ended = run(&layout.manifest, &mut cut, &mut machine.disk());
        let when = format!("after {reads} reads");
        machine.assert_safe(&layout, &when);
        if ended.is_ok() {
            break;
        }
        // A source is asked for its index before anything is cleared.
        if reads == 0 {
            assert_eq!(machine.entries().len(), 3);
        }
        finish(&machine, &layout, &when);
        cuts += 1;
    }
    assert!(cuts > PIECES, "{cuts} reads");
}

#[test]
fn changed_bytes_are_refused_wherever_they_are() {
    let (_directory, layout) = layout();
    let manifest = &layout.manifest;
    for (content, what) in [
        (&manifest.root.index, "fetching the frame index"),
        (&manifest.root.frames, "fetching the root image"),
        (
            &manifest.verity,
            "the verity partition gives back other bytes",
        ),
        (&manifest.uki, "fetching the UKI"),
    ] {
        let machine = Machine::new();
        let path = crate::machine::blob(&layout.root, &content.digest);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let mut source = source(&layout.root, usize::MAX);
        let error = run(manifest, &mut source, &mut machine.disk()).unwrap_err();
        assert!(error.to_string().starts_with(what), "{error}");
        machine.assert_safe(&layout, what);
        std::fs::write(&path, &good).unwrap();
        finish(&machine, &layout, what);
    }
}
