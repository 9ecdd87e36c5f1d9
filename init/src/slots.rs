//! Both slots of the machine's disk with the loader's entries: what could boot, and what has failed.

use bedplate_contract::{
    Digest, EntryName,
    control::{SlotState, SlotStatus},
    layout,
    meta::{BootRecord, Outcome},
};

use crate::{
    decide::{Entry, Facts, Fallback, Other},
    disk::{self, DiskError, Slot},
    esp::{self, EspError},
    verity,
};

/// The slots cannot be seen.
#[derive(Debug, thiserror::Error)]
pub enum SlotsError {
    /// The partitions.
    #[error("looking for the slots")]
    Disk(#[source] DiskError),
    /// The entries.
    #[error("reading the loader's entries")]
    Esp(#[source] EspError),
}

/// What was found on a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// Root hashes of the trees, A first; `None` for an empty slot.
    trees: [Option<Digest>; 2],
    active: Option<Slot>,
    own: Option<EntryName>,
    other: Option<EntryName>,
}

impl Slots {
    /// Looks at the slots of `disk`; `wanted` is the entry of the running version.
    ///
    /// # Errors
    /// Any [`SlotsError`]; a slot that cannot be read counts as empty.
    pub fn look(disk: &str, active: Option<Slot>, wanted: &EntryName) -> Result<Self, SlotsError> {
        let entries = esp::entries(disk).map_err(SlotsError::Esp)?;
        let trees = Slot::BOTH.map(|slot| tree(disk, slot.verity()));
        let [first, second] = trees;
        let trees = [
            first.map_err(SlotsError::Disk)?,
            second.map_err(SlotsError::Disk)?,
        ];
        Ok(Self::of(trees, active, (wanted, entries)))
    }

    /// What follows from `trees` and `entries`.
    ///
    /// The entry of the other slot is any other entry, for there are two slots. A rename that was
    /// cut short leaves both names of one file: of the running version's the blessed one counts, for
    /// the loader starts it; of the other's the one that boots best.
    pub fn of(
        trees: [Option<Digest>; 2],
        active: Option<Slot>,
        (wanted, entries): (&EntryName, Vec<EntryName>),
    ) -> Self {
        let (own, others): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.same_entry(wanted));
        let best = |entries: Vec<EntryName>| entries.into_iter().max_by_key(rank);
        Self {
            trees,
            active,
            own: best(own),
            other: best(others),
        }
    }

    /// The running version's entry as it is named now.
    pub const fn own(&self) -> Option<&EntryName> {
        self.own.as_ref()
    }

    /// The other entry, if there is one.
    pub const fn other_entry(&self) -> Option<&EntryName> {
        self.other.as_ref()
    }

    /// What else the loader could start: an entry whose slot is empty leads nowhere.
    pub fn fallback(&self) -> Fallback {
        match self.other.as_ref().map(rank) {
            Some(rank) if rank.0 != Fallback::Absent && self.other_tree_is_there() => rank.0,
            _ => Fallback::Absent,
        }
    }

    fn other_tree_is_there(&self) -> bool {
        self.active
            .is_none_or(|active| self.root(active.other()).is_some())
    }

    /// Root hash of the tree in a slot; `None` for an empty one.
    pub const fn root(&self, slot: Slot) -> Option<Digest> {
        let [a, b] = self.trees;
        match slot {
            Slot::A => a,
            Slot::B => b,
        }
    }

    /// The other version with what the `record` knows of it.
    ///
    /// Its root is that of the other slot. A tree that cannot be read any more names none: then it
    /// is the last other root that was begun and reached no verdict.
    pub fn other(&self, record: &BootRecord) -> Option<Other> {
        let entry = self.other.clone()?;
        let active = self.active?;
        let pending = || {
            let boots = record.boots.iter().rev();
            let mut pending = boots.filter(|boots| boots.outcome == Outcome::Pending);
            pending.find(|boots| Some(boots.root) != self.root(active))
        };
        let root = self
            .root(active.other())
            .or_else(|| Some(pending()?.root))?;
        let boots = record.boots_of(&root);
        Some(Other {
            root,
            entry,
            outcome: boots.map(|boots| boots.outcome),
        })
    }

    /// What the core must know of them. Without a `record` nothing is said of the other version.
    pub fn facts(&self, root: Option<Digest>, record: Option<&BootRecord>) -> Facts {
        let counter = self.own.as_ref().map(|entry| entry.counter);
        Facts {
            entry: match counter {
                Some(None) => Entry::Blessed,
                Some(Some(_)) | None => Entry::Trial,
            },
            counted: counter.flatten().is_some_and(|counter| counter.done > 0),
            proven: root.is_some() && record.and_then(|record| record.blessed) == root,
            root,
            fallback: self.fallback(),
            // One that the record has blessed while its entry could not be renamed has spent its tries,
            // and nothing is wrong with it.
            other: record.and_then(|record| {
                let other = self.other(record);
                other.filter(|other| record.blessed != Some(other.root))
            }),
            ..Facts::default()
        }
    }

    /// Both slots in the words of the control protocol, A first.
    pub fn status(&self) -> Vec<SlotStatus> {
        let Some(active) = self.active else {
            return Vec::new();
        };
        let status = |slot: Slot| {
            let is_active = slot == active;
            let entry = if is_active { &self.own } else { &self.other };
            let root_hash = self.root(slot);
            SlotStatus {
                slot: slot.letter().to_owned(),
                active: is_active,
                root_hash,
                entry: entry.as_ref().map(ToString::to_string),
                version: entry.as_ref().map(|entry| entry.version.clone()),
                state: entry.as_ref().map_or(SlotState::Empty, state),
            }
        };
        Slot::BOTH.map(status).into()
    }
}

/// `None` for a slot without a tree.
fn tree(disk: &str, wanted: layout::Partition) -> Result<Option<Digest>, DiskError> {
    let partition = disk::find(disk, wanted)?;
    Ok(verity::read_tree(&partition.device)
        .ok()
        .map(|(_, root)| root))
}

/// How well an entry boots, then how many tries it has.
fn rank(entry: &EntryName) -> (Fallback, u32) {
    match entry.counter {
        None => (Fallback::Blessed, 0),
        Some(counter) if counter.left > 0 => (Fallback::Trial, counter.left),
        Some(_) => (Fallback::Absent, 0),
    }
}

fn state(entry: &EntryName) -> SlotState {
    match rank(entry).0 {
        Fallback::Blessed => SlotState::Blessed,
        Fallback::Trial => SlotState::Trial,
        Fallback::Absent => SlotState::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(number: u8) -> Option<Digest> {
        Some(Digest::from_bytes([number; 32]))
    }

    fn slots(trees: [Option<Digest>; 2], entries: &[&str]) -> Slots {
        let entries = entries.iter().map(|name| name.parse().unwrap()).collect();
        let wanted = EntryName::fresh("a", "1");
        Slots::of(trees, Some(Slot::A), (&wanted, entries))
    }

    #[test]
    fn the_other_entry_says_what_could_boot() {
        let both = [root(1), root(2)];
        for (entries, expected) in [
            (["a_1.efi"].as_slice(), Fallback::Absent),
            (&["a_1+2-1.efi", "a_2.efi"], Fallback::Blessed),
            (&["a_1.efi", "a_2+1-2.efi"], Fallback::Trial),
            (&["a_1.efi", "a_2+0-3.efi"], Fallback::Absent),
            (&["a_1.efi", "a_2+0-3.efi", "a_2.efi"], Fallback::Blessed),
        ] {
            assert_eq!(slots(both, entries).fallback(), expected, "{entries:?}");
        }
        let empty = slots([root(1), None], &["a_1.efi", "a_2.efi"]);
        assert_eq!(empty.fallback(), Fallback::Absent, "its slot is empty");
    }

    #[test]
    fn of_two_names_of_one_file_the_blessed_one_counts() {
        let slots = slots([root(1), None], &["a_1+2-1.efi", "a_1.efi"]);
        assert_eq!(slots.own().unwrap().to_string(), "a_1.efi");
    }

    #[test]
    fn both_slots_are_described() {
        let slots = slots([root(1), root(2)], &["a_1.efi", "a_2+0-3.efi"]);
        let status = slots.status();
        assert!(status[0].active && !status[1].active);
        assert_eq!(status[0].state, SlotState::Blessed);
        assert_eq!(status[1].state, SlotState::Bad);
        assert_eq!(status[1].version.as_deref(), Some("2"));
        assert_eq!(status[1].root_hash, root(2));
        let alone = super::tests::slots([root(1), None], &["a_1.efi"]);
        assert_eq!(alone.status()[1].state, SlotState::Empty);
        assert_eq!(Slots::default().status(), []);
    }

    #[test]
    fn the_other_root_is_known_though_its_tree_is_gone() {
        let mut record = BootRecord::default();
        let [one, two, three] = [1, 2, 3].map(|n| Digest::from_bytes([n; 32]));
        record.begin(three);
        record.begin(two);
        record.begin(one);
        let entries = ["a_1.efi", "a_2+0-3.efi"];
        let other = slots([root(1), None], &entries).other(&record).unwrap();
        assert_eq!(other.root, two);
        assert_eq!(other.outcome, Some(Outcome::Pending));
        let other = slots([root(1), root(9)], &entries).other(&record).unwrap();
        assert_eq!(other.root, root(9).unwrap());
        assert_eq!(other.outcome, None);
        assert_eq!(slots([root(1), root(9)], &["a_1.efi"]).other(&record), None);
    }
}
