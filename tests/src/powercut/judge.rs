//! Whether a disk boots a blessed version, whatever happens: asked of mtools, goblin and veritysetup.
//!
//! The verdict is good when the entry that the loader would start is a whole UKI whose root hash is
//! that of a slot that verifies, and the entry is blessed, or has tries left and stands before a
//! blessed entry of which all that is true as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bedplate_contract::{Digest, layout, meta};

use super::{
    disk::{Disk, TABLE},
    loader,
    uki::{self, Uki},
};
use crate::{disk::Table, esp, toolbox};

/// Whether a disk must hold a blessed version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It has been blessed once: from then on there is always one.
    Blessed,
    /// Fresh from the builder, until its first boot is over: its one version may be on trial.
    Fresh,
}

/// Judges disks, and remembers what it has judged.
#[derive(Debug)]
pub struct Judge {
    promise: Promise,
    /// Digests of the UKIs that were built: one that is none of them is not whole.
    built: BTreeSet<Digest>,
    scratch: PathBuf,
    /// By the mark of the ESP.
    listed: BTreeMap<u64, Result<Vec<Entry>, String>>,
    /// By slot, its marks, and root hash.
    verified: BTreeMap<(&'static str, u64, u64, String), bool>,
    /// By the marks of everything that counts.
    verdicts: BTreeMap<Vec<u64>, Verdict>,
    /// How many disks were judged that were like none before.
    pub judged: usize,
}

/// Good, or what is wrong.
pub type Verdict = Result<(), String>;

/// An entry that the loader lists.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    uki: Uki,
    /// Whether its bytes are those of a UKI that was built.
    whole: bool,
}

const SLOTS: [(&str, &str); 2] = [("slot-a", "slot-a-verity"), ("slot-b", "slot-b-verity")];

impl Judge {
    /// A judge that knows the UKIs in the files `built`, and works in the directory `scratch`.
    ///
    /// # Errors
    /// A UKI cannot be read.
    pub fn new(promise: Promise, built: &[PathBuf], scratch: &Path) -> Result<Self> {
        let digest = |path: &PathBuf| {
            let bytes = fs::read(path).with_context(|| format!("reading `{}`", path.display()))?;
            anyhow::Ok(Digest::of(&bytes))
        };
        Ok(Self {
            promise,
            built: built.iter().map(digest).collect::<Result<_>>()?,
            scratch: scratch.to_owned(),
            listed: BTreeMap::new(),
            verified: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            judged: 0,
        })
    }

    /// Whether `disk` boots.
    ///
    /// # Errors
    /// A tool cannot be run: there is no verdict then.
    pub fn judge(&mut self, disk: &Disk) -> Result<Verdict> {
        let partitions = layout::PARTITIONS.iter().map(|partition| partition.label);
        let counting = partitions.filter(|label| *label != layout::STATE.label);
        let counting = counting.chain([TABLE]);
        let marks: Vec<u64> = counting.map(|label| disk.mark(label)).collect();
        if let Some(known) = self.verdicts.get(&marks) {
            return Ok(known.clone());
        }
        self.judged += 1;
        let mut verdict = self.boots(disk)?;
        if verdict.is_ok() {
            verdict = record(disk, self.promise)?;
        }
        if verdict.is_ok() {
            verdict = table(disk)?;
        }
        self.verdicts.insert(marks, verdict.clone());
        Ok(verdict)
    }

    fn boots(&mut self, disk: &Disk) -> Result<Verdict> {
        let entries = match self.list(disk)? {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error)),
        };
        let Some((first, others)) = entries.split_first() else {
            return Ok(Err("the loader finds no entry".to_owned()));
        };
        if let Err(fault) = self.starts(disk, first)? {
            return Ok(Err(format!("the loader starts {fault}")));
        }
        match loader::tries(&first.uki.seen.file) {
            None => Ok(Ok(())),
            Some((0, _)) => Ok(Err(format!(
                "only bad entries, of which {} is first",
                first.uki.seen.file
            ))),
            Some(_) => self.falls_back(disk, first, others),
        }
    }

    /// What follows the last try of `first`.
    fn falls_back(&mut self, disk: &Disk, first: &Entry, others: &[Entry]) -> Result<Verdict> {
        let blessed = |entry: &&Entry| loader::tries(&entry.uki.seen.file).is_none();
        let trial = &first.uki.seen.file;
        match others.iter().find(blessed) {
            None if self.promise == Promise::Fresh => Ok(Ok(())),
            None => Ok(Err(format!(
                "{trial} is tried, and no blessed entry would follow"
            ))),
            Some(next) => {
                let starts = self.starts(disk, next)?;
                Ok(starts.map_err(|fault| format!("{trial} is tried, and then {fault}")))
            }
        }
    }

    /// Whether an entry comes to a verified root.
    fn starts(&mut self, disk: &Disk, entry: &Entry) -> Result<Verdict> {
        let Uki {
            seen,
            root_hash,
            faults,
        } = &entry.uki;
        let fault = |text: String| Ok(Err(format!("{}: {text}", seen.file)));
        let Some(root_hash) = root_hash else {
            return fault(format!("no root hash; {}", faults.join(", ")));
        };
        if !faults.is_empty() {
            return fault(faults.join(", "));
        }
        if !entry.whole {
            return fault("the bytes are those of no UKI that was built".to_owned());
        }
        for (data, tree) in SLOTS {
            let key = (data, disk.mark(data), disk.mark(tree), root_hash.clone());
            let known = self.verified.get(&key).copied();
            let good = match known {
                Some(good) => good,
                None => verify(disk, (data, tree), root_hash, &self.scratch)?,
            };
            self.verified.insert(key, good);
            if good {
                return Ok(Ok(()));
            }
        }
        fault(format!("no slot verifies with root hash {root_hash}"))
    }

    /// The entries in the loader's order.
    fn list(&mut self, disk: &Disk) -> Result<Result<Vec<Entry>, String>> {
        let mark = disk.mark(layout::ESP.label);
        if let Some(known) = self.listed.get(&mark) {
            return Ok(known.clone());
        }
        let entries = self.read_entries(disk)?;
        self.listed.insert(mark, entries.clone());
        Ok(entries)
    }

    fn read_entries(&self, disk: &Disk) -> Result<Result<Vec<Entry>, String>> {
        let names = match esp::entries(&disk.path) {
            Ok(names) => names,
            Err(error) => return Ok(Err(format!("the ESP cannot be listed: {error:#}"))),
        };
        let mut entries = Vec::new();
        for name in names {
            let bytes = self.read_file(disk, &name)?;
            let listed = bytes.and_then(|bytes| {
                let uki = uki::read(&name, &bytes)?;
                let whole = self.built.contains(&Digest::of(&bytes));
                Some(Entry { uki, whole })
            });
            entries.extend(listed);
        }
        entries.sort_by(|one, other| loader::order(&one.uki.seen, &other.uki.seen));
        Ok(Ok(entries))
    }

    /// A file of the ESP; none where its chain of clusters leads nowhere.
    fn read_file(&self, disk: &Disk, name: &str) -> Result<Option<Vec<u8>>> {
        let to = self.scratch.join("uki");
        let target = to.to_str().context("a path in UTF-8")?;
        let image = esp::image(&disk.path);
        let source = format!("::EFI/Linux/{name}");
        let said = toolbox::run(&["mcopy", "-n", "-o", "-i", &image, &source, target])?;
        match fs::read(&to) {
            Ok(bytes) if said.code == 0 => fs::remove_file(&to)
                .map(|()| Some(bytes))
                .map_err(Into::into),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(None),
        }
    }
}

/// Whether a slot verifies, as veritysetup says.
fn verify(
    disk: &Disk,
    (data, tree): (&str, &str),
    root_hash: &str,
    scratch: &Path,
) -> Result<bool> {
    let paths = [(data, "data"), (tree, "tree")].map(|(partition, name)| {
        let to = scratch.join(name);
        extract(disk, partition, &to)?;
        anyhow::Ok(to.to_str().context("a path in UTF-8")?.to_owned())
    });
    let [data, tree] = paths;
    let said = toolbox::run(&["veritysetup", "verify", &data?, &tree?, root_hash])?;
    Ok(said.code == 0)
}

fn extract(disk: &Disk, partition: &str, to: &Path) -> Result<()> {
    let range = disk.table.range(partition)?;
    let mut bytes = vec![0; usize::try_from(range.end - range.start)?];
    File::open(&disk.path)?.read_exact_at(&mut bytes, range.start)?;
    Ok(fs::write(to, bytes)?)
}

/// The boot record: once there is one, one of its copies is whole.
fn record(disk: &Disk, promise: Promise) -> Result<Verdict> {
    let start = disk.table.range(layout::META.label)?.start;
    let file = File::open(&disk.path)?;
    let mut copies = [[0; meta::RECORD_SIZE]; 2];
    for (copy, offset) in copies.iter_mut().zip(meta::RECORD_OFFSETS) {
        file.read_exact_at(copy, start + offset)?;
    }
    let [first, second] = &copies;
    let whole = meta::newest_record([first, second]).is_some();
    // The very first write of all has no copy to fall back on, and needs none: nothing is remembered.
    let blank = copies.iter().any(|copy| copy.iter().all(|byte| *byte == 0));
    let first_write = promise == Promise::Fresh && blank;
    match whole || first_write {
        true => Ok(Ok(())),
        false => Ok(Err("neither copy of the boot record is whole".to_owned())),
    }
}

/// The partition table: whatever is lost of one copy, the other has all but the size of state.
fn table(disk: &Disk) -> Result<Verdict> {
    if disk.mark(TABLE) == 0 {
        return Ok(Ok(()));
    }
    let found = match Table::read(&disk.path) {
        Ok(found) => found,
        Err(error) => return Ok(Err(format!("no partition table: {error:#}"))),
    };
    for partition in layout::PARTITIONS {
        let label = partition.label;
        let (found, expected) = (found.range(label), disk.table.range(label)?);
        let same = found.is_ok_and(|found| {
            found == expected || (label == layout::STATE.label && found.start == expected.start)
        });
        if !same {
            return Ok(Err(format!("the partition table has lost `{label}`")));
        }
    }
    Ok(Ok(()))
}
