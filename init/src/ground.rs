//! What a boot stands on: the slot it came from, its entry, its record.

use bedplate_contract::{
    Appliance, EntryName,
    control::{BootReport, PhaseTime},
    meta::Outcome,
};

use crate::{
    decide::{Entry, Facts, Fallback},
    disk::Source,
    esp,
    meta::Meta,
    network::Network,
    stage1::chain,
};

/// What the phases before the services found; all absent in a container.
#[derive(Debug, Default)]
pub struct Ground {
    /// Where the root comes from.
    pub source: Option<Source>,
    /// The meta partition.
    pub meta: Option<Meta>,
    /// The loader entry as it is named now.
    pub entry: Option<EntryName>,
    /// The links.
    pub network: Option<Network>,
    /// Broken promises of the hardware, in words.
    pub warnings: Vec<String>,
    /// Phases so far.
    pub phases: Vec<PhaseTime>,
}

impl Ground {
    /// `a` or `b`.
    pub fn slot(&self) -> Option<String> {
        self.source
            .as_ref()
            .map(|source| source.slot.letter().to_owned())
    }

    /// Root hash, hex.
    pub fn root_hash(&self) -> Option<String> {
        self.source.as_ref().map(|source| source.root_hash.hex())
    }

    /// File name of the entry.
    pub fn entry_name(&self) -> Option<String> {
        self.entry.as_ref().map(ToString::to_string)
    }

    /// Drops the entry's counter, then notes it in the record.
    ///
    /// The rename is what the loader reads, so it alone decides; the record is a diary.
    ///
    /// # Errors
    /// Why the entry kept its counter, in words.
    pub fn bless(&mut self) -> Result<String, String> {
        self.rename(esp::bless)
    }

    /// Takes the entry's tries away.
    ///
    /// # Errors
    /// Why it kept them, in words.
    pub fn mark_bad(&mut self) -> Result<String, String> {
        self.rename(esp::mark_bad)
    }

    fn rename(
        &mut self,
        work: fn(&str, &EntryName) -> Result<esp::Renamed, esp::EspError>,
    ) -> Result<String, String> {
        let (Some(source), Some(entry)) = (&self.source, &self.entry) else {
            return Err("the entry of this boot is not known".to_owned());
        };
        let renamed = work(&source.disk, entry).map_err(|error| chain(&error))?;
        let name = renamed.after.to_string();
        self.entry = Some(renamed.after);
        Ok(name)
    }

    /// Writes the report and notes the outcome.
    ///
    /// # Errors
    /// Why it is not kept, in words. Nothing is to be kept in a container.
    pub fn keep_report(&mut self, report: &BootReport, outcome: Outcome) -> Result<(), String> {
        let (Some(source), Some(meta)) = (&self.source, &mut self.meta) else {
            return Ok(());
        };
        meta.write_report(report).map_err(|error| chain(&error))?;
        let noted = meta.finish(source.root_hash, outcome);
        noted.map_err(|error| chain(&error))
    }

    /// Finds this version among the `entries` of the loader; tells the core what it must know.
    pub fn enter(&mut self, appliance: &Appliance, entries: Vec<EntryName>) -> Facts {
        let wanted = EntryName::fresh(&appliance.name, &appliance.version);
        let (own, others): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.same_entry(&wanted));
        let own = own.into_iter().next();
        let counter = own.as_ref().map(|entry| entry.counter);
        // One that is not listed is looked for again when it is to be renamed.
        self.entry = own.or(Some(wanted));
        Facts {
            entry: match counter {
                Some(None) => Entry::Blessed,
                Some(Some(_)) | None => Entry::Trial,
            },
            fallback: if others.iter().any(can_boot) {
                Fallback::Present
            } else {
                Fallback::Absent
            },
            ..Facts::default()
        }
    }
}

/// Whether the loader would start the entry: it is blessed or has tries left.
fn can_boot(entry: &EntryName) -> bool {
    entry.counter.is_none_or(|counter| counter.left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_tell_what_may_boot() {
        for (entry, can) in [
            ("a_1.efi", true),
            ("a_1+1-2.efi", true),
            ("a_1+0-3.efi", false),
        ] {
            assert_eq!(can_boot(&entry.parse().unwrap()), can, "{entry}");
        }
    }
}
