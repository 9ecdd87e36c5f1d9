//! One boot: the loader, stage 1 and PID 1 with the real core, cut after any write.

use std::rc::Rc;

use bedplate_contract::{
    Appliance,
    control::{BootState, Reply},
    event,
    meta::Outcome,
};

use super::machine::{Content, Disk, Kind, Version, kind, root};
use crate::{
    course::{Chances, Course, Own, before_root, without_root},
    decide::{
        Event, Exit, Facts, Fallback, How, Order, ProbeKind, ServiceId, State, Subject, Verdict,
        fixture,
    },
    host::{Host, drive},
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
    /// The loader does not count.
    NoLoaderCount,
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
    if writes.mutant != Mutant::NoLoaderCount {
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
    writes.write(|disk| disk.record.finish(root(version), outcome));
    if course == Course::Stay {
        return End::Stays;
    }
    writes.write(|disk| mark_bad(disk, version));
    End::Again
}

fn mark_bad(disk: &mut Disk, version: Version) {
    let Some(entry) = disk.entry_mut(version) else {
        return;
    };
    entry.counter = Some((0, entry.counter.map_or(0, |(_, done)| done)));
}

/// The appliance of every version: one service that is not restarted.
fn appliance(version: Version) -> Rc<Appliance> {
    let mut service = fixture::service("a");
    service.restart.budget = 0;
    let mut appliance = fixture::appliance(vec![service]);
    appliance.version = version.to_string();
    Rc::new(appliance)
}

/// PID 1 of the root, up to where it is left alone or leaves.
fn pid1(writes: &mut Writes<'_>, version: Version, fate: Fate) -> End {
    if writes.mutant == Mutant::CountLate {
        writes.write(|disk| {
            disk.record.begin(root(version));
        });
    }
    let facts = writes.disk.facts(version);
    let mut run = Run::begin(writes, version, facts);
    if run.host.writes.mutant == Mutant::BlessEarly {
        run.host.bless().unwrap();
    }
    match (kind(version), fate) {
        (Kind::Panics | Kind::PanicsEarly, _) => return End::Again,
        (_, Fate::StoppedEarly) => run.drive(Event::Down(How::Reboot)),
        (Kind::Fails, _) | (_, Fate::GateFails) => run.fail(),
        (Kind::Good, _) => {}
    }
    run.settle();
    run.end()
}

/// A core with its host.
pub struct Run<'w, 'd> {
    state: State,
    host: ModelHost<'w, 'd>,
}

impl<'w, 'd> Run<'w, 'd> {
    fn begin(writes: &'w mut Writes<'d>, version: Version, facts: Facts) -> Self {
        let mut run = Self {
            state: State::new(appliance(version), 0, 1),
            host: ModelHost {
                writes,
                version,
                now: 0,
                ended: None,
                replies: Vec::new(),
            },
        };
        run.drive(Event::Begin(facts));
        run
    }

    /// A machine that came to rest as `healthy` says, for `cut` more writes: what brought it there
    /// writes nothing again.
    pub fn resume(
        writes: &'w mut Writes<'d>,
        (version, healthy): (Version, bool),
        cut: Option<u32>,
    ) -> Self {
        let before = writes.disk.clone();
        let facts = Facts {
            fallback: Fallback::Absent,
            other: None,
            ..writes.disk.facts(version)
        };
        let mut run = Self::begin(writes, version, facts);
        if !healthy {
            run.fail();
        }
        run.settle();
        *run.host.writes.disk = before;
        run.host.writes.made = 0;
        run.host.writes.left = cut;
        run
    }

    pub fn drive(&mut self, event: Event) {
        drive(&mut self.state, &mut self.host, event);
    }

    fn fail(&mut self) {
        self.drive(Event::Exited {
            service: ServiceId(0),
            exit: Exit::Status(1),
        });
    }

    /// Lets time pass until the gate has decided, and services end once they are asked to.
    pub fn settle(&mut self) {
        while self.host.ended.is_none() && !self.host.writes.dead {
            match self.state.boot() {
                BootState::Starting | BootState::Gating => {
                    self.host.now = self.state.next_deadline().unwrap();
                    self.drive(Event::Tick);
                }
                BootState::Stopping => self.drive(Event::Exited {
                    service: ServiceId(0),
                    exit: Exit::Status(0),
                }),
                BootState::Healthy | BootState::Degraded => return,
            }
        }
    }

    pub fn end(&self) -> End {
        match (self.host.ended, self.state.boot()) {
            (None, BootState::Healthy) => self.runs(true),
            (None, BootState::Degraded) => self.runs(false),
            _ => End::Again,
        }
    }

    const fn runs(&self, healthy: bool) -> End {
        let version = self.host.version;
        End::Runs { version, healthy }
    }

    /// What the operator was answered.
    pub fn replies(&self) -> &[Reply] {
        &self.host.replies
    }
}

struct ModelHost<'w, 'd> {
    writes: &'w mut Writes<'d>,
    version: Version,
    now: u64,
    ended: Option<How>,
    replies: Vec<Reply>,
}

impl Host for ModelHost<'_, '_> {
    fn now(&self) -> u64 {
        self.now
    }
    fn start(&mut self, _: ServiceId) -> Result<u32, String> {
        Ok(100)
    }
    fn signal(&mut self, _: ServiceId, _: i32) {}
    fn kill(&mut self, _: ServiceId) {}
    fn post_stop(&mut self, _: ServiceId, _: u32) -> Option<Event> {
        None
    }
    fn probe(&mut self, _: ServiceId, _: u32, _: ProbeKind) -> Option<Event> {
        None
    }
    fn cancel_probes(&mut self, _: ServiceId) {}
    fn emit(&mut self, _: &event::Event) {}
    fn bless(&mut self) -> Result<String, String> {
        let version = self.version;
        self.writes
            .write(|disk| disk.entry_mut(version).unwrap().counter = None);
        Ok(String::new())
    }
    fn mark_bad(&mut self) -> Result<String, String> {
        let version = self.version;
        if self.writes.mutant != Mutant::NoMarkBad {
            self.writes.write(|disk| mark_bad(disk, version));
        }
        Ok(String::new())
    }
    fn report(&mut self, verdict: &Verdict) {
        let (root, version) = match &verdict.subject {
            Subject::Own => (root(self.version), self.version.to_string()),
            Subject::Other(other) => (other.root, other.entry.version.clone()),
        };
        let quarantine = verdict.quarantine && self.writes.mutant != Mutant::NoQuarantine;
        self.writes.write(|disk| {
            disk.record.finish(root, verdict.outcome);
            if quarantine {
                disk.record.quarantine(root, &version);
            }
        });
        let degraded = verdict.outcome == Outcome::Degraded;
        if self.writes.mutant == Mutant::MarkBlessedBad && degraded {
            self.writes.write(|disk| mark_bad(disk, self.version));
        }
    }
    fn upgrade(&mut self, _: &Order) -> Result<(), String> {
        Err("upgrades are the operator's here".to_owned())
    }
    fn kill_upgrade(&mut self) {}
    fn reply(&mut self, _: u64, reply: &Reply) {
        self.replies.push(reply.clone());
    }
    fn end(&mut self, how: How) {
        self.ended = Some(how);
    }
}

/// What else could boot, as a rescan finds it.
pub fn fallback(disk: &Disk, version: Version) -> Fallback {
    disk.look(version).fallback()
}
