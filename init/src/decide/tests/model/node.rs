//! The machine with its operator: where it stands, and what can happen next.

use bedplate_contract::control::Reply;

use super::{
    boot::{End, Fate, Mutant, Writes, boot, fallback},
    machine::{Content, Disk, Entry, KINDS, Kind, Version, kind, root},
    pid1::Run,
};
use crate::{
    decide::{Event as Core, Fallback},
    disk::Slot,
};

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
}

impl Node {
    pub fn provisioned() -> Self {
        Self {
            disk: Disk::provisioned(),
            at: At::Off,
            staging: None,
            blessed: false,
            damaged: false,
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
        key.extend([version, step as u8, flags]);
        key
    }

    /// Everything that can happen now.
    pub fn events(&self, mutant: Mutant) -> Vec<Event> {
        let mut all = match self.at {
            At::Off => self.boots(mutant),
            At::Stays => vec![Event::Restart],
            At::Runs { version, .. } => self.requests(version),
        };
        if !self.damaged {
            let whole = |slot: &Slot| matches!(self.disk.content(*slot), Content::Whole(_));
            all.extend(Slot::BOTH.into_iter().filter(whole).map(Event::Damage));
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
        let offered = |(version, kind): &(Version, Kind)| {
            // Where nothing was ever blessed and all tries are spent, the loader starts the newest
            // for ever: nothing of ours runs if its kernel does not.
            let hopeless = *kind == Kind::PanicsEarly && !self.blessed;
            *version != running && !hopeless
        };
        for (version, _) in KINDS.into_iter().filter(offered) {
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
            Event::Damage(slot) => {
                next.damaged = true;
                if let Content::Whole(version) = next.disk.content(slot) {
                    *next.disk.content_mut(slot) = Content::Corrupt(version);
                }
            }
        }
        Ok(next)
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
        if let At::Runs { version, .. } = self.at {
            self.disk.entries.retain(|entry| entry.version == version);
        }
    }

    fn roll_back(&mut self, mutant: Mutant, cut: Option<u32>) -> Result<(), String> {
        let At::Runs { version, healthy } = self.at else {
            return Ok(());
        };
        let fallback = fallback(&self.disk, version);
        let mut writes = Writes::new(&mut self.disk, mutant, None);
        let mut run = Run::resume(&mut writes, (version, healthy), cut);
        run.drive(Core::Rescanned(fallback));
        run.drive(Core::Rollback { client: 1 });
        run.settle();
        let end = run.end();
        let refused = |reply: &Reply| matches!(reply, Reply::Refused { .. });
        if run.replies().iter().any(refused) {
            return Err("a rollback to a blessed version is refused".to_owned());
        }
        let end = if writes.dead { End::Again } else { end };
        self.arrive(end);
        Ok(())
    }
}
