//! The meta partition: the boot record in two copies, and a ring of boot reports.
//!
//! | offset | content |
//! | --- | --- |
//! | 0 | boot record, first copy |
//! | 1 MiB | boot record, second copy |
//! | 2 MiB | [`REPORTS`] report slots of [`REPORT_SIZE`] bytes |
//!
//! Every copy and every slot is one frame:
//!
//! | bytes | content (little endian) |
//! | --- | --- |
//! | 0..8 | magic |
//! | 8..16 | generation, from 1 |
//! | 16..20 | length of the payload |
//! | 20..52 | SHA-256 over bytes 0..20 and the payload |
//! | 52.. | payload, JSON |
//!
//! The newest whole frame counts. A writer overwrites the older copy, so a write that power cuts
//! short leaves a torn frame, which its checksum gives away, and the newer copy untouched.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::{Digest, SchemaVersion, control::BootReport, layout};

/// Where the two copies of the boot record lie, in bytes; far apart, so that no erase block of the
/// medium holds both.
pub const RECORD_OFFSETS: [u64; 2] = [0, 1 << 20];
/// Bytes of one copy: one block of every medium.
pub const RECORD_SIZE: usize = 4096;
/// Where the ring of reports begins, in bytes.
pub const REPORTS_OFFSET: u64 = 2 << 20;
/// Bytes of one report slot: a report of a hundred services.
pub const REPORT_SIZE: usize = 32 * 1024;
/// Report slots; the ring fills the partition.
pub const REPORTS: u64 = (layout::META_SIZE - REPORTS_OFFSET) / REPORT_SIZE as u64;

/// Root hashes that the record remembers: the two slots and the last six that they held.
pub const BOOTS: usize = 8;
/// Versions that stay quarantined; the oldest is forgotten for a ninth.
pub const QUARANTINE: usize = 8;
/// Bytes of a version that the record keeps, so that it always fits its frame.
const VERSION: usize = 64;

const RECORD_MAGIC: &[u8; 8] = b"BdpMeta1";
const REPORT_MAGIC: &[u8; 8] = b"BdpRept1";
const HEADER: usize = 52;
const SUMMED: usize = 20;

/// What the machine remembers of its boots, outside both slots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// Root hash of the last blessed root.
    pub blessed: Option<Digest>,
    /// What was booted, last boot last; at most [`BOOTS`].
    pub boots: Vec<Boots>,
    /// Versions that failed on this machine, the latest last; at most [`QUARANTINE`].
    #[serde(default)]
    pub quarantine: Vec<Quarantined>,
    /// What was done to the state partition of this disk.
    #[serde(default)]
    pub state: StateNote,
}

/// What was done to the state partition. Only [`StateNote::Made`] lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateNote {
    /// Nothing is noted: a new machine, an older `init`, or a record that was lost.
    #[default]
    Unnoted,
    /// It was blank and is being made: nothing was ever kept on it.
    Making,
    /// It was made, or found whole, and may hold data ever since: it is repaired or left alone, and
    /// never made again. A word of a later version of `init` is read as this one, the safe one.
    #[serde(other)]
    Made,
}

/// A version that is not taken again unless it is forced.
///
/// The root hash covers the appliance document and with it the version, so that one root is one
/// version, whatever bundle it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Root hash.
    pub root: Digest,
    /// Version, for people.
    pub version: String,
}

/// The boots of one root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boots {
    /// Root hash.
    pub root: Digest,
    /// Boots in a row that reached no verdict, this one included until it has reached one;
    /// saturates.
    pub attempts: u32,
    /// How the last one ended.
    pub outcome: Outcome,
}

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not yet; after the fact: panic, hang, reset or power cut before the gate.
    Pending,
    /// The gate passed.
    Blessed,
    /// The gate failed.
    GateFailed,
    /// The gate failed and nothing else could boot.
    Degraded,
    /// No boot of it reached its gate, and its tries are spent: panics, hangs, resets.
    Crashed,
    /// The gate passed, and then an essential service gave up.
    Failing,
    /// An operator went back to the other version.
    RolledBack,
    /// The machine was shut down in order before the gate had decided.
    Stopped,
    /// A word of a later version of `init`.
    #[serde(other)]
    Unknown,
}

/// What does not fit in its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// Too long.
    #[error("expected at most {room} bytes of payload, found {found}")]
    TooLong {
        /// Bytes that fit.
        room: usize,
        /// Bytes there are.
        found: usize,
    },
    /// A value that JSON cannot say; none of the types here has one.
    #[error("payload cannot be written as JSON")]
    Json,
}

/// A value read back, with what the next write must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<T> {
    /// Counts the writes; the highest is the newest.
    pub generation: u64,
    /// What was written.
    pub value: T,
}

impl Outcome {
    /// The word of boot reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Blessed => "blessed",
            Self::GateFailed => "gate-failed",
            Self::Degraded => "degraded",
            Self::Crashed => "crashed",
            Self::Failing => "failing",
            Self::RolledBack => "rolled-back",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a boot that ended so came to a verdict on its version.
    pub const fn is_verdict(self) -> bool {
        !matches!(self, Self::Pending | Self::Stopped)
    }
}

impl BootRecord {
    /// What is remembered of `root`.
    pub fn boots_of(&self, root: &Digest) -> Option<&Boots> {
        self.boots.iter().find(|boots| boots.root == *root)
    }

    /// Counts a boot of `root` as begun; returns its boots in a row without a verdict, this one
    /// included.
    pub fn begin(&mut self, root: Digest) -> u32 {
        let known = self.boots.iter().position(|boots| boots.root == root);
        let mut boots = match known {
            Some(at) => self.boots.remove(at),
            None => Boots {
                root,
                attempts: 0,
                outcome: Outcome::Pending,
            },
        };
        if boots.outcome.is_verdict() {
            boots.attempts = 0;
        }
        boots.attempts = boots.attempts.saturating_add(1);
        boots.outcome = Outcome::Pending;
        let attempts = boots.attempts;
        self.boots.push(boots);
        let excess = self.boots.len().saturating_sub(BOOTS);
        self.boots.drain(..excess);
        attempts
    }

    /// Notes how the boot of `root` ended; blessing also forgets its attempts and its quarantine.
    pub fn finish(&mut self, root: Digest, outcome: Outcome) {
        for boots in self.boots.iter_mut().filter(|boots| boots.root == root) {
            boots.outcome = outcome;
            match outcome {
                Outcome::Blessed => boots.attempts = 0,
                // A boot that was cut short on purpose says nothing against the version.
                Outcome::Stopped => boots.attempts = boots.attempts.saturating_sub(1),
                _ => {}
            }
        }
        if outcome == Outcome::Blessed {
            self.blessed = Some(root);
            self.forgive(&root);
        }
    }

    /// Keeps `root` from being taken again.
    pub fn quarantine(&mut self, root: Digest, version: &str) {
        self.forgive(&root);
        self.quarantine.push(Quarantined {
            root,
            version: version.chars().take(VERSION).collect(),
        });
        let excess = self.quarantine.len().saturating_sub(QUARANTINE);
        self.quarantine.drain(..excess);
    }

    /// Lets `root` be taken again, with nothing held against it.
    pub fn forgive(&mut self, root: &Digest) {
        self.quarantine.retain(|version| version.root != *root);
    }

    /// Lets `root` be taken again as if it had never been here: a boot of it that stage 1 does not
    /// reach must not be taken for the one that was forgiven.
    pub fn forget(&mut self, root: &Digest) {
        self.forgive(root);
        self.boots
            .retain(|boots| boots.root != *root || boots.outcome == Outcome::Pending);
    }

    /// Whether `root` has failed here.
    pub fn is_quarantined(&self, root: &Digest) -> bool {
        self.quarantine.iter().any(|version| version.root == *root)
    }
}

/// One copy of the record: [`RECORD_SIZE`] bytes.
///
/// # Errors
/// [`MetaError::TooLong`], which a record of at most [`BOOTS`] entries never is.
pub fn encode_record(frame: &Frame<BootRecord>) -> Result<Vec<u8>, MetaError> {
    encode(RECORD_MAGIC, RECORD_SIZE, frame)
}

/// The newest whole copy; `None` on a blank or ruined partition.
pub fn newest_record(copies: [&[u8]; 2]) -> Option<Frame<BootRecord>> {
    let whole = copies
        .into_iter()
        .filter_map(|copy| decode(RECORD_MAGIC, copy));
    whole.max_by_key(|frame| frame.generation)
}

/// Which of [`RECORD_OFFSETS`] the record of `generation` is written to: never that of the newest.
pub fn record_offset(generation: u64) -> u64 {
    let [even, odd] = RECORD_OFFSETS;
    if generation.is_multiple_of(2) {
        even
    } else {
        odd
    }
}

/// One report slot: [`REPORT_SIZE`] bytes.
///
/// # Errors
/// [`MetaError::TooLong`].
pub fn encode_report(frame: &Frame<BootReport>) -> Result<Vec<u8>, MetaError> {
    encode(REPORT_MAGIC, REPORT_SIZE, frame)
}

/// The report in a slot; `None` for a blank or torn one.
pub fn decode_report(slot: &[u8]) -> Option<Frame<BootReport>> {
    decode(REPORT_MAGIC, slot)
}

/// Where the report of `generation` lies, in bytes.
pub fn report_offset(generation: u64) -> u64 {
    REPORTS_OFFSET + generation % REPORTS * REPORT_SIZE as u64
}

fn encode<T: Serialize>(
    magic: &[u8; 8],
    size: usize,
    frame: &Frame<T>,
) -> Result<Vec<u8>, MetaError> {
    let payload = serde_json::to_vec(&frame.value).map_err(|_| MetaError::Json)?;
    let too_long = MetaError::TooLong {
        room: size - HEADER,
        found: payload.len(),
    };
    if payload.len() > size - HEADER {
        return Err(too_long);
    }
    let length = u32::try_from(payload.len()).map_err(|_| too_long)?;
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(magic);
    bytes.extend(frame.generation.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    let sum = Sha256::new().chain_update(&bytes).chain_update(&payload);
    bytes.extend(sum.finalize());
    bytes.extend(payload);
    bytes.resize(size, 0);
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(magic: &[u8; 8], bytes: &[u8]) -> Option<Frame<T>> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let (summed, sum) = header.split_at_checked(SUMMED)?;
    let (found, numbers) = summed.split_first_chunk::<8>()?;
    let (generation, length) = numbers.split_first_chunk::<8>()?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let payload = rest.get(..usize::try_from(length).ok()?)?;
    let expected = Sha256::new().chain_update(summed).chain_update(payload);
    let whole = found == magic && expected.finalize().as_slice() == sum;
    let value = whole.then(|| serde_json::from_slice(payload).ok())??;
    Some(Frame {
        generation: u64::from_le_bytes(*generation),
        value,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(number: u8) -> Digest {
        Digest::from_bytes([number; 32])
    }

    fn frame(generation: u64) -> Frame<BootRecord> {
        let mut value = BootRecord::default();
        for boot in 0..generation {
            value.begin(root((boot % 20) as u8));
        }
        value.finish(root(1), Outcome::Blessed);
        Frame { generation, value }
    }

    #[test]
    fn the_largest_record_fits() {
        let mut largest = frame(100);
        assert_eq!(largest.value.boots.len(), BOOTS);
        largest.value.boots.iter_mut().for_each(|boots| {
            boots.attempts = u32::MAX;
            boots.outcome = Outcome::GateFailed;
        });
        for number in 0..20 {
            largest.value.quarantine(root(number), &"9".repeat(200));
        }
        assert_eq!(largest.value.quarantine.len(), QUARANTINE);
        assert_eq!(encode_record(&largest).unwrap().len(), RECORD_SIZE);
    }

    #[test]
    fn attempts_are_counted_until_blessed() {
        let mut record = BootRecord::default();
        assert_eq!(record.begin(root(1)), 1);
        assert_eq!(record.begin(root(2)), 1);
        assert_eq!(record.begin(root(1)), 2);
        assert_eq!(record.boots.last().unwrap().root, root(1));
        record.finish(root(1), Outcome::Blessed);
        assert_eq!(record.blessed, Some(root(1)));
        assert_eq!(record.boots_of(&root(1)).unwrap().attempts, 0);
        record.begin(root(2));
        record.finish(root(2), Outcome::GateFailed);
        assert_eq!(record.blessed, Some(root(1)));
        assert_eq!(record.boots_of(&root(2)).unwrap().attempts, 2);
    }

    #[test]
    fn a_failed_version_stays_quarantined_until_it_is_forgiven_or_blessed() {
        let mut record = BootRecord::default();
        record.quarantine(root(1), "1.0.1");
        record.quarantine(root(1), "1.0.1");
        record.quarantine(root(2), "1.0.2");
        assert_eq!(record.quarantine.len(), 2);
        record.forgive(&root(1));
        assert!(!record.is_quarantined(&root(1)) && record.is_quarantined(&root(2)));
        record.begin(root(3));
        record.finish(root(3), Outcome::Crashed);
        record.quarantine(root(3), "1.0.3");
        record.forget(&root(3));
        assert!(!record.is_quarantined(&root(3)) && record.boots_of(&root(3)).is_none());
        record.begin(root(2));
        record.finish(root(2), Outcome::Blessed);
        assert!(!record.is_quarantined(&root(2)));
    }

    #[test]
    fn a_verdict_ends_the_row_of_attempts() {
        for outcome in [Outcome::GateFailed, Outcome::Degraded, Outcome::Blessed] {
            let mut record = BootRecord::default();
            record.begin(root(1));
            assert_eq!(record.begin(root(1)), 2);
            record.finish(root(1), outcome);
            assert_eq!(record.begin(root(1)), 1, "{outcome:?}");
        }
    }

    #[test]
    fn a_boot_that_was_stopped_is_not_held_against_its_version() {
        let mut record = BootRecord::default();
        record.begin(root(1));
        record.finish(root(1), Outcome::Stopped);
        assert_eq!(record.begin(root(1)), 1);
    }

    /// Older and newer versions of `init` share the record.
    #[test]
    fn records_of_other_versions_are_read() {
        let older = r#"{"schema":1,"blessed":null,"boots":[]}"#;
        assert_eq!(
            serde_json::from_str::<BootRecord>(older).unwrap(),
            BootRecord::default()
        );
        let note = |word: &str| serde_json::from_str::<StateNote>(word).unwrap();
        assert_eq!(note("\"moved\""), StateNote::Made);
        for kept in [StateNote::Unnoted, StateNote::Making, StateNote::Made] {
            assert_eq!(note(&serde_json::to_string(&kept).unwrap()), kept);
        }
        let newer = serde_json::from_str::<Outcome>("\"melted\"").unwrap();
        assert_eq!(newer, Outcome::Unknown);
        for outcome in [Outcome::GateFailed, Outcome::RolledBack, Outcome::Crashed] {
            let word = serde_json::to_string(&outcome).unwrap();
            assert_eq!(word, format!("\"{}\"", outcome.word()));
        }
    }

    #[test]
    fn a_blank_partition_has_no_record() {
        let blank = vec![0; RECORD_SIZE];
        assert_eq!(newest_record([&blank, &blank]), None);
        assert_eq!(newest_record([&[], &[0xff; 60]]), None);
    }

    /// The promise of two copies, at every byte and with sectors written out of order.
    #[test]
    fn a_torn_write_leaves_the_older_copy() {
        let (old, before) = (frame(6), encode_record(&frame(6)).unwrap());
        let (new, after) = (frame(7), encode_record(&frame(7)).unwrap());
        let stale = encode_record(&frame(5)).unwrap();
        assert_ne!(record_offset(6), record_offset(7));
        for cut in 0..=RECORD_SIZE {
            let head = [&after[..cut], &stale[cut..]].concat();
            let tail = [&stale[..cut], &after[cut..]].concat();
            for torn in [head, tail] {
                let expected = if torn == after { &new } else { &old };
                assert_eq!(newest_record([&before, &torn]).as_ref(), Some(expected));
            }
        }
    }

    #[test]
    fn reports_fill_the_partition() {
        assert_eq!(REPORTS, 64);
        let last = report_offset(REPORTS - 1) + REPORT_SIZE as u64;
        assert_eq!(last, layout::META_SIZE);
        assert_eq!(report_offset(REPORTS), REPORTS_OFFSET);
    }

    #[test]
    fn a_report_too_long_is_refused() {
        let value = BootReport {
            version: "1".to_owned(),
            entry: "x".repeat(REPORT_SIZE),
            root_hash: String::new(),
            outcome: "blessed".to_owned(),
            reason: None,
            ms: 0,
            services: Vec::new(),
            phases: Vec::new(),
        };
        let error = encode_report(&Frame {
            generation: 1,
            value,
        })
        .unwrap_err();
        assert!(matches!(error, MetaError::TooLong { .. }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(newest_record([&bytes, &bytes]), None);
            prop_assert_eq!(decode_report(&bytes), None);
        }

        #[test]
        fn a_changed_byte_is_noticed(at in 0usize..200, bit in 0u8..8) {
            let mut bytes = encode_record(&frame(3)).unwrap();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(newest_record([&bytes, &[]]), None);
        }
    }
}
