//! The machine with its operator: where it stands, and what can happen next.

use bedplate_contract::control::Reply;

use super::{
    boot::{End, Fate, Mutant, Writes, boot, fallback, mark_bad},
    machine::{Content, Disk, Entry, Esp, KINDS, Kind, Loader, Version, kind, root},
    pid1::Run,
};
use crate::{
    decide::{Event as Core, Fallback},
    disk::Slot,
};

/// Things that break in one life.
const FAULTS: u8 = 2;

/// Where the machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// The next thing that happens is a boot.
    Off,
    /// PID 1 runs and waits.
    Runs { version: Version, healthy: bool },
    /// Stage 1 stays.
    Stays,
}

/// A step of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Every other entry is removed.
    Clear,
    /// The slot is half written.
    Tear,
    /// It is whole and read back.
    Fill,
    /// The entry is written.
    Install,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Boot(Fate),
    /// The operator begins to stage a version; `force` where it would be refused.
    Stage {
        version: Version,
        force: bool,
    },
    /// The upgrade makes its next step.
    Step,
    /// The upgrade is killed.
    Kill,
    Cancel,
    /// Cut after so many writes, or not.
    Rollback(Option<u32>),
    /// A reboot, a panic or a power cut of a machine at rest.
    Restart,
    /// The medium loses a block.
    Damage(Slot),
    /// From now on the ESP takes no write of ours.
    EspStops,
    /// From now on the loader cannot count.
    LoaderStops,
    /// An operator has stage 1 start the other slot.
    Choose,
}

/// The machine between two events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub disk: Disk,
    pub at: At,
    /// The version that is being staged, and its next step.
    pub staging: Option<(Version, usize)>,
    /// Whether a version has passed its gate here.
    pub blessed: bool,
    /// Whether the medium has lost a block; it does so once.
    pub damaged: bool,
    /// What may still break: blocks, ESP, loader.
    pub luck: u8,
}

impl Node {
    pub fn provisioned() -> Self {
        Self {
            disk: Disk::provisioned(),
            at: At::Off,
            staging: None,
            blessed: false,
            damaged: false,
            luck: FAULTS,
        }
    }

    /// All that tells two nodes apart.
    pub fn key(&self) -> Vec<u8> {
        let mut key = self.disk.key();
        key.extend(match self.at {
            At::Off => [0, 0],
            At::Stays => [1, 0],
            At::Runs { version, healthy } => [2 + u8::from(healthy), version],
        });
        let (version, step) = self.staging.unwrap_or((0, 0));
        let flags = u8::from(self.blessed) | u8::from(self.damaged) << 1;
        key.extend([version, step as u8, flags, self.luck]);
        key
    }

    /// Everything that can happen now.
    pub fn events(&self, mutant: Mutant) -> Vec<Event> {
        let mut all = match self.at {
            At::Off => self.boots(mutant),
            At::Stays => vec![Event::Restart, Event::Choose],
            At::Runs { version, .. } => self.requests(version),
        };
        if self.luck > 0 {
            all.extend(self.faults());
        }
        all
    }

    fn faults(&self) -> Vec<Event> {
        let mut all = Vec::new();
        if !self.damaged {
            let whole = |slot: &Slot| matches!(self.disk.content(*slot), Content::Whole(_));
            all.extend(Slot::BOTH.into_iter().filter(whole).map(Event::Damage));
        }
        if self.disk.esp == Esp::Writable {
            all.push(Event::EspStops);
        }
        // A kernel that dies before stage 1 is the loader's alone to end.
        let early = |entry: &Entry| kind(entry.version) == Kind::PanicsEarly;
        let early = self.disk.entries.iter().any(early) || self.staging.is_some();
        if self.disk.loader == Loader::Counts && !early {
            all.push(Event::LoaderStops);
        }
        all
    }

    fn boots(&self, mutant: Mutant) -> Vec<Event> {
        let (version, _, writes) = boot(&mut self.disk.clone(), mutant, Fate::Undisturbed);
        let mut fates = vec![Fate::Undisturbed];
        fates.extend((1..writes).map(Fate::CutAfter));
        if version.is_some_and(|version| kind(version) == Kind::Good) {
            fates.extend([Fate::StoppedEarly, Fate::GateFails]);
        }
        fates.into_iter().map(Event::Boot).collect()
    }

    fn requests(&self, running: Version) -> Vec<Event> {
        let mut all = vec![Event::Restart];
        if self.staging.is_some() {
            all.extend([Event::Step, Event::Kill]);
            return all;
        }
        let is_running = |entry: &Entry| entry.version == running && entry.counter.is_none();
        let stands = self.disk.bootable().any(is_running);
        let offered = |(version, kind): &(Version, Kind)| {
            // Where nothing blessed is left and all tries are spent, the loader starts the newest
            // for ever: nothing of ours runs if its kernel does not.
            // So it does where it cannot count.
            let counts = self.disk.loader == Loader::Counts;
            let hopeless = *kind == Kind::PanicsEarly && !(stands && counts);
            *version != running && !hopeless
        };
        let writable = |_: &(Version, Kind)| self.disk.esp == Esp::Writable;
        for (version, _) in KINDS.into_iter().filter(offered).filter(writable) {
            let quarantined = self.disk.record.is_quarantined(&root(version));
            let force = version < running || quarantined;
            all.push(Event::Stage { version, force });
        }
        all.push(Event::Cancel);
        if fallback(&self.disk, running) == Fallback::Blessed {
            all.extend([None, Some(0), Some(1)].map(Event::Rollback));
        }
        all
    }

    /// What the event makes of the machine.
    ///
    /// # Errors
    /// A write that must never be.
    pub fn after(&self, event: Event, mutant: Mutant) -> Result<Self, String> {
        let mut next = self.clone();
        match event {
            Event::Boot(fate) => {
                let (_, end, _) = boot(&mut next.disk, mutant, fate);
                next.arrive(end);
            }
            Event::Stage { version, .. } => next.staging = Some((version, 0)),
            Event::Step => next.step(mutant)?,
            Event::Kill => next.staging = None,
            Event::Cancel => next.clear_others(),
            Event::Rollback(cut) => next.roll_back(mutant, cut)?,
            Event::Restart => {
                next.at = At::Off;
                next.staging = None;
            }
            Event::EspStops => {
                next.luck -= 1;
                next.disk.esp = Esp::ReadOnly;
            }
            Event::LoaderStops => {
                next.luck -= 1;
                next.disk.loader = Loader::CannotCount;
            }
            Event::Choose => next.choose(),
            Event::Damage(slot) => {
                next.luck -= 1;
                next.damaged = true;
                if let Content::Whole(version) = next.disk.content(slot) {
                    *next.disk.content_mut(slot) = Content::Corrupt(version);
                }
            }
        }
        Ok(next)
    }

    /// As rescue does: nothing without an ESP and a sound slot with an entry.
    fn choose(&mut self) {
        let disk = &mut self.disk;
        let Some(own) = disk.choose().filter(|_| disk.esp == Esp::Writable) else {
            return;
        };
        let other = disk.slot_of(own).map(|slot| disk.content(slot.other()));
        let Some(Content::Whole(other)) = other else {
            return;
        };
        if let Some(entry) = disk.entry_mut(other) {
            *entry = Entry::fresh(other);
            if own > other {
                mark_bad(disk, own);
            }
            self.at = At::Off;
        }
    }

    fn arrive(&mut self, end: End) {
        self.at = match end {
            End::Again => At::Off,
            End::Stays => At::Stays,
            End::Runs { version, healthy } => At::Runs { version, healthy },
        };
        self.blessed |= self
            .disk
            .entries
            .iter()
            .any(|entry| entry.counter.is_none());
    }

    fn step(&mut self, mutant: Mutant) -> Result<(), String> {
        let steps = match mutant {
            Mutant::EntryFirst => [Step::Clear, Step::Install, Step::Tear, Step::Fill],
            Mutant::KeepOther => [Step::Tear, Step::Fill, Step::Clear, Step::Install],
            _ => [Step::Clear, Step::Tear, Step::Fill, Step::Install],
        };
        let (
            Some((version, at)),
            At::Runs {
                version: running, ..
            },
        ) = (self.staging, self.at)
        else {
            return Ok(());
        };
        match steps[at] {
            Step::Clear | Step::Install if self.disk.esp == Esp::ReadOnly => {
                self.staging = None;
                return Ok(());
            }
            Step::Clear => self.clear_others(),
            Step::Tear => self.write_slot(running, mutant, Content::Torn)?,
            Step::Fill => self.write_slot(running, mutant, Content::Whole(version))?,
            Step::Install => {
                self.disk.entries.push(Entry::fresh(version));
                self.disk.entries.sort_by_key(|entry| entry.version);
            }
        }
        self.staging = (at + 1 < steps.len()).then_some((version, at + 1));
        Ok(())
    }

    fn write_slot(
        &mut self,
        running: Version,
        mutant: Mutant,
        content: Content,
    ) -> Result<(), String> {
        // A root that is read from a slot is in one.
        let active = self.disk.slot_of(running).unwrap();
        let target = match mutant {
            Mutant::WriteActive => active,
            _ => active.other(),
        };
        *self.disk.content_mut(target) = content;
        match target == active {
            true => Err("the slot in use is written".to_owned()),
            false => Ok(()),
        }
    }

    fn clear_others(&mut self) {
        if let At::Runs { version, .. } = self.at
            && self.disk.esp == Esp::Writable
        {
            self.disk.entries.retain(|entry| entry.version == version);
        }
    }

    fn roll_back(&mut self, mutant: Mutant, cut: Option<u32>) -> Result<(), String> {
        let At::Runs { version, healthy } = self.at else {
            return Ok(());
        };
        let fallback = fallback(&self.disk, version);
        let other = self.disk.slot_of(version).map(Slot::other);
        let sound = other.is_some_and(|slot| matches!(self.disk.content(slot), Content::Whole(_)));
        let may_leave = sound && self.disk.esp == Esp::Writable;
        let mut writes = Writes::new(&mut self.disk, mutant, None);
        let mut run = Run::resume(&mut writes, (version, healthy), cut);
        run.drive(Core::Rescanned(fallback));
        run.drive(Core::Rollback { client: 1 });
        run.settle();
        let end = run.end();
        let refused = |reply: &Reply| matches!(reply, Reply::Refused { .. });
        match run.replies().iter().any(refused) {
            true if may_leave => {
                return Err("a rollback to a blessed version is refused".to_owned());
            }
            false if !sound && !writes.dead => return Err("left for a rotten slot".to_owned()),
            _ => {}
        }
        let end = if writes.dead { End::Again } else { end };
        self.arrive(end);
        Ok(())
    }
}
