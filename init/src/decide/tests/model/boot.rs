//! One boot: the loader, stage 1 and PID 1 with the real core, cut after any write.

use bedplate_contract::meta::Outcome;

use super::{
    machine::{Content, Disk, Esp, Kind, Loader, Version, kind, root},
    pid1::pid1,
};
use crate::{
    course::{Chances, Course, Own, before_root, without_root},
    decide::Fallback,
};

/// Rules that a mutant breaks, one at a time, to show that the invariants notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// None is broken.
    None,
    /// A failed gate leaves the entry its tries.
    NoMarkBad,
    /// Boots are counted by PID 1 of the root, not by stage 1.
    CountLate,
    /// Stage 1 always goes on.
    NoCourse,
    /// Nothing is quarantined.
    NoQuarantine,
    /// The entry is blessed when its services are started.
    BlessEarly,
    /// The counter of a loader that cannot count is believed.
    BelieveCounter,
    /// The other slot is not read before the running one is left.
    LeaveUnseen,
    /// What the record has blessed is on trial while its entry says so.
    ForgetBlessing,
    /// The slot in use is written.
    WriteActive,
    /// The entry is written before the slot.
    EntryFirst,
    /// The other entry stays while its slot is written.
    KeepOther,
    /// A blessed version whose gate fails loses its tries too.
    MarkBlessedBad,
}

/// Where a boot ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The machine starts again.
    Again,
    /// It runs and is left alone.
    Runs { version: Version, healthy: bool },
    /// Stage 1 stays.
    Stays,
}

/// A disk that takes writes until the power is cut.
pub struct Writes<'a> {
    pub disk: &'a mut Disk,
    pub mutant: Mutant,
    /// Writes until the cut; `None` for never.
    pub left: Option<u32>,
    pub made: u32,
    pub dead: bool,
}

impl<'a> Writes<'a> {
    pub fn new(disk: &'a mut Disk, mutant: Mutant, left: Option<u32>) -> Self {
        Self {
            disk,
            mutant,
            left,
            made: 0,
            dead: false,
        }
    }

    /// One write that is whole or not at all.
    pub fn write(&mut self, change: impl FnOnce(&mut Disk)) {
        if self.dead || self.left == Some(self.made) {
            self.dead = true;
            return;
        }
        self.made += 1;
        change(self.disk);
    }
}

/// What happens to the boot from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Nothing.
    Undisturbed,
    /// Power is cut after so many writes.
    CutAfter(u32),
    /// An operator shuts down before the gate has decided.
    StoppedEarly,
    /// The gate fails this once, of whatever version: a full disk, a dead link.
    GateFails,
}

/// Boots `disk` once; returns the version that the loader took, where it ended, and the writes.
pub fn boot(disk: &mut Disk, mutant: Mutant, fate: Fate) -> (Option<Version>, End, u32) {
    let Some(version) = disk.choose() else {
        return (None, End::Again, 0);
    };
    let cut = match fate {
        Fate::CutAfter(writes) => Some(writes),
        Fate::Undisturbed | Fate::StoppedEarly | Fate::GateFails => None,
    };
    let mut writes = Writes::new(disk, mutant, cut);
    load(&mut writes, version);
    let end = if writes.dead || kind(version) == Kind::PanicsEarly {
        End::Again
    } else {
        stage1(&mut writes, version, fate)
    };
    let end = if writes.dead { End::Again } else { end };
    (Some(version), end, writes.made)
}

/// The loader takes a try before it starts the entry.
fn load(writes: &mut Writes<'_>, version: Version) {
    let counter = writes.disk.entry(version).and_then(|entry| entry.counter);
    let Some((left, done)) = counter.filter(|(left, _)| *left > 0) else {
        return;
    };
    if writes.disk.loader == Loader::Counts {
        writes.write(|disk| {
            disk.entry_mut(version).unwrap().counter = Some((left - 1, done + 1));
        });
    }
}

fn stage1(writes: &mut Writes<'_>, version: Version, fate: Fate) -> End {
    let mut attempts = 0;
    if writes.mutant != Mutant::CountLate {
        writes.write(|disk| attempts = disk.record.begin(root(version)));
    }
    let Some(slot) = writes.disk.slot_of(version) else {
        let chances = chances(writes.disk, version, attempts);
        return follow(writes, version, without_root(&chances));
    };
    let sound = matches!(writes.disk.content(slot), Content::Whole(_));
    let mut chances = chances(writes.disk, version, attempts);
    if writes.mutant == Mutant::BelieveCounter && chances.own == Own::Tries {
        chances.attempts = 0;
    }
    if before_root(&chances) == Course::Check {
        chances.sound = Some(sound);
    }
    if before_root(&chances) == Course::CheckOther {
        let other = writes.disk.content(slot.other());
        chances.other_sound = Some(matches!(other, Content::Whole(_)));
    }
    let course = match writes.mutant {
        Mutant::NoCourse => Course::Go,
        _ => before_root(&chances),
    };
    match course {
        // The first bad block restarts the machine.
        Course::Go if !sound => End::Again,
        Course::Go => pid1(writes, version, fate),
        course => follow(writes, version, course),
    }
}

fn chances(disk: &Disk, version: Version, attempts: u32) -> Chances {
    let slots = disk.look(version);
    let counter = slots.own().map(|entry| entry.counter);
    Chances {
        attempts,
        own: match counter {
            Some(Some(counter)) if counter.left > 0 => Own::Tries,
            _ => Own::Endless,
        },
        other: slots.fallback(),
        sound: None,
        other_sound: None,
    }
}

fn follow(writes: &mut Writes<'_>, version: Version, course: Course) -> End {
    let outcome = match course {
        Course::Go | Course::Check | Course::CheckOther => return End::Again,
        Course::Leave => Outcome::Crashed,
        Course::Stay => Outcome::Degraded,
    };
    let outvoted = chances(writes.disk, version, 0).own == Own::Tries;
    writes.write(|disk| {
        disk.record.finish(root(version), outcome);
        if outvoted {
            disk.record.quarantine(root(version), &version.to_string());
        }
    });
    // A restart would come here again.
    if course == Course::Stay || writes.disk.esp == Esp::ReadOnly {
        return End::Stays;
    }
    writes.write(|disk| mark_bad(disk, version));
    End::Again
}

pub fn mark_bad(disk: &mut Disk, version: Version) {
    let Some(entry) = disk.entry_mut(version) else {
        return;
    };
    entry.counter = Some((0, entry.counter.map_or(0, |(_, done)| done)));
}

/// What else could boot, as a rescan finds it.
pub fn fallback(disk: &Disk, version: Version) -> Fallback {
    disk.look(version).fallback()
}
