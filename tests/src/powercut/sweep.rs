//! Every cut of a record.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use bedplate::sparse;
use bedplate_contract::layout;

use super::{
    disk::{Disk, TABLE, Undo},
    judge::{Judge, Verdict},
    log::{Entry, Log},
    record::{self, Recording},
};

/// Sectors are written whole or not at all.
const SECTOR: usize = 512;
/// Up to so many sectors, a write is torn between any two of them; a longer one in its middle.
const SMALL: usize = 16;

/// How thorough a sweep is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Of long writes, every so many are judged; of short ones, all.
    pub every: usize,
    /// How many of the disks are booted.
    pub boots: usize,
}

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Tally {
    /// Writes of the record.
    pub writes: usize,
    /// Cuts right after a write.
    pub prefixes: usize,
    /// Cuts within a write.
    pub torn: usize,
    /// Cuts that kept a write and lost those before it that were not flushed.
    pub reordered: usize,
    /// Disks that were like none before, and therefore judged.
    pub judged: usize,
    /// Disks that were booted.
    pub booted: usize,
    /// What was wrong where.
    pub failures: Vec<String>,
}

/// A disk in the middle of a sweep.
struct Sweep<'a> {
    judge: Judge,
    tally: Tally,
    options: Options,
    /// All that was written.
    working: Disk,
    /// All that was written before the last flush.
    durable: Disk,
    /// Written since.
    pending: Vec<(u64, Vec<u8>)>,
    sample: Sample<'a>,
}

/// The disks that are booted.
struct Sample<'a> {
    recording: &'a Recording,
    directory: &'a Path,
    /// Of so many writes that count, one is followed by a boot.
    step: usize,
    /// How many are booted at most.
    wanted: usize,
    seen: usize,
    kept: Vec<(String, PathBuf)>,
}

/// Cuts the power at every write of `recording`.
///
/// # Errors
/// The record cannot be read, or a tool not run; what is wrong with a disk is in the tally.
pub fn sweep(recording: &Recording, options: Options) -> Result<Tally> {
    let log = Log::open(&recording.log)?;
    let scratch = tempfile::tempdir()?;
    let directory = scratch.path();
    let working = Disk::copy(&recording.base, &directory.join("working.raw"))?;
    let expected = expected(&log, &working);
    let mut sweep = Sweep {
        judge: Judge::new(recording.promise, &recording.built, directory)?,
        tally: Tally::default(),
        durable: Disk::copy(&recording.base, &directory.join("durable.raw"))?,
        pending: Vec::new(),
        sample: Sample {
            recording,
            directory,
            step: (expected / options.boots.max(1)).max(1),
            wanted: options.boots,
            seen: 0,
            kept: Vec::new(),
        },
        working,
        options,
    };
    for (at, entry) in log.entries.iter().enumerate() {
        sweep.take(at, entry, &log)?;
    }
    sweep.tally.judged = sweep.judge.judged;
    sweep.boot()?;
    Ok(sweep.tally)
}

/// How many writes change what a boot depends on: from these the sample is taken evenly.
fn expected(log: &Log, disk: &Disk) -> usize {
    let counting = |entry: &&Entry| entry.writes() && counts(&disk.region(entry.offset));
    log.entries.iter().filter(counting).count()
}

/// Whether a boot depends on a partition from its first moment on: those are few writes.
fn counts(region: &str) -> bool {
    matches!(region, "esp" | "meta" | TABLE)
}

impl Sweep<'_> {
    fn take(&mut self, at: usize, entry: &Entry, log: &Log) -> Result<()> {
        if entry.flush {
            self.flush()?;
        }
        if !entry.writes() {
            return Ok(());
        }
        let bytes = log.bytes(entry)?;
        let region = self.working.region(entry.offset);
        let label = format!("write {at} to {region} at {:#x}", entry.offset);
        let judged = self.is_judged(&region, bytes.len());
        self.tally.writes += 1;
        if judged {
            self.tear(&label, entry.offset, &bytes)?;
            self.reorder(&label, entry.offset, &bytes)?;
        }
        self.working.write(entry.offset, &bytes)?;
        if judged {
            self.tally.prefixes += 1;
            let verdict = self.judge.judge(&self.working)?;
            self.note(&format!("after {label}"), verdict);
        }
        if counts(&region) {
            self.sample.consider(&label, &self.working)?;
        }
        if entry.fua {
            self.durable.write(entry.offset, &bytes)?;
        }
        self.pending.push((entry.offset, bytes));
        Ok(())
    }

    /// The state partition has a file system that repairs itself, and its loss no say in what boots.
    fn is_judged(&self, region: &str, length: usize) -> bool {
        let every = self.options.every.max(1);
        let short = length <= SMALL * SECTOR;
        region != layout::STATE.label && (short || self.tally.writes.is_multiple_of(every))
    }

    fn flush(&mut self) -> Result<()> {
        for (offset, bytes) in self.pending.drain(..) {
            self.durable.write(offset, &bytes)?;
        }
        Ok(())
    }

    /// A part of the write is on the medium, from either end.
    fn tear(&mut self, label: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let sectors = bytes.len() / SECTOR;
        let cuts: Vec<usize> = if sectors <= SMALL {
            (1..sectors).collect()
        } else {
            vec![sectors / 2]
        };
        for cut in cuts {
            let (front, back) = bytes.split_at(cut * SECTOR);
            let back_at = offset + front.len() as u64;
            for (part, at, end) in [(front, offset, "first"), (back, back_at, "last")] {
                self.tally.torn += 1;
                let undo = self.working.write(at, part)?;
                let verdict = self.judge.judge(&self.working)?;
                let kept = part.len() / SECTOR;
                self.note(
                    &format!("with the {end} {kept} of {sectors} sectors of {label}"),
                    verdict,
                );
                self.working.undo(undo)?;
            }
        }
        Ok(())
    }

    /// The write is on the medium, and those before it since the last flush are not.
    fn reorder(&mut self, label: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.tally.reordered += 1;
        let undo: Undo = self.durable.write(offset, bytes)?;
        let verdict = self.judge.judge(&self.durable)?;
        let lost = self.pending.len();
        self.note(
            &format!("without the {lost} unflushed before {label}"),
            verdict,
        );
        self.durable.undo(undo)
    }

    fn note(&mut self, label: &str, verdict: Verdict) {
        if let Err(fault) = verdict {
            self.tally.failures.push(format!("{label}: {fault}"));
        }
    }

    /// Boots the sample, each to healthy.
    fn boot(&mut self) -> Result<()> {
        for (label, disk) in std::mem::take(&mut self.sample.kept) {
            self.tally.booted += 1;
            let booted = record::boots(self.sample.recording, &disk)?;
            self.note(&format!("booted after {label}"), booted);
        }
        Ok(())
    }
}

impl Sample<'_> {
    fn consider(&mut self, label: &str, disk: &Disk) -> Result<()> {
        self.seen += 1;
        if (self.seen + self.step / 2).is_multiple_of(self.step) && self.kept.len() < self.wanted {
            self.keep(label, disk)?;
        }
        Ok(())
    }

    fn keep(&mut self, label: &str, disk: &Disk) -> Result<()> {
        let to = self.directory.join(format!("boot-{}.raw", self.kept.len()));
        sparse::copy(&disk.path, &to)?;
        self.kept.push((label.to_owned(), to));
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in [
            ("writes recorded", self.writes),
            ("cuts after a write", self.prefixes),
            ("cuts within a write", self.torn),
            ("cuts that lost what was unflushed", self.reordered),
            ("different disks judged", self.judged),
            ("disks booted", self.booted),
            ("failures", self.failures.len()),
        ] {
            writeln!(f, "{what:<34} {count:>7}")?;
        }
        for failure in &self.failures {
            writeln!(f, "  {failure}")?;
        }
        Ok(())
    }
}
