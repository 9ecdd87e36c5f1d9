//! What outlives a boot: loader entries, slots and the boot record; and the loader itself.

use bedplate_contract::{
    Digest, EntryName,
    entry::{Counter, TRIES},
    meta::BootRecord,
};

use crate::{decide::Facts, disk::Slot, slots::Slots};

/// A version by its number; it is newer than all lower ones.
pub type Version = u8;

/// How a version behaves, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its gate passes.
    Good,
    /// Its gate fails.
    Fails,
    /// It panics or hangs after PID 1 has begun.
    Panics,
    /// Its kernel panics before stage 1.
    PanicsEarly,
}

/// What the provisioned version and those on offer do.
pub const KINDS: [(Version, Kind); 5] = [
    (1, Kind::Good),
    (2, Kind::Fails),
    (3, Kind::Panics),
    (4, Kind::Good),
    (5, Kind::PanicsEarly),
];

pub fn kind(version: Version) -> Kind {
    let found = KINDS.iter().find(|(number, _)| *number == version);
    found.map(|(_, kind)| *kind).unwrap()
}

/// A loader entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    pub version: Version,
    /// Left and done; `None` once blessed.
    pub counter: Option<(u32, u32)>,
}

impl Entry {
    pub fn fresh(version: Version) -> Self {
        let counter = Some((TRIES, 0));
        Self { version, counter }
    }

    pub fn can_boot(&self) -> bool {
        self.counter.is_none_or(|(left, _)| left > 0)
    }

    pub fn name(&self) -> EntryName {
        let counter = |(left, done)| Counter { left, done };
        EntryName {
            name: "test".to_owned(),
            version: self.version.to_string(),
            counter: self.counter.map(counter),
        }
    }
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    Empty,
    /// Half written: no tree.
    Torn,
    Whole(Version),
    /// Whole, but for a data block that the medium lost.
    Corrupt(Version),
}

impl Content {
    /// The version that its tree names.
    pub const fn version(self) -> Option<Version> {
        match self {
            Self::Empty | Self::Torn => None,
            Self::Whole(version) | Self::Corrupt(version) => Some(version),
        }
    }
}

pub fn root(version: Version) -> Digest {
    Digest::from_bytes([version; 32])
}

/// What PID 1 and stage 1 can do to the ESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Esp {
    Writable,
    /// Read-only, damaged or full.
    ReadOnly,
}

/// What the loader can do to the ESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loader {
    Counts,
    /// Its firmware does not write, or may not.
    CannotCount,
}

/// Everything on the disk that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub esp: Esp,
    pub loader: Loader,
    /// Sorted by version.
    pub entries: Vec<Entry>,
    pub slots: [Content; 2],
    pub record: BootRecord,
    /// The entry of the boot that was reported last.
    pub reported: Option<Entry>,
}

impl Disk {
    /// As provisioned: one version with all its tries.
    pub fn provisioned() -> Self {
        Self {
            esp: Esp::Writable,
            loader: Loader::Counts,
            entries: vec![Entry::fresh(1)],
            slots: [Content::Whole(1), Content::Empty],
            record: BootRecord::default(),
            reported: None,
        }
    }

    /// What systemd-boot starts: those with tries or blessed before those without, then the newest.
    pub fn choose(&self) -> Option<Version> {
        let best = |entry: &&Entry| (entry.can_boot(), entry.version);
        self.entries.iter().max_by_key(best).map(|e| e.version)
    }

    pub fn entry(&self, version: Version) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.version == version)
    }

    pub fn entry_mut(&mut self, version: Version) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.version == version)
    }

    /// The slot whose tree names `version`.
    pub fn slot_of(&self, version: Version) -> Option<Slot> {
        let mut slots = Slot::BOTH.into_iter();
        slots.find(|slot| self.content(*slot).version() == Some(version))
    }

    pub fn content(&self, slot: Slot) -> Content {
        self.slots[index(slot)]
    }

    pub fn content_mut(&mut self, slot: Slot) -> &mut Content {
        &mut self.slots[index(slot)]
    }

    /// The slots as the real code sees them from `version`'s.
    pub fn look(&self, version: Version) -> Slots {
        let trees = self.slots.map(|content| content.version().map(root));
        let entries = self.entries.iter().map(Entry::name).collect();
        let wanted = Entry::fresh(version).name();
        Slots::of(trees, self.slot_of(version), (&wanted, entries))
    }

    pub fn facts(&self, version: Version) -> Facts {
        let slots = self.look(version);
        let mut facts = slots.facts(Some(root(version)), Some(&self.record));
        facts.counted &= self.reported.as_ref() != self.entry(version);
        facts
    }

    /// Entries that can boot and whose slot is whole.
    pub fn bootable(&self) -> impl Iterator<Item = &Entry> {
        let whole = |version| self.slots.contains(&Content::Whole(version));
        let entries = self.entries.iter();
        entries.filter(move |entry| entry.can_boot() && whole(entry.version))
    }

    /// Whether a blessed version is whole and works.
    pub fn works(&self) -> bool {
        self.bootable()
            .any(|entry| entry.counter.is_none() && kind(entry.version) == Kind::Good)
    }

    /// Whether a version that can boot is whole and works, blessed or not.
    pub fn can_serve(&self) -> bool {
        self.bootable()
            .any(|entry| kind(entry.version) == Kind::Good)
    }

    /// Whether a version that can boot is whole and at least reaches its gate.
    pub fn can_be_reached(&self) -> bool {
        let reaches = |version| matches!(kind(version), Kind::Good | Kind::Fails);
        self.bootable().any(|entry| reaches(entry.version))
    }

    /// All that tells two disks apart, in few bytes.
    pub fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        for entry in &self.entries {
            let (left, done) = entry
                .counter
                .map_or((255, 255), |(l, d)| (l as u8, d as u8));
            key.extend([entry.version, left, done]);
        }
        // One that is named otherwise by now tells nobody anything.
        let reported = self
            .reported
            .iter()
            .filter(|entry| self.entries.contains(entry));
        key.extend(reported.map(|entry| entry.version));
        key.push(0xfe);
        for content in self.slots {
            key.extend(match content {
                Content::Empty => [0, 0],
                Content::Torn => [1, 0],
                Content::Whole(version) => [2, version],
                Content::Corrupt(version) => [3, version],
            });
        }
        let broken = [
            self.esp == Esp::ReadOnly,
            self.loader == Loader::CannotCount,
        ];
        key.extend(broken.map(u8::from));
        key.push(self.record.blessed.map_or(0, |root| root.as_bytes()[0]));
        for boots in &self.record.boots {
            let attempts = boots.attempts.min(250) as u8;
            key.extend([boots.root.as_bytes()[0], attempts, boots.outcome as u8]);
        }
        key.push(0xfe);
        let quarantine = self.record.quarantine.iter();
        key.extend(quarantine.map(|version| version.root.as_bytes()[0]));
        key
    }
}

const fn index(slot: Slot) -> usize {
    match slot {
        Slot::A => 0,
        Slot::B => 1,
    }
}
