//! PID 1: the real core on a host that writes to the model.

use std::rc::Rc;

use bedplate_contract::{
    Appliance,
    control::{BootState, Reply},
    event,
    meta::Outcome,
};

use super::{
    boot::{End, Fate, Mutant, Writes, mark_bad},
    machine::{Content, Disk, Esp, Kind, Version, kind, root},
};
use crate::{
    decide::{
        Event, Exit, Facts, Fallback, How, Order, ProbeKind, ServiceId, Soundness, State, Subject,
        Verdict, fixture,
    },
    host::{Host, Ran, drive},
};

/// The appliance of every version: one service that is not restarted.
fn appliance(version: Version) -> Rc<Appliance> {
    let mut service = fixture::service("a");
    service.restart.budget = 0;
    let mut appliance = fixture::appliance(vec![service]);
    appliance.version = version.to_string();
    Rc::new(appliance)
}

/// PID 1 of the root, up to where it is left alone or leaves.
pub fn pid1(writes: &mut Writes<'_>, version: Version, fate: Fate) -> End {
    if writes.mutant == Mutant::CountLate {
        writes.write(|disk| {
            disk.record.begin(root(version));
        });
    }
    let mut facts = writes.disk.facts(version);
    facts.proven &= writes.mutant != Mutant::ForgetBlessing;
    let mut run = Run::begin(writes, version, facts);
    if run.host.writes.mutant == Mutant::BlessEarly {
        let _ = run.host.bless();
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
                BootState::Healthy | BootState::Failing | BootState::Degraded => return,
            }
        }
    }

    pub fn end(&self) -> End {
        match (self.host.ended, self.state.boot()) {
            (None, BootState::Healthy | BootState::Failing) => self.runs(true),
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

impl ModelHost<'_, '_> {
    /// One write of the ESP, if it takes any.
    fn esp(&mut self, change: impl FnOnce(&mut Disk)) -> Result<String, String> {
        if self.writes.disk.esp == Esp::ReadOnly {
            return Err("read-only".to_owned());
        }
        self.writes.write(change);
        Ok(String::new())
    }
}

impl Host for ModelHost<'_, '_> {
    fn now(&self) -> u64 {
        self.now
    }
    fn wall_ms(&self) -> u64 {
        self.now
    }
    fn start(&mut self, _: ServiceId, _: &[String]) -> Result<u32, String> {
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
    fn await_condition(&mut self, _: ServiceId, _: u32, _: usize) -> Option<Event> {
        None
    }
    fn cancel_probes(&mut self, _: ServiceId) {}
    fn emit(&mut self, _: &event::Event) {}
    fn bless(&mut self) -> Result<String, String> {
        let version = self.version;
        self.esp(|disk| disk.entry_mut(version).unwrap().counter = None)
    }
    fn mark_bad(&mut self) -> Result<String, String> {
        let version = self.version;
        match self.writes.mutant {
            Mutant::NoMarkBad => Ok(String::new()),
            _ => self.esp(|disk| mark_bad(disk, version)),
        }
    }
    fn check_other(&mut self) -> Option<Soundness> {
        let disk = &self.writes.disk;
        let slot = disk.slot_of(self.version)?.other();
        Some(match (disk.content(slot), self.writes.mutant) {
            (_, Mutant::LeaveUnseen) | (Content::Whole(_), _) => Soundness::Sound,
            _ => Soundness::Rotten("a block".to_owned()),
        })
    }
    fn kill_check(&mut self) {}
    fn mark_other_bad(&mut self) -> Result<String, String> {
        let version = self.version;
        let others = self.writes.disk.entries.iter();
        let mut others = others.filter(|entry| entry.version != version);
        let other = others.next().map(|entry| entry.version).ok_or("no other")?;
        self.esp(|disk| mark_bad(disk, other))
    }
    fn report(&mut self, verdict: &Verdict) {
        let (root, version) = match &verdict.subject {
            Subject::Own => (root(self.version), self.version.to_string()),
            Subject::Other(other) => (other.root, other.entry.version.clone()),
        };
        let quarantine = verdict.quarantine && self.writes.mutant != Mutant::NoQuarantine;
        let own = verdict.subject == Subject::Own;
        let entry = self.writes.disk.entry(self.version).filter(|_| own);
        if let Some(entry) = entry.cloned() {
            self.writes.write(|disk| disk.reported = Some(entry));
        }
        self.writes.write(|disk| {
            disk.record.finish(root, verdict.outcome);
            if quarantine {
                disk.record.quarantine(root, &version);
            }
        });
        let degraded = verdict.outcome == Outcome::Degraded;
        if self.writes.mutant == Mutant::MarkBlessedBad && degraded {
            let version = self.version;
            let _ = self.esp(|disk| mark_bad(disk, version));
        }
    }
    fn upgrade(&mut self, _: &Order) -> Result<(), String> {
        Err("upgrades are the operator's here".to_owned())
    }
    fn kill_upgrade(&mut self) {}
    fn ran(&mut self, _: u64, _: &Ran) {}
    fn reply(&mut self, _: u64, reply: &Reply) {
        self.replies.push(reply.clone());
    }
    fn end(&mut self, how: How) {
        self.ended = Some(how);
    }
}
