//! Scheduled services: when they are due, by a wall clock that may be set at any time.
//!
//! Once a minute the clock is looked at. Between two looks it goes as far as the machine's own time,
//! or it was set. The rule is that of cron(8): a step of less than three hours is taken as time that
//! went by, so that what it skipped runs once and what it repeats does not run again; a larger one
//! corrects the clock, and all times are counted anew from there. What was missed while the machine
//! was off is not made up for.

use bedplate_contract::{
    control::{LastRun, ScheduleStatus},
    event::name,
    service::Kind,
    utc::Time,
};

use super::{
    Action, State, Turn,
    service::{Phase, Unit},
};

/// Milliseconds of a minute, which is how exact a schedule is.
const MINUTE_MS: u64 = 60_000;

/// Milliseconds by which a clock is set, not moved: three hours, cron(8).
const CORRECTION_MS: u64 = 3 * 60 * MINUTE_MS;

/// Seconds of a wall clock in milliseconds.
const SECOND_MS: u64 = 1000;

/// The wall clock as it was seen last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    /// When it is looked at again; `None` while nobody needs it.
    look_at: Option<u64>,
    seen: Option<Seen>,
}

/// One look.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// When, in milliseconds since the kernel started.
    at: u64,
    /// What it showed, in milliseconds since the start of 1970.
    wall_ms: u64,
}

impl Clock {
    /// When it next needs a tick.
    pub const fn deadline(&self) -> Option<u64> {
        self.look_at
    }

    /// What it must show now, if nobody set it since.
    pub fn wall_ms(&self, now: u64) -> Option<u64> {
        let passed = |seen: Seen| now.saturating_sub(seen.at);
        self.seen
            .map(|seen| seen.wall_ms.saturating_add(passed(seen)))
    }

    /// Looks no more: nothing is started any longer.
    pub const fn stop(&mut self) {
        self.look_at = None;
    }

    /// Notes a look; returns whether the clock was set since the last one, or is seen for the first
    /// time.
    fn see(&mut self, now: u64, wall_ms: u64) -> bool {
        let expected = self.wall_ms(now);
        self.seen = Some(Seen { at: now, wall_ms });
        self.look_at = Some(now.saturating_add(MINUTE_MS - wall_ms % MINUTE_MS));
        expected.is_none_or(|expected| expected.abs_diff(wall_ms) >= CORRECTION_MS)
    }
}

impl State {
    /// Looks at the clock for the first time, if anything is scheduled.
    pub(super) fn begin_schedules(&self, turn: &mut Turn) {
        let mut kinds = self.units.iter().map(|unit| unit.spec.kind);
        if kinds.any(|kind| kind == Kind::Scheduled) {
            turn.act(Action::ReadClock);
        }
    }

    /// Asks for the clock when it is time; answered by [`super::Event::Clock`].
    pub(super) fn look_at_clock(&mut self, turn: &mut Turn) {
        if self.clock.look_at.is_some_and(|at| at <= turn.now) {
            self.clock.stop();
            turn.act(Action::ReadClock);
        }
    }

    /// Takes what the clock shows: what is due waits to be started, each service once however much
    /// of its time has gone by.
    pub(super) fn clock_read(&mut self, wall_ms: u64, turn: &mut Turn) {
        if self.down.is_some() {
            return;
        }
        let set = self.clock.see(turn.now, wall_ms);
        turn.wall_ms = Some(wall_ms);
        let wall = wall_ms / SECOND_MS;
        for unit in &mut self.units {
            let due = unit.next.is_some_and(|next| next <= wall);
            if due && !set {
                unit.come_due(turn);
            }
            if due || set {
                let cron = unit.spec.schedule.as_ref();
                unit.next = cron.and_then(|cron| cron.next_after(wall));
            }
        }
    }
}

impl Unit {
    /// Its time has come; one that still runs or waits is not started twice.
    fn come_due(&mut self, turn: &mut Turn) {
        if self.phase == Phase::Scheduled {
            return self.renew();
        }
        let line = turn.line(name::SCHEDULE_SKIPPED);
        let line = line.with("name", &self.spec.name);
        turn.emit(line.with("because", format!("it is {}", self.word())));
    }

    /// Notes how a scheduled service ran.
    pub(super) fn note_run(&mut self, good: bool, result: &str, turn: &Turn) {
        self.last = Some(LastRun {
            ended: turn.wall_ms.map(|ms| Time::new(ms / SECOND_MS)),
            ms: self.ran,
            good,
            result: result.to_owned(),
        });
    }

    /// Times and last result, of a scheduled service.
    pub(super) fn schedule_status(&self) -> Option<ScheduleStatus> {
        (self.spec.kind == Kind::Scheduled).then(|| ScheduleStatus {
            cron: self.spec.schedule.clone(),
            next: self.next.map(Time::new),
            last: self.last.clone(),
        })
    }
}
