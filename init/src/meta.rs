//! The meta partition: what the machine remembers of its boots, outside both slots.
//!
//! Every write goes to the copy that is not the newest and is on the medium before the call
//! returns. A crash before or within a write leaves the newest copy as it was; a crash after it, the
//! new one. The formats are `contract::meta`.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bedplate_contract::{
    Digest,
    control::BootReport,
    meta::{
        self, BootRecord, Frame, Outcome, RECORD_OFFSETS, RECORD_SIZE, REPORT_SIZE, REPORTS,
        StateNote,
    },
};

/// A meta partition that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// Opening or reading.
    #[error("reading the meta partition `{device}`")]
    Read {
        /// Node.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Writing or flushing.
    #[error("writing the {what} to the meta partition `{device}`")]
    Write {
        /// `boot record` or `boot report`.
        what: &'static str,
        /// Node.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// What does not fit.
    #[error("encoding the {what}")]
    Encode {
        /// `boot record` or `boot report`.
        what: &'static str,
        /// Cause.
        source: meta::MetaError,
    },
}

/// The open partition with its newest record.
#[derive(Debug)]
pub struct Meta {
    device: PathBuf,
    file: File,
    newest: Frame<BootRecord>,
}

impl Meta {
    /// Opens the partition and reads the newest record; a blank or ruined one begins anew.
    ///
    /// # Errors
    /// [`MetaError::Read`].
    pub fn open(device: &Path) -> Result<Self, MetaError> {
        let failed = |source| MetaError::Read {
            device: device.to_owned(),
            source,
        };
        let file = OpenOptions::new().read(true).write(true).open(device);
        let file = file.map_err(failed)?;
        let [first, second] = RECORD_OFFSETS.map(|offset| read(&file, offset, RECORD_SIZE));
        let (first, second) = (first.map_err(failed)?, second.map_err(failed)?);
        let newest = meta::newest_record([&first, &second]).unwrap_or(Frame {
            generation: 0,
            value: BootRecord::default(),
        });
        let device = device.to_owned();
        Ok(Self {
            device,
            file,
            newest,
        })
    }

    /// What is remembered.
    pub fn record(&self) -> &BootRecord {
        &self.newest.value
    }

    /// Counts this boot of `root` before anything in it can hang; returns its attempts so far.
    ///
    /// # Errors
    /// [`MetaError::Write`]: the boot is not counted, the record stays as it was.
    pub fn count_attempt(&mut self, root: Digest) -> Result<u32, MetaError> {
        let mut record = self.newest.value.clone();
        let attempts = record.begin(root);
        self.write(record)?;
        Ok(attempts)
    }

    /// Notes how the boot of `root` ended. Noting the same twice writes nothing the second time.
    ///
    /// # Errors
    /// [`MetaError::Write`]: the record stays as it was.
    pub fn finish(&mut self, root: Digest, outcome: Outcome) -> Result<(), MetaError> {
        self.change(|record| record.finish(root, outcome))
    }

    /// Notes how the boot of `root` ended, and that this `version` is not taken again: both or
    /// neither.
    ///
    /// # Errors
    /// [`MetaError::Write`]: the record stays as it was.
    pub fn condemn(
        &mut self,
        (root, version): (Digest, &str),
        outcome: Outcome,
    ) -> Result<(), MetaError> {
        self.change(|record| {
            record.finish(root, outcome);
            record.quarantine(root, version);
        })
    }

    /// Lets `root` be taken again.
    ///
    /// # Errors
    /// [`MetaError::Write`]: the record stays as it was.
    pub fn forgive(&mut self, root: &Digest) -> Result<(), MetaError> {
        self.change(|record| record.forget(root))
    }

    /// Notes what is done to the state partition, in both copies: whichever of them is lost later, the
    /// other one knows it.
    ///
    /// # Errors
    /// [`MetaError::Write`]: one copy or none has the note, and nobody may count on it.
    pub fn note_state(&mut self, note: StateNote) -> Result<(), MetaError> {
        if self.newest.value.state == note {
            return Ok(());
        }
        let record = BootRecord {
            state: note,
            ..self.newest.value.clone()
        };
        self.write(record.clone())?;
        self.write(record)
    }

    /// Whether a version passed its gate on this disk, which takes a state that is whole.
    ///
    /// # Errors
    /// [`MetaError::Read`].
    pub fn was_ever_good(&self) -> Result<bool, MetaError> {
        let blessed = Outcome::Blessed.word();
        let mut reports = self.frames()?.into_iter();
        let reported = reports.any(|frame| frame.value.outcome == blessed);
        Ok(reported || self.newest.value.blessed.is_some())
    }

    fn change(&mut self, change: impl FnOnce(&mut BootRecord)) -> Result<(), MetaError> {
        let mut record = self.newest.value.clone();
        change(&mut record);
        if record == self.newest.value {
            return Ok(());
        }
        self.write(record)
    }

    /// Adds a report to the ring, in the place of the oldest.
    ///
    /// One that is too long is kept without its services: the reason names the culprits.
    ///
    /// # Errors
    /// [`MetaError::Read`], [`MetaError::Write`]; [`MetaError::Encode`] for a reason of 32 KiB.
    pub fn write_report(&self, report: &BootReport) -> Result<(), MetaError> {
        let newest = self.frames()?.into_iter().map(|frame| frame.generation);
        let mut frame = Frame {
            generation: newest.max().unwrap_or(0).saturating_add(1),
            value: report.clone(),
        };
        let mut bytes = meta::encode_report(&frame);
        if bytes.is_err() {
            frame.value.services.clear();
            bytes = meta::encode_report(&frame);
        }
        let what = "boot report";
        let bytes = bytes.map_err(|source| MetaError::Encode { what, source })?;
        self.put(what, meta::report_offset(frame.generation), &bytes)
    }

    /// The reports that the ring holds, newest first; torn ones are left out.
    ///
    /// # Errors
    /// [`MetaError::Read`].
    pub fn reports(&self) -> Result<Vec<BootReport>, MetaError> {
        let mut frames = self.frames()?;
        frames.sort_by_key(|frame| std::cmp::Reverse(frame.generation));
        Ok(frames.into_iter().map(|frame| frame.value).collect())
    }

    fn frames(&self) -> Result<Vec<Frame<BootReport>>, MetaError> {
        let slots = (0..REPORTS).map(|slot| {
            let bytes = read(&self.file, meta::report_offset(slot), REPORT_SIZE);
            bytes.map_err(|source| MetaError::Read {
                device: self.device.clone(),
                source,
            })
        });
        let frames = slots.map(|bytes| Ok(meta::decode_report(&bytes?)));
        frames.filter_map(Result::transpose).collect()
    }

    fn write(&mut self, value: BootRecord) -> Result<(), MetaError> {
        let what = "boot record";
        let generation = self.newest.generation.saturating_add(1);
        let frame = Frame { generation, value };
        let bytes = meta::encode_record(&frame);
        let bytes = bytes.map_err(|source| MetaError::Encode { what, source })?;
        self.put(what, meta::record_offset(generation), &bytes)?;
        self.newest = frame;
        Ok(())
    }

    fn put(&self, what: &'static str, offset: u64, bytes: &[u8]) -> Result<(), MetaError> {
        let written = self.file.write_all_at(bytes, offset);
        let durable = written.and_then(|()| self.file.sync_data());
        durable.map_err(|source| MetaError::Write {
            what,
            device: self.device.clone(),
            source,
        })
    }
}

fn read(file: &File, offset: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use bedplate_contract::layout::META_SIZE;

    use super::*;

    fn partition() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(META_SIZE).unwrap();
        file
    }

    fn root() -> Digest {
        Digest::of(b"root")
    }

    fn report(version: u64) -> BootReport {
        BootReport {
            version: version.to_string(),
            entry: "a_1.efi".to_owned(),
            root_hash: root().hex(),
            outcome: "blessed".to_owned(),
            reason: None,
            ms: 1,
            services: Vec::new(),
            phases: Vec::new(),
        }
    }

    #[test]
    fn attempts_outlive_boots() {
        let partition = partition();
        for boot in 1..=5 {
            let mut meta = Meta::open(partition.path()).unwrap();
            assert_eq!(meta.count_attempt(root()).unwrap(), boot);
        }
        let mut meta = Meta::open(partition.path()).unwrap();
        meta.finish(root(), Outcome::Blessed).unwrap();
        let generation = meta.newest.generation;
        meta.finish(root(), Outcome::Blessed).unwrap();
        assert_eq!(meta.newest.generation, generation);
        let meta = Meta::open(partition.path()).unwrap();
        assert_eq!(meta.record().blessed, Some(root()));
    }

    #[test]
    fn what_failed_is_quarantined_until_it_is_forgiven() {
        let partition = partition();
        let mut meta = Meta::open(partition.path()).unwrap();
        meta.count_attempt(root()).unwrap();
        meta.condemn((root(), "1"), Outcome::GateFailed).unwrap();
        let generation = meta.newest.generation;
        meta.condemn((root(), "1"), Outcome::GateFailed).unwrap();
        assert_eq!(meta.newest.generation, generation);
        let mut meta = Meta::open(partition.path()).unwrap();
        assert!(meta.record().is_quarantined(&root()));
        meta.forgive(&root()).unwrap();
        let meta = Meta::open(partition.path()).unwrap();
        assert!(!meta.record().is_quarantined(&root()));
    }

    #[test]
    fn a_ruined_copy_costs_one_write() {
        let partition = partition();
        let mut meta = Meta::open(partition.path()).unwrap();
        meta.count_attempt(root()).unwrap();
        meta.count_attempt(root()).unwrap();
        let newest = meta::record_offset(meta.newest.generation);
        meta.file.write_all_at(&[0xff; 700], newest).unwrap();
        let meta = Meta::open(partition.path()).unwrap();
        assert_eq!(meta.record().boots_of(&root()).unwrap().attempts, 1);
    }

    #[test]
    fn a_note_of_the_state_outlives_the_loss_of_either_copy() {
        for lost in RECORD_OFFSETS {
            let partition = partition();
            let mut meta = Meta::open(partition.path()).unwrap();
            meta.count_attempt(root()).unwrap();
            meta.note_state(StateNote::Making).unwrap();
            meta.note_state(StateNote::Made).unwrap();
            meta.file.write_all_at(&[0; RECORD_SIZE], lost).unwrap();
            let meta = Meta::open(partition.path()).unwrap();
            assert_eq!(meta.record().state, StateNote::Made, "without {lost}");
        }
    }

    #[test]
    fn a_machine_whose_record_is_lost_is_known_by_its_reports() {
        let partition = partition();
        let meta = Meta::open(partition.path()).unwrap();
        assert!(!meta.was_ever_good().unwrap());
        let failed = BootReport {
            outcome: Outcome::Degraded.word().to_owned(),
            ..report(1)
        };
        meta.write_report(&failed).unwrap();
        assert!(
            !meta.was_ever_good().unwrap(),
            "its state may never have been"
        );
        meta.write_report(&report(1)).unwrap();
        assert!(meta.was_ever_good().unwrap());
    }

    #[test]
    fn the_ring_keeps_the_newest_reports() {
        let partition = partition();
        let meta = Meta::open(partition.path()).unwrap();
        for version in 1..=REPORTS + 3 {
            meta.write_report(&report(version)).unwrap();
        }
        let reports = meta.reports().unwrap();
        assert_eq!(reports.len() as u64, REPORTS);
        assert_eq!(reports[0], report(REPORTS + 3));
        assert_eq!(reports.last(), Some(&report(4)));
    }

    #[test]
    fn a_partition_too_small_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            Meta::open(file.path()),
            Err(MetaError::Read { .. })
        ));
    }
}
