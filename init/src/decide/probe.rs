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
    /// The check at this place: its failure is told.
    Check(usize),
}

impl ProbeKind {
    /// All that `service` may have, in the order in which they are asked.
    pub fn all(service: &Service) -> impl Iterator<Item = Self> + use<> {
        let checks = (0..service.checks.len()).map(Self::Check);
        [Self::Startup, Self::Ready, Self::Live]
            .into_iter()
            .chain(checks)
    }

    /// The probe of this kind that `service` declares.
    pub fn of(self, service: &Service) -> Option<&Probe> {
        match self {
            Self::Startup => service.startup.as_ref(),
            Self::Ready => service.ready.as_ref(),
            Self::Live => service.live.as_ref(),
            Self::Check(at) => service.checks.get(at).map(|check| &check.probe),
        }
    }

    /// The word for messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Ready => "ready",
            Self::Live => "live",
            Self::Check(_) => "check",
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

/// The probes of one run, and its checks once it was ready.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    startup: Option<Tally>,
    ready: Option<Tally>,
    live: Option<Tally>,
    checks: Vec<Tally>,
}

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
        self.startup = None;
        self.plan(service, ProbeKind::Ready, (since, now));
        self.plan(service, ProbeKind::Live, (since, now));
    }

    /// Plans the first round of checks of a service that is ready `now`, unless there was one.
    pub fn plan_checks(&mut self, service: &Service, now: u64) {
        if self.checks.is_empty() {
            let checks = service.checks.iter();
            self.checks = checks
                .map(|check| Tally::begin(&check.probe, (now, now)))
                .collect();
        }
    }

    fn plan(&mut self, service: &Service, kind: ProbeKind, times: (u64, u64)) {
        let planned = kind.of(service).map(|probe| Tally::begin(probe, times));
        match kind {
            ProbeKind::Startup => self.startup = planned,
            ProbeKind::Ready => self.ready = planned,
            ProbeKind::Live => self.live = planned,
            ProbeKind::Check(_) => {}
        }
    }

    fn tally(&mut self, kind: ProbeKind) -> Option<&mut Tally> {
        match kind {
            ProbeKind::Startup => self.startup.as_mut(),
            ProbeKind::Ready => self.ready.as_mut(),
            ProbeKind::Live => self.live.as_mut(),
            ProbeKind::Check(at) => self.checks.get_mut(at),
        }
    }

    /// Whether a check of `kind` is due; it then counts as begun.
    pub fn take_due(&mut self, kind: ProbeKind, now: u64) -> bool {
        let Some(tally) = self.tally(kind) else {
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
        let tally = self.tally(kind)?;
        if tally.due.is_some() {
            return None;
        }
        tally.due = Some(tally.began.saturating_add(probe.period_ms).max(outcome.now));
        Some(tally.count(probe, outcome.good))
    }

    /// The first moment at which a check is due.
    pub fn deadline(&self) -> Option<u64> {
        let probes = [&self.startup, &self.ready, &self.live]
            .into_iter()
            .flatten();
        probes
            .chain(&self.checks)
            .filter_map(|tally| tally.due)
            .min()
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
    /// One whose first check is due after the probe's delay `since` then, and not before `now`.
    fn begin(probe: &Probe, (since, now): (u64, u64)) -> Self {
        Self {
            due: Some(since.saturating_add(probe.delay_ms).max(now)),
            ..Self::default()
        }
    }

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
