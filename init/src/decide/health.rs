//! What probes do to a service.

use bedplate_contract::{event::name, service::Kind};

use super::{
    Action, Checked, ProbeKind, TransitionError, Turn,
    probe::{Finding, Outcome},
    service::{Phase, Unit},
    stop::Then,
};

impl Unit {
    /// Asks for the checks that are due.
    pub(super) fn begin_checks(&mut self, turn: &mut Turn) {
        let Some(run) = &mut self.run else { return };
        if self.spec.kind != Kind::Daemon {
            return;
        }
        for probe in ProbeKind::all(&self.spec) {
            if run.probes.take_due(probe, turn.now) {
                turn.act(Action::Probe {
                    service: self.id,
                    run: self.starts,
                    probe,
                });
            }
        }
    }

    /// Takes the outcome of one check.
    pub(super) fn probed(
        &mut self,
        run: u32,
        check: Checked,
        turn: &mut Turn,
    ) -> Result<(), TransitionError> {
        let now = turn.now;
        let good = check.outcome.is_ok();
        let stale = run != self.starts || matches!(self.phase, Phase::Stopping(_));
        let finding = match (&mut self.run, check.probe.of(&self.spec)) {
            (Some(run), Some(spec)) if !stale => {
                run.probes.record(check.probe, spec, Outcome { now, good })
            }
            _ => None,
        };
        let Some(finding) = finding else {
            return Err(self.refuse("stale probe result"));
        };
        match (check.probe, check.outcome) {
            (ProbeKind::Check(at), outcome) => self.checked(at, (finding, outcome), turn),
            (probe, outcome) => {
                if let Err(reason) = outcome {
                    self.because = Some(format!("{} probe: {reason}", probe.word()));
                }
                self.conclude(probe, finding, turn);
            }
        }
        Ok(())
    }

    fn conclude(&mut self, probe: ProbeKind, finding: Finding, turn: &mut Turn) {
        match (probe, finding) {
            (_, Finding::Open) | (ProbeKind::Live, Finding::Good) => self.forgive(),
            (ProbeKind::Startup, Finding::Good) => self.release(turn),
            (ProbeKind::Ready, Finding::Good) => self.become_ready(turn),
            (ProbeKind::Ready, Finding::Bad) => self.become_unready(turn),
            (ProbeKind::Startup | ProbeKind::Live, Finding::Bad) => self.condemn(turn),
            // `checked` takes those.
            (ProbeKind::Check(_), _) => {}
        }
    }

    /// A ready service needs no excuse for a single failed check.
    fn forgive(&mut self) {
        if self.is_good() {
            self.because = None;
        }
    }

    fn release(&mut self, turn: &mut Turn) {
        if let Some(run) = &mut self.run {
            run.probes.release(&self.spec, (run.since, turn.now));
        }
        if self.spec.ready.is_none() {
            self.become_ready(turn);
        }
    }

    /// Declares the service ready.
    pub(super) fn become_ready(&mut self, turn: &mut Turn) {
        self.because = None;
        if self.phase == Phase::Ready {
            return;
        }
        self.phase = Phase::Ready;
        self.begin_asking(turn);
        let since = self.run.as_ref().map_or(turn.now, |run| run.since);
        let line = turn.line(name::SERVICE_READY);
        let ms = turn.now.saturating_sub(since);
        turn.emit(line.with("name", &self.spec.name).with("ms", ms));
    }

    fn become_unready(&mut self, turn: &mut Turn) {
        if self.phase != Phase::Ready {
            return;
        }
        self.phase = Phase::Unready;
        let reason = self.because.clone().unwrap_or_default();
        let line = turn.line(name::SERVICE_UNREADY);
        turn.emit(line.with("name", &self.spec.name).with("reason", reason));
    }

    /// Ends a run that a probe found dead; the restart policy decides what follows.
    fn condemn(&mut self, turn: &mut Turn) {
        let reason = self.because.clone().unwrap_or_default();
        self.stop_by_signal(Then::Policy(reason), turn);
    }
}
