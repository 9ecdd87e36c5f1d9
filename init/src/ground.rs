//! What a boot stands on: the slot it came from, its entry, its record.

use bedplate_contract::{
    Appliance, Digest, EntryName,
    control::{BootReport, PhaseTime},
    meta::Quarantined,
};

use crate::{
    decide::{Facts, Fallback, Subject, Verdict},
    disk::{Slot, Source},
    esp,
    meta::Meta,
    network::Network,
    slots::Slots,
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
    /// Both slots as they were when they were last looked at.
    pub slots: Slots,
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

    /// Root hash.
    pub fn root(&self) -> Option<Digest> {
        self.source.as_ref().map(|source| source.root_hash)
    }

    /// File name of the entry.
    pub fn entry_name(&self) -> Option<String> {
        self.entry.as_ref().map(ToString::to_string)
    }

    /// Versions that failed here.
    pub fn quarantine(&self) -> Vec<Quarantined> {
        let meta = self.meta.as_ref();
        meta.map_or_else(Vec::new, |meta| meta.record().quarantine.clone())
    }

    /// Drops the entry's counter; the record learns of it with the report.
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

    /// The other slot's letter and root hash, as it was when it was last looked at.
    pub fn other_slot(&self) -> Option<(Slot, Digest)> {
        let other = self.source.as_ref()?.slot.other();
        Some((other, self.slots.root(other)?))
    }

    /// Takes the tries of the other version's entry away.
    ///
    /// # Errors
    /// Why it kept them, in words.
    pub fn mark_other_bad(&mut self) -> Result<String, String> {
        let source = self.source.as_ref().zip(self.slots.other_entry());
        let (source, entry) = source.ok_or("there is no other entry")?;
        let renamed = esp::mark_bad(&source.disk, entry).map_err(|error| chain(&error))?;
        // As in `rename`.
        let _ = self.look();
        Ok(renamed.after.to_string())
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
        // What it looks like now is told, not decided upon: a failure leaves the older look.
        let _ = self.look();
        Ok(name)
    }

    /// Writes the report, then notes the outcome and the quarantine in one write of the record.
    ///
    /// Power cut between the two leaves a report of a boot that the record does not know to have
    /// ended: whoever looks next reports it again, and nothing is lost.
    ///
    /// # Errors
    /// Why it is not kept, in words. Nothing is to be kept in a container.
    pub fn keep_report(
        &mut self,
        appliance: &Appliance,
        verdict: &Verdict,
        ms: u64,
    ) -> Result<(), String> {
        let Some((root, report)) = self.describe(appliance, verdict, ms) else {
            return Ok(());
        };
        let Some(meta) = &mut self.meta else {
            return Ok(());
        };
        meta.write_report(&report).map_err(|error| chain(&error))?;
        let noted = if verdict.quarantine {
            meta.condemn((root, &report.version), verdict.outcome)
        } else {
            meta.finish(root, verdict.outcome)
        };
        noted.map_err(|error| chain(&error))
    }

    /// The report of a verdict, and whose it is; `None` in a container.
    fn describe(
        &self,
        appliance: &Appliance,
        verdict: &Verdict,
        ms: u64,
    ) -> Option<(Digest, BootReport)> {
        let (root, version, entry) = match &verdict.subject {
            Subject::Own => {
                let entry = self.entry_name().unwrap_or_default();
                (self.root()?, appliance.version.clone(), entry)
            }
            Subject::Other(other) => {
                let entry = other.entry.to_string();
                (other.root, other.entry.version.clone(), entry)
            }
        };
        let own = verdict.subject == Subject::Own;
        let report = BootReport {
            version,
            entry,
            root_hash: root.hex(),
            outcome: verdict.outcome.word().to_owned(),
            reason: verdict.reason.clone(),
            // How long it took and what it did, only its own boot knew.
            ms: if own { ms } else { 0 },
            services: verdict.services.clone(),
            phases: if own { self.phases.clone() } else { Vec::new() },
        };
        Some((root, report))
    }

    /// Looks at slots and entries for the first time; tells the core what it must know.
    ///
    /// # Errors
    /// Why they cannot be seen, in words: the version counts as one on trial with nowhere to go.
    pub fn enter(&mut self, appliance: &Appliance) -> Result<Facts, String> {
        // An entry that is not listed is looked for again when it is to be renamed.
        self.entry = Some(EntryName::fresh(&appliance.name, &appliance.version));
        self.look()?;
        let record = self.meta.as_ref().map(Meta::record);
        let facts = self.slots.facts(self.root(), record);
        let counted = facts.counted && !self.was_reported();
        Ok(Facts { counted, ..facts })
    }

    /// Whether the last boot that was reported had this very entry: a loader that counts would have
    /// renamed it since.
    fn was_reported(&self) -> bool {
        let reports = self.meta.as_ref().map(Meta::reports);
        let reports = reports.and_then(Result::ok).unwrap_or_default();
        let (root, entry) = (self.root().map(|root| root.hex()), self.entry_name());
        reports.first().is_some_and(|last| {
            Some(&last.root_hash) == root.as_ref() && Some(&last.entry) == entry.as_ref()
        })
    }

    /// Looks at slots and entries again; returns what else could boot now.
    ///
    /// # Errors
    /// Why they cannot be seen, in words; what was seen before stays.
    pub fn look(&mut self) -> Result<Fallback, String> {
        let (Some(source), Some(wanted)) = (&self.source, &self.entry) else {
            return Err("a container has no slots".to_owned());
        };
        let slots = Slots::look(&source.disk, Some(source.slot), wanted);
        self.slots = slots.map_err(|error| chain(&error))?;
        if let Some(own) = self.slots.own() {
            self.entry = Some(own.clone());
        }
        Ok(self.slots.fallback())
    }

    /// Lets a version be taken again.
    ///
    /// # Errors
    /// Why it stays in quarantine, in words.
    pub fn forgive(&mut self, root: &Digest) -> Result<(), String> {
        let Some(meta) = &mut self.meta else {
            return Err("this machine has no boot record".to_owned());
        };
        if !meta.record().is_quarantined(root) {
            return Err(format!(
                "no version with root hash {root} is quarantined",
                root = root.hex()
            ));
        }
        meta.forgive(root).map_err(|error| chain(&error))
    }
}
