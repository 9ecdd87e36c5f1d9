//! Thresholds and times of probes, with the meaning that Kubernetes gives them.
//!
//! Source: Kubernetes, "Configure Liveness, Readiness and Startup Probes".

use bedplate_contract::service::{Probe, Service};

/// Which of a service's probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeKind {
    /// Holds the others back until it first succeeds; its failure ends the run.
    Startup,
    /// Decides whether the service is ready.
    Ready,
    /// Its failure ends the run.
    Live,
}

impl ProbeKind {
    /// All, in the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Ready, Self::Live];

    /// The probe of this kind that `service` declares.
    pub fn of(self, service: &Service) -> Option<&Probe> {
        match self {
            Self::Startup => service.startup.as_ref(),
            Self::Ready => service.ready.as_ref(),
            Self::Live => service.live.as_ref(),
        }
    }

    /// The word for messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Ready => "ready",
            Self::Live => "live",
        }
    }
}

/// What a probe says after one more check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Neither threshold is reached.
    Open,
    /// Enough successes in a row.
    Good,
    /// Enough failures in a row.
    Bad,
}

/// The probes of one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes([Option<Tally>; 3]);

/// The checks of one probe so far.
#[derive(Debug, Clone, Default)]
struct Tally {
    /// When the next check begins; `None` while one is in flight.
    due: Option<u64>,
    /// When the last check began.
    began: u64,
    successes: u32,
    failures: u32,
}

impl Probes {
    /// Plans the first checks of a run that begins `now`.
    pub fn begin(service: &Service, now: u64) -> Self {
        let mut probes = Self::default();
        if service.startup.is_some() {
            probes.plan(service, ProbeKind::Startup, (now, now));
        } else {
            probes.release(service, (now, now));
        }
        probes
    }

    /// Plans the probes that a startup probe held back.
    pub fn release(&mut self, service: &Service, (since, now): (u64, u64)) {
        self.0[ProbeKind::Startup as usize] = None;
        self.plan(service, ProbeKind::Ready, (since, now));
        self.plan(service, ProbeKind::Live, (since, now));
    }

    fn plan(&mut self, service: &Service, kind: ProbeKind, (since, now): (u64, u64)) {
        self.0[kind as usize] = kind.of(service).map(|probe| Tally {
            due: Some(since.saturating_add(probe.delay_ms).max(now)),
            ..Tally::default()
        });
    }

    /// Whether a check of `kind` is due; it then counts as begun.
    pub fn take_due(&mut self, kind: ProbeKind, now: u64) -> bool {
        let Some(tally) = &mut self.0[kind as usize] else {
            return false;
        };
        let due = tally.due.is_some_and(|due| due <= now);
        if due {
            tally.due = None;
            tally.began = now;
        }
        due
    }

    /// Counts one outcome; `None` when no check of `kind` was in flight.
    pub fn record(&mut self, kind: ProbeKind, probe: &Probe, outcome: Outcome) -> Option<Finding> {
        let tally = self.0[kind as usize].as_mut()?;
        if tally.due.is_some() {
            return None;
        }
        tally.due = Some(tally.began.saturating_add(probe.period_ms).max(outcome.now));
        Some(tally.count(probe, outcome.good))
    }

    /// The first moment at which a check is due.
    pub fn deadline(&self) -> Option<u64> {
        self.0.iter().flatten().filter_map(|tally| tally.due).min()
    }
}

/// The outcome of one check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// When it ended.
    pub now: u64,
    /// Whether it was a success.
    pub good: bool,
}

impl Tally {
    fn count(&mut self, probe: &Probe, good: bool) -> Finding {
        if good {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            let enough = self.successes >= probe.success_threshold;
            return if enough { Finding::Good } else { Finding::Open };
        }
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        let enough = self.failures >= probe.failure_threshold;
        if enough { Finding::Bad } else { Finding::Open }
    }
}
