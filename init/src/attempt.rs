//! This boot as stage 1 knows it: counted in the record, and what follows when it leads nowhere.

use std::path::Path;

use bedplate_contract::{
    Digest, EntryName, cmdline,
    control::{BootReport, SlotStatus},
    event::name,
    layout,
    meta::Outcome,
};
use bedplate_sys::clock;

use crate::{
    console,
    course::{Chances, Own},
    decide::Fallback,
    disk::{self, DiskError, Slot},
    esp,
    meta::{Meta, MetaError},
    slots::Slots,
    stage1::{chain, is_other_sound},
};

/// Event of a boot that is not counted, or of a report that is not kept: `error`.
const META_FAILED: &str = "stage1.meta";
/// Event of an ESP that stage 1 cannot read: `error`.
const ESP_FAILED: &str = "stage1.esp";

/// What the command line says of this boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The root.
    pub root: Digest,
    /// The loader's entry, without its counter; absent on the command line of an older builder.
    pub entry: Option<EntryName>,
}

impl Identity {
    /// Reads the words of a command line.
    pub fn of(line: &str) -> Option<Self> {
        Some(Self {
            root: cmdline::root_hash(line)?,
            entry: cmdline::entry(line),
        })
    }
}

/// A boot that was begun.
#[derive(Debug)]
pub struct Attempt {
    identity: Identity,
    disk: String,
    slot: Option<Slot>,
    meta: Option<Meta>,
    /// Boots in a row without a verdict, this one included; 0 where they cannot be counted.
    attempts: u32,
    slots: Option<Slots>,
}

/// Why a boot is not counted.
#[derive(Debug, thiserror::Error)]
enum CountError {
    #[error("looking for the boot record")]
    Disk(#[source] DiskError),
    #[error("counting this boot")]
    Meta(#[source] MetaError),
}

impl Attempt {
    /// Counts this boot on `disk`, before anything in it can hang. What cannot be counted is told and
    /// stops no boot.
    ///
    /// Power cut before the write: the boot is not counted, and nothing of it has happened. After it:
    /// it counts as one without a verdict.
    pub fn count(identity: Identity, disk: &str, slot: Option<Slot>) -> Self {
        let mut attempt = Self {
            identity,
            disk: disk.to_owned(),
            slot,
            meta: None,
            attempts: 0,
            slots: None,
        };
        if let Err(error) = attempt.open_and_count() {
            say(META_FAILED, &chain(&error));
        }
        let line = console::event(name::COUNTED).with("roothash", attempt.identity.root.hex());
        console::emit(&line.with("attempts", attempt.attempts));
        attempt
    }

    /// Counts a boot whose slot was not found, on the disk that has a boot record.
    pub fn without_slot(identity: Identity) -> Option<Self> {
        let partitions = disk::scan(Path::new(disk::SYS_BLOCK)).ok()?;
        let mut metas = partitions.iter();
        let meta = metas.find(|partition| partition.label == layout::META.label)?;
        Some(Self::count(identity, &meta.disk, None))
    }

    fn open_and_count(&mut self) -> Result<(), CountError> {
        let partition = disk::find(&self.disk, layout::META).map_err(CountError::Disk)?;
        let mut meta = Meta::open(&partition.device).map_err(CountError::Meta)?;
        let counted = meta.count_attempt(self.identity.root);
        // A record that can be read but not written still takes part in what is told.
        self.meta = Some(meta);
        self.attempts = counted.map_err(CountError::Meta)?;
        Ok(())
    }

    /// Boots in a row without a verdict, this one included; 0 where they cannot be counted.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What stage 1 can choose from; looks at the ESP.
    pub fn chances(&mut self) -> Chances {
        if self.slots.is_none() {
            self.slots = self.look();
        }
        let own = self.slots.as_ref().and_then(Slots::own);
        Chances {
            attempts: self.attempts,
            own: match own.map(|entry| entry.counter) {
                Some(Some(counter)) if counter.left > 0 => Own::Tries,
                Some(_) => Own::Endless,
                None => Own::Unknown,
            },
            other: match &self.slots {
                // Without an own entry any other is none that could be left for.
                Some(slots) if own.is_some() => slots.fallback(),
                _ => Fallback::Absent,
            },
            sound: None,
            other_sound: None,
        }
    }

    /// Kernel name of the disk.
    pub fn disk(&self) -> &str {
        &self.disk
    }

    /// Root hashes of the slots that are not this boot's, once [`Self::chances`] has looked: both, where
    /// this boot's own was not found.
    pub fn other_roots(&self) -> Vec<Digest> {
        let slots = self.slots.iter();
        let others = Slot::BOTH
            .into_iter()
            .filter(|slot| Some(*slot) != self.slot);
        let others: Vec<_> = others.collect();
        slots
            .flat_map(|slots| others.iter().filter_map(|slot| slots.root(*slot)))
            .collect()
    }

    /// Has the loader start the other version, whose slot must be sound. Returns its entry's new name.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub fn choose_other(&self) -> Result<String, String> {
        let slots = self
            .slots
            .as_ref()
            .ok_or("the loader's entries cannot be read")?;
        let other = slots.other_entry().ok_or("there is no other version")?;
        let own = self.identity.entry.as_ref();
        let own = own.ok_or("the command line names no entry")?;
        if !is_other_sound(self) {
            return Err("the other slot is corrupt or empty too".to_owned());
        }
        let renamed = esp::choose(&self.disk, own, other).map_err(|error| chain(&error))?;
        Ok(renamed.after.to_string())
    }

    fn look(&self) -> Option<Slots> {
        let wanted = self.identity.entry.as_ref()?;
        let looked = Slots::look(&self.disk, self.slot, wanted);
        looked
            .inspect_err(|error| say(ESP_FAILED, &chain(error)))
            .ok()
    }

    /// Reports that the root leads nowhere, then takes its entry's tries away.
    ///
    /// Power cut before the report: the next boot comes here again. After it: a few more boots, then
    /// here again. After the entry is renamed: the loader takes the other one.
    ///
    /// # Errors
    /// Why the entry kept its tries, in words: a restart would lead here again.
    pub fn leave(&mut self, reason: &str) -> Result<(), String> {
        let entry = self.identity.entry.clone();
        let entry = entry.ok_or("the command line names no entry")?;
        self.report(Outcome::Crashed, reason);
        let renamed = esp::mark_bad(&self.disk, &entry).map_err(|error| chain(&error))?;
        console::emit(&console::event(name::MARKED_BAD).with("entry", renamed.after));
        Ok(())
    }

    /// Reports that the machine stays in stage 1. That is a verdict: the row of boots ends.
    pub fn stay(&mut self, reason: &str) {
        self.report(Outcome::Degraded, reason);
    }

    /// A version that passed its gate is not quarantined: it is taken again once it is written anew. One
    /// on trial is the loader's to end, and the next version's to note; with tries left it comes here
    /// only because the loader does not count them.
    fn report(&mut self, outcome: Outcome, reason: &str) {
        let report = BootReport {
            version: self.version(),
            entry: self.entry_name().unwrap_or_default(),
            root_hash: self.identity.root.hex(),
            outcome: outcome.word().to_owned(),
            reason: Some(reason.to_owned()),
            ms: clock::since_boot_ms(),
            services: Vec::new(),
            phases: Vec::new(),
        };
        let own = self.slots.as_ref().and_then(Slots::own);
        let counter = own.and_then(|own| own.counter);
        let outvoted = counter.is_some_and(|counter| counter.left > 0);
        let Some(meta) = &mut self.meta else { return };
        let kept = meta.write_report(&report);
        let kept = kept.and_then(|()| match outvoted {
            true => meta.condemn((self.identity.root, &report.version), outcome),
            false => meta.finish(self.identity.root, outcome),
        });
        if let Err(error) = kept {
            say(META_FAILED, &chain(&error));
        }
    }

    /// The boot record's partition, as far as it can be read.
    pub const fn meta(&self) -> Option<&Meta> {
        self.meta.as_ref()
    }

    /// Image name; empty where the command line does not say.
    pub fn name(&self) -> String {
        let entry = self.identity.entry.as_ref();
        entry.map_or_else(String::new, |entry| entry.name.clone())
    }

    /// Image version; empty where the command line does not say.
    pub fn version(&self) -> String {
        let entry = self.identity.entry.as_ref();
        entry.map_or_else(String::new, |entry| entry.version.clone())
    }

    /// `a` or `b`.
    pub fn slot(&self) -> Option<String> {
        self.slot.map(|slot| slot.letter().to_owned())
    }

    /// File name of the entry as it was seen.
    pub fn entry_name(&self) -> Option<String> {
        let own = self.slots.as_ref().and_then(Slots::own);
        own.or(self.identity.entry.as_ref())
            .map(ToString::to_string)
    }

    /// Both slots, where they could be seen.
    pub fn slots(&self) -> Vec<SlotStatus> {
        self.slots.as_ref().map_or_else(Vec::new, Slots::status)
    }
}

fn say(event: &str, error: &str) {
    console::emit(&console::event(event).with("error", error));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_who_boots() {
        let root = Digest::of(b"root");
        let line = format!("quiet {}={}", cmdline::ROOT_HASH, root.hex());
        assert_eq!(Identity::of("quiet"), None);
        assert_eq!(Identity::of(&line).unwrap().entry, None);
        let entry = EntryName::fresh("a", "1");
        let line = format!("{line} {}", cmdline::entry_word(&entry));
        let identity = Identity::of(&line).unwrap();
        assert_eq!(
            (identity.root, identity.entry),
            (root, Some(entry.blessed()))
        );
    }

    /// A machine whose disk says nothing is no reason to stop, and none to take tries.
    #[test]
    fn a_boot_that_cannot_be_counted_goes_on() {
        let identity = Identity {
            root: Digest::of(b"root"),
            entry: Some(EntryName::fresh("a", "1").blessed()),
        };
        let mut attempt = Attempt::count(identity, "no-such-disk", Some(Slot::A));
        let expected = Chances {
            attempts: 0,
            own: Own::Unknown,
            other: Fallback::Absent,
            sound: None,
            other_sound: None,
        };
        assert_eq!(attempt.chances(), expected);
        assert!(attempt.leave("no").is_err());
        attempt.stay("no");
        assert_eq!(attempt.entry_name().as_deref(), Some("a_1.efi"));
    }
}
