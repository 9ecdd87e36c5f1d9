//! The directory of entries: listed, renamed, cleared, measured.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use bedplate_contract::EntryName;
use bedplate_sys::file;

use super::EspError;
use crate::durable;

/// How every UKI begins (PE/COFF, MS-DOS stub).
const MAGIC: &[u8; 2] = b"MZ";

/// An entry's name before and after; the same where nothing was left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// As it was found.
    pub before: EntryName,
    /// As it is now.
    pub after: EntryName,
}

/// A file with the name of an entry.
struct Found {
    name: EntryName,
    size: u64,
    whole: bool,
}

/// The names of all entries in `directory`, sorted. Names of others are none of ours.
///
/// # Errors
/// [`EspError::List`].
pub fn list(directory: &Path) -> Result<Vec<EntryName>, EspError> {
    let found = find(directory)?.into_iter().filter(|found| found.whole);
    Ok(found.map(|found| found.name).collect())
}

fn find(directory: &Path) -> Result<Vec<Found>, EspError> {
    let read = fs::read_dir(directory).and_then(|entries| {
        let found = entries.map(|entry| read_entry(&entry?));
        found.filter_map(Result::transpose).collect()
    });
    let mut found: Vec<Found> = read.map_err(|source| EspError::List {
        directory: directory.to_owned(),
        source,
    })?;
    found.sort_by_key(|found| found.name.to_string());
    Ok(found)
}

fn read_entry(entry: &fs::DirEntry) -> io::Result<Option<Found>> {
    let name = entry.file_name();
    let name = name.to_str().and_then(|name| name.parse().ok());
    let metadata = entry.metadata()?;
    let Some(name) = name.filter(|_| metadata.is_file()) else {
        return Ok(None);
    };
    Ok(Some(Found {
        name,
        size: metadata.len(),
        // What cannot be read boots no more than what is half written, and hides no other entry.
        whole: has_magic(&entry.path()).unwrap_or(false),
    }))
}

fn has_magic(path: &Path) -> io::Result<bool> {
    let mut head = [0; MAGIC.len()];
    File::open(path)?.read_exact(&mut head)?;
    Ok(head == *MAGIC)
}

/// See [`super::bless`].
pub fn bless(directory: &Path, wanted: &EntryName) -> Result<Renamed, EspError> {
    let found = names_of(directory, wanted)?;
    let done = found.iter().find(|name| name.counter.is_none());
    let before = done.or(found.first());
    let before = before.ok_or_else(|| no_entry(directory, wanted))?;
    let renamed = Renamed {
        before: before.clone(),
        after: before.blessed(),
    };
    move_entry(directory, &renamed)?;
    Ok(renamed)
}

/// Gives the entry all its tries, whatever became of them before.
pub fn renew(directory: &Path, wanted: &EntryName) -> Result<Renamed, EspError> {
    let fresh = EntryName::fresh(&wanted.name, &wanted.version);
    let found = names_of(directory, wanted)?;
    let done = found.iter().find(|name| **name == fresh);
    let before = done.or(found.first());
    let before = before.ok_or_else(|| no_entry(directory, wanted))?;
    let renamed = Renamed {
        before: before.clone(),
        after: fresh,
    };
    move_entry(directory, &renamed)?;
    Ok(renamed)
}

/// See [`super::mark_bad`].
pub fn mark_bad(directory: &Path, wanted: &EntryName) -> Result<Renamed, EspError> {
    let mut taken = names_of(directory, wanted)?;
    let mut first = None;
    for before in taken.clone() {
        let after = free_bad_name(&before, &taken);
        let renamed = Renamed { before, after };
        // A crash between two names leaves the second its tries; the machine has not rebooted by
        // its own will then, so the boot that follows counts like any other.
        move_entry(directory, &renamed)?;
        taken.retain(|name| *name != renamed.before);
        taken.push(renamed.after.clone());
        first.get_or_insert(renamed);
    }
    first.ok_or_else(|| no_entry(directory, wanted))
}

/// The bad name of `before` that no other file has: FAT's rename removes a file in the way and
/// with it, if that is the other name of a pair, the clusters of both.
fn free_bad_name(before: &EntryName, taken: &[EntryName]) -> EntryName {
    let mut after = before.bad();
    while after != *before && taken.contains(&after) {
        if let Some(counter) = &mut after.counter {
            counter.done = counter.done.saturating_add(1);
        }
    }
    after
}

fn names_of(directory: &Path, wanted: &EntryName) -> Result<Vec<EntryName>, EspError> {
    let mut found = list(directory)?;
    found.retain(|name| name.same_entry(wanted));
    Ok(found)
}

fn no_entry(directory: &Path, wanted: &EntryName) -> EspError {
    EspError::NoEntry {
        wanted: wanted.blessed().to_string(),
        directory: directory.to_owned(),
    }
}

fn move_entry(directory: &Path, names: &Renamed) -> Result<(), EspError> {
    if names.before == names.after {
        return Ok(());
    }
    let (from, to) = (names.before.to_string(), names.after.to_string());
    let target = directory.join(&to);
    let moved = fs::rename(directory.join(&from), &target);
    let durable = moved.and_then(|()| durable::sync_parent(&target));
    durable.map_err(|source| EspError::Rename { from, to, source })
}

/// Removes every entry but those of `keep`'s name and version, half-written ones too; returns what
/// it removed.
///
/// # Errors
/// [`EspError::List`], [`EspError::Entry`].
pub fn clear_others(directory: &Path, keep: &EntryName) -> Result<Vec<EntryName>, EspError> {
    clear(directory, |found| !found.name.same_entry(keep))
}

/// Removes what [`clear_others`] does, but for entries that boot without being on trial, which are
/// what the machine falls back to, and for bad ones, which tell PID 1 what failed.
///
/// # Errors
/// As [`clear_others`].
pub fn clear_staged(directory: &Path, keep: &EntryName) -> Result<Vec<EntryName>, EspError> {
    clear(directory, |found| {
        let trial = found.name.counter.is_some_and(|counter| counter.left > 0);
        !found.name.same_entry(keep) && (trial || !found.whole)
    })
}

fn clear(directory: &Path, unwanted: impl Fn(&Found) -> bool) -> Result<Vec<EntryName>, EspError> {
    let mut found = find(directory)?;
    found.retain(|found| unwanted(found));
    for found in &found {
        // A crash between two removals leaves entries of a slot that nobody has written to yet:
        // they boot. Of a pair it leaves a name whose clusters are free; nothing takes them before
        // the next run has removed that name too.
        remove(directory, &found.name)?;
    }
    Ok(found.into_iter().map(|found| found.name).collect())
}

fn remove(directory: &Path, name: &EntryName) -> Result<(), EspError> {
    let path = directory.join(name.to_string());
    let removed = fs::remove_file(&path).and_then(|()| durable::sync_parent(&path));
    removed.map_err(|source| EspError::Entry {
        what: "removing",
        entry: name.to_string(),
        source,
    })
}

/// Bytes that an entry may have once all but those of `keep` are cleared.
///
/// # Errors
/// [`EspError::List`].
pub fn room(directory: &Path, keep: &EntryName) -> Result<u64, EspError> {
    let space = file::space(directory).map_err(|source| EspError::List {
        directory: directory.to_owned(),
        source,
    })?;
    let mut others = find(directory)?;
    others.retain(|found| !found.name.same_entry(keep));
    // The names of one version share their clusters, which become free once.
    others.dedup_by(|a, b| a.name.same_entry(&b.name));
    let freed = others.iter().map(|found| round_up(found.size, space.unit));
    Ok(freed.fold(space.free, u64::saturating_add))
}

fn round_up(size: u64, unit: u64) -> u64 {
    size.checked_next_multiple_of(unit).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let found = list(directory).unwrap();
        found.iter().map(EntryName::to_string).collect()
    }

    fn esp(entries: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in entries {
            fs::write(directory.path().join(name), "MZ and more").unwrap();
        }
        directory
    }

    fn version(version: &str) -> EntryName {
        EntryName::fresh("a", version)
    }

    #[test]
    fn a_life_on_the_esp() {
        let directory = esp(&["a_1+2-1.efi", "a_2+3.efi", "b_1.efi", "other.txt"]);
        let path = directory.path();
        let blessed = bless(path, &version("1")).unwrap();
        assert_eq!(blessed.before.to_string(), "a_1+2-1.efi");
        assert_eq!(names(path), ["a_1.efi", "a_2+3.efi", "b_1.efi"]);
        let again = bless(path, &version("1")).unwrap();
        assert_eq!(again.before, again.after);
        let bad = mark_bad(path, &version("2")).unwrap();
        assert_eq!(bad.after.to_string(), "a_2+0.efi");
        assert_eq!(names(path), ["a_1.efi", "a_2+0.efi", "b_1.efi"]);
    }

    #[test]
    fn half_written_files_are_no_entries() {
        let directory = esp(&["a_1.efi"]);
        let path = directory.path();
        for (name, content) in [
            ("a_2+3.efi", "\0\0and more"),
            ("a_3+3.efi", "M"),
            ("a_4.efi", ""),
        ] {
            fs::write(path.join(name), content).unwrap();
        }
        fs::create_dir(path.join("a_5.efi")).unwrap();
        assert_eq!(names(path), ["a_1.efi"]);
        assert!(bless(path, &version("2")).is_err());
    }

    #[test]
    fn of_two_names_of_one_file_none_is_removed_by_blessing() {
        let directory = esp(&["a_1+2-1.efi"]);
        let path = directory.path();
        fs::hard_link(path.join("a_1+2-1.efi"), path.join("a_1.efi")).unwrap();
        let blessed = bless(path, &version("1")).unwrap();
        assert_eq!(blessed.before, blessed.after);
        assert_eq!(names(path), ["a_1+2-1.efi", "a_1.efi"]);
    }

    #[test]
    fn every_name_of_a_bad_version_loses_its_tries() {
        for (found, expected) in [
            (
                &["a_1+2-1.efi", "a_1.efi"][..],
                &["a_1+0-1.efi", "a_1+0.efi"][..],
            ),
            // A crash within an earlier rename: the new name is taken by the file itself.
            (
                &["a_1+2-1.efi", "a_1+0-1.efi"],
                &["a_1+0-1.efi", "a_1+0-2.efi"],
            ),
            (&["a_1+0-3.efi"], &["a_1+0-3.efi"]),
        ] {
            let directory = esp(found);
            mark_bad(directory.path(), &version("1")).unwrap();
            assert_eq!(names(directory.path()), expected);
            mark_bad(directory.path(), &version("1")).unwrap();
            assert_eq!(names(directory.path()), expected, "again");
        }
    }

    #[test]
    fn a_version_that_is_chosen_has_all_its_tries() {
        for (found, expected) in [
            (&["a_1+0-2.efi"][..], &["a_1+3.efi"][..]),
            (&["a_1.efi"], &["a_1+3.efi"]),
            (&["a_1+3.efi"], &["a_1+3.efi"]),
            // A crash within an earlier rename.
            (&["a_1+0.efi", "a_1+3.efi"], &["a_1+0.efi", "a_1+3.efi"]),
        ] {
            let directory = esp(found);
            renew(directory.path(), &version("1")).unwrap();
            assert_eq!(names(directory.path()), expected);
        }
    }

    #[test]
    fn a_missing_entry_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = mark_bad(directory.path(), &version("1")).unwrap_err();
        assert!(error.to_string().starts_with("no entry of `a_1.efi` in"));
    }

    #[test]
    fn all_but_the_running_version_is_cleared() {
        let directory = esp(&[
            "a_1.efi",
            "a_1+2-1.efi",
            "a_2+3.efi",
            "a_2.efi",
            "other.efi",
        ]);
        fs::write(directory.path().join("a_3+3.efi"), "half").unwrap();
        let cleared = clear_others(directory.path(), &version("1")).unwrap();
        let cleared: Vec<_> = cleared.iter().map(EntryName::to_string).collect();
        assert_eq!(cleared, ["a_2+3.efi", "a_2.efi", "a_3+3.efi"]);
        assert_eq!(names(directory.path()), ["a_1+2-1.efi", "a_1.efi"]);
        assert!(directory.path().join("other.efi").exists());
        assert_eq!(clear_others(directory.path(), &version("1")).unwrap(), []);
    }

    #[test]
    fn taking_back_leaves_what_the_machine_falls_back_to() {
        let directory = esp(&[
            "a_1.efi",
            "a_0.efi",
            "a_2+0-3.efi",
            "a_3+3.efi",
            "a_4+1-2.efi",
        ]);
        fs::write(directory.path().join("a_5+3.efi"), "half").unwrap();
        let cleared = clear_staged(directory.path(), &version("1")).unwrap();
        let cleared: Vec<_> = cleared.iter().map(EntryName::to_string).collect();
        assert_eq!(cleared, ["a_3+3.efi", "a_4+1-2.efi", "a_5+3.efi"]);
        assert_eq!(
            names(directory.path()),
            ["a_0.efi", "a_1.efi", "a_2+0-3.efi"]
        );
    }

    #[test]
    fn room_counts_what_clearing_frees() {
        let directory = esp(&["a_1.efi"]);
        let path = directory.path();
        let before = room(path, &version("1")).unwrap();
        let unit = file::space(path).unwrap().unit;
        fs::write(path.join("a_2.efi"), vec![b'M'; 3 * unit as usize]).unwrap();
        fs::hard_link(path.join("a_2.efi"), path.join("a_2+1.efi")).unwrap();
        let free = file::space(path).unwrap().free;
        let after = room(path, &version("1")).unwrap();
        // Others use the disk too, so only the difference to what is free now is certain enough.
        assert!(after.abs_diff(free) <= before.abs_diff(free) + 64 * unit);
        assert_eq!(round_up(4097, 4096), 8192);
        assert_eq!(round_up(u64::MAX, 4096), u64::MAX);
    }
}
