//! Stage 1 that stays: no root, but a console that says why and a control port that answers.

use std::{path::Path, thread, time::Duration};

use bedplate_contract::{
    Digest,
    control::{BootState, Reply, Request, Status},
    event::name,
};
use bedplate_sys::{
    clock,
    poll::{self, Wait},
    reboot::Down,
};

use crate::{
    attempt::Attempt,
    console,
    control::{Control, Source},
    disk,
    stage1::chain,
    supervise::resident_kib,
    verity, watchdog,
};

/// Milliseconds between two looks at what has no descriptor: the console, and a disk that may come.
const LOOK_MS: u64 = 1000;

/// Why staying ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Someone asked for it.
    Asked(Down),
    /// The missing slot is there.
    Came,
}

/// The machine as it stays.
#[derive(Debug)]
pub struct Rescue<'a> {
    attempt: Option<&'a Attempt>,
    reason: &'a str,
    /// The root whose slot was not there; it is looked for again once it is.
    missing: Option<Digest>,
    control: Control,
}

impl<'a> Rescue<'a> {
    /// Stays for `reason`; `missing` is a root whose disk may yet come.
    pub fn new(attempt: Option<&'a Attempt>, reason: &'a str, missing: Option<Digest>) -> Self {
        console::emit(&console::event(name::STAGE1_STAYS).with("reason", reason));
        // What whoever watches any boot waits for.
        console::emit(&console::event(name::DEGRADED).with("reason", reason));
        Self {
            attempt,
            reason,
            missing,
            control: Control::new(clock::since_boot_ms()),
        }
    }

    /// Answers until someone asks for the end, or the missing slot shows up.
    pub fn run(mut self) -> Ending {
        loop {
            let now = clock::since_boot_ms();
            for source in self.wait(now) {
                for (client, request) in self.control.advance(source, now) {
                    let (reply, end) = self.answer(&request);
                    self.control.reply(client, &reply);
                    if let Some(down) = end {
                        return Ending::Asked(down);
                    }
                }
            }
            self.control.tick(now);
            watchdog::pet();
            console::flush();
            if self.missing_came() {
                return Ending::Came;
            }
        }
    }

    fn wait(&self, now: u64) -> Vec<Source> {
        let watched = self.control.watch(now).into_iter();
        let waits: Vec<_> = watched
            .map(|(token, fd, interest)| Wait {
                token,
                fd,
                interest,
            })
            .collect();
        let due = self.control.next_deadline();
        let due = due.map_or(LOOK_MS, |at| at.saturating_sub(now).min(LOOK_MS));
        poll::wait(&waits, Some(due)).unwrap_or_else(|_| {
            // There is nothing else to do, and no hurry.
            thread::sleep(Duration::from_millis(LOOK_MS));
            Vec::new()
        })
    }

    fn missing_came(&self) -> bool {
        let found = |root: &Digest| {
            let partitions = disk::scan(Path::new(disk::SYS_BLOCK)).ok()?;
            verity::find_slot(&partitions, root)
        };
        self.missing.as_ref().and_then(found).is_some()
    }

    fn answer(&self, request: &Request) -> (Reply, Option<Down>) {
        let reply = match request {
            Request::Status => Reply::Status(Box::new(self.status())),
            Request::Report => self.reports(),
            Request::Poweroff => return (Reply::Done, Some(Down::Poweroff)),
            Request::Reboot => return (Reply::Done, Some(Down::Reboot)),
            Request::Rollback => return self.choose_other(),
            Request::Logs { .. }
            | Request::Restart { .. }
            | Request::Stop { .. }
            | Request::Start { .. }
            | Request::Signal { .. }
            | Request::Run { .. }
            | Request::Backup { .. }
            | Request::Upgrade { .. }
            | Request::Rescan
            | Request::Forgive { .. } => Reply::Refused {
                reason: format!("the machine has no root: {}", self.reason),
            },
        };
        (reply, None)
    }

    /// The other version, if its slot is sound: nothing is lost by a try, for nothing runs here.
    fn choose_other(&self) -> (Reply, Option<Down>) {
        let attempt = self
            .attempt
            .ok_or_else(|| "there is no boot record".to_owned());
        match attempt.and_then(Attempt::choose_other) {
            Ok(entry) => {
                console::emit(&console::event(name::CHOSEN).with("entry", entry));
                (Reply::Done, Some(Down::Reboot))
            }
            Err(error) => {
                let reason = format!("the machine has no root: {}; {error}", self.reason);
                (Reply::Refused { reason }, None)
            }
        }
    }

    fn reports(&self) -> Reply {
        let meta = self.attempt.and_then(Attempt::meta);
        match meta.map_or_else(|| Ok(Vec::new()), |meta| meta.reports()) {
            Ok(reports) => Reply::Reports { reports },
            Err(error) => Reply::Refused {
                reason: chain(&error),
            },
        }
    }

    fn status(&self) -> Status {
        let attempt = self.attempt;
        let meta = attempt.and_then(Attempt::meta);
        Status {
            name: attempt.map(Attempt::name).unwrap_or_default(),
            version: attempt.map(Attempt::version).unwrap_or_default(),
            profile: String::new(),
            slot: attempt.and_then(Attempt::slot),
            entry: attempt.and_then(Attempt::entry_name),
            slots: attempt.map(Attempt::slots).unwrap_or_default(),
            quarantine: meta.map_or_else(Vec::new, |meta| meta.record().quarantine.clone()),
            boot: BootState::Degraded,
            reason: None,
            uptime_ms: clock::since_boot_ms(),
            init_rss_kib: resident_kib(),
            address: None,
            warnings: vec![self.reason.to_owned()],
            services: Vec::new(),
            phases: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_why_and_ends_when_asked() {
        let rescue = Rescue::new(None, "the slot is corrupt", None);
        let (Reply::Status(status), None) = rescue.answer(&Request::Status) else {
            panic!("expected a status");
        };
        assert_eq!(status.boot, BootState::Degraded);
        assert_eq!(status.warnings, ["the slot is corrupt"]);
        let reports = Reply::Reports {
            reports: Vec::new(),
        };
        assert_eq!(rescue.answer(&Request::Report), (reports, None));
        for (request, expected) in [
            (Request::Poweroff, Down::Poweroff),
            (Request::Reboot, Down::Reboot),
        ] {
            assert_eq!(rescue.answer(&request), (Reply::Done, Some(expected)));
        }
        let (refused, end) = rescue.answer(&Request::Rollback);
        assert!(matches!(refused, Reply::Refused { reason } if reason.contains("corrupt")));
        assert_eq!(end, None);
    }
}
