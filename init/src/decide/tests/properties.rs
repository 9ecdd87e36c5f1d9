//! What holds in every order of events.

use std::rc::Rc;

use bedplate_contract::{
    control::{BootState, UpgradeStep},
    meta::Outcome,
    service::{Kind, RestartWhen},
};
use proptest::prelude::*;

use crate::decide::{
    Action, Checked, Entry, Event, Exit, Facts, Fallback, How, Order, ProbeKind, ServiceId,
    Soundness, State, Work, decide, fixture,
};

/// Five services: a chain of three with probes, a oneshot, and one that is due every other minute.
fn state() -> State {
    let mut services: Vec<_> = ["a", "b", "c", "d", "e"].map(fixture::service).into();
    services[0].ready = Some(fixture::probe());
    services[1].requires = vec!["a".to_owned()];
    services[1].live = Some(fixture::probe());
    services[1].wait = vec![fixture::wait(), fixture::wait()];
    services[2].requires = vec!["b".to_owned(), "d".to_owned()];
    services[2].essential = false;
    services[3].kind = Kind::Oneshot;
    services[3].after = vec!["a".to_owned()];
    services[4].kind = Kind::Scheduled;
    services[4].schedule = "*/2 * * * *".parse().ok();
    services[4].requires = vec!["a".to_owned()];
    services[4].essential = false;
    services[4].restart.when = RestartWhen::OnFailure;
    State::new(Rc::new(fixture::appliance(services)), 0, 7)
}

fn service() -> impl Strategy<Value = ServiceId> {
    (0..5_usize).prop_map(ServiceId)
}

fn result() -> impl Strategy<Value = Result<(), String>> {
    prop_oneof![Just(Ok(())), Just(Err("no".to_owned()))]
}

fn event() -> impl Strategy<Value = Event> {
    let probe = prop_oneof![
        Just(ProbeKind::Startup),
        Just(ProbeKind::Ready),
        Just(ProbeKind::Live),
        Just(ProbeKind::Check(0))
    ];
    let outcome = result();
    prop_oneof![
        6 => Just(Event::Tick),
        4 => (service(), 1..9_u32).prop_map(|(service, pid)| Event::Started { service, pid }),
        1 => service().prop_map(|service| Event::StartFailed { service, reason: "no".to_owned() }),
        2 => (service(), 0..2_i32).prop_map(|(service, status)| Event::Exited {
            service,
            exit: Exit::Status(status),
        }),
        6 => (service(), 1..5_u32, probe, outcome).prop_map(|(service, run, probe, outcome)| {
            Event::Probed { service, run, check: Checked { probe, outcome } }
        }),
        4 => (service(), 1..4_u32, 0..2_usize, result()).prop_map(|(service, run, condition, outcome)| {
            Event::Awaited { service, run, condition, outcome }
        }),
        1 => service().prop_map(|service| Event::Restart { service, client: 1 }),
        1 => service().prop_map(|service| Event::Stop { service, client: 1 }),
        1 => service().prop_map(|service| Event::Start { service, client: 1 }),
        1 => Just(Event::Blessed(Ok("x".to_owned()))),
        1 => Just(Event::Blessed(Err("x".to_owned()))),
        1 => Just(Event::MarkedBad(Ok("x".to_owned()))),
        1 => Just(Event::MarkedBad(Err("x".to_owned()))),
        2 => Just(Event::OtherChecked(Soundness::Sound)),
        1 => Just(Event::OtherChecked(Soundness::Rotten("x".to_owned()))),
        1 => Just(Event::OtherChecked(Soundness::Unknown("x".to_owned()))),
        1 => Just(Event::OtherMarkedBad(Ok("x".to_owned()))),
        2 => (service(), any::<bool>()).prop_map(|(service, stops)| Event::Run {
            service,
            work: work(stops),
            client: 4,
        }),
        3 => (0..600_u64).prop_map(|seconds| Event::Clock(seconds * 1000)),
        1 => any::<u64>().prop_map(Event::Clock),
        1 => Just(Event::Rollback { client: 2 }),
        1 => Just(Event::Upgrade { order: order(), client: 3 }),
        1 => Just(Event::UpgradeEnded(Ok(()))),
        1 => Just(Event::Rescanned(Fallback::Blessed)),
        1 => Just(Event::Rescanned(Fallback::Absent)),
        1 => any::<bool>().prop_map(Event::Addressed),
    ]
}

/// `b`, and with it `c`, may have to be out of the way.
fn work(stops: bool) -> Work {
    let stops = stops.then(|| "b".to_owned());
    Work {
        stops: stops.into_iter().collect(),
        ..Work::default()
    }
}

fn order() -> Order {
    Order {
        source: None,
        step: UpgradeStep::All,
        force: false,
    }
}

fn facts() -> impl Strategy<Value = Facts> {
    let entry = prop_oneof![Just(Entry::Trial), Just(Entry::Blessed)];
    let fallback = prop_oneof![
        Just(Fallback::Absent),
        Just(Fallback::Trial),
        Just(Fallback::Blessed)
    ];
    (entry, fallback).prop_map(|(entry, fallback)| Facts {
        entry,
        fallback,
        ..Facts::default()
    })
}

/// Whether the services that `id` requires are all good.
fn requirements_hold(state: &State, id: ServiceId) -> bool {
    let required = &state.appliance().services[id.0].requires;
    let services = state.services();
    let good = |name: &String| {
        let found = services.iter().find(|s| s.name == *name);
        found.is_some_and(|s| ["ready", "done"].contains(&s.state.as_str()))
    };
    required.iter().all(good)
}

proptest! {
    #[test]
    fn invariants_hold(
        facts in facts(),
        steps in prop::collection::vec((event(), 0..3000_u64), 1..200),
    ) {
        let mut state = state();
        let (mut now, mut passed, mut ended) = (0, false, false);
        let mut starts: [Vec<u64>; 5] = Default::default();
        let mut held = [0; 5];
        // Each time of the last one begins with a full budget.
        let mut restarted = [false, false, false, false, true];
        let mut unanswered = 0_usize;
        let (mut asked, mut upgrades) = (false, false);
        let (mut fallback, mut left_for) = (facts.fallback, Fallback::Absent);
        let first = (Event::Begin(facts.clone()), 0);
        for (event, ms) in std::iter::once(first).chain(steps) {
            now += ms;
            match event {
                Event::Restart { service, .. } | Event::Start { service, .. } => restarted[service.0] = true,
                Event::Run { service, ref work, .. } => {
                    unanswered += 1;
                    restarted[service.0] = true;
                    if !work.stops.is_empty() {
                        restarted[1..3].fill(true);
                    }
                }
                Event::Rollback { .. } => asked = true,
                Event::Rescanned(found) => fallback = found,
                _ => {}
            }
            let answered = match &event {
                Event::Awaited { service, outcome, .. } => Some((service.0, outcome.is_ok())),
                _ => None,
            };
            let before = state.services();
            let Ok(actions) = decide(&mut state, now, event) else {
                prop_assert_eq!(state.services(), before, "a refused event changed something");
                continue;
            };
            if let Some((service, true)) = answered {
                held[service] += 1;
            }
            for action in actions {
                match action {
                    Action::Emit(line) => {
                        passed |= line.name == "gate.passed";
                        upgrades &= line.name != "upgrade.ended";
                    }
                    Action::Bless => {
                        prop_assert!(passed, "blessed before the gate");
                        prop_assert_eq!(facts.entry, Entry::Trial);
                    }
                    Action::MarkBad => {
                        left_for = fallback;
                        let leaves = fallback == Fallback::Blessed && asked;
                        prop_assert!(leaves || (!passed && facts.entry == Entry::Trial));
                    }
                    Action::Report(verdict) => {
                        let failed =
                            matches!(verdict.outcome, Outcome::GateFailed | Outcome::Degraded);
                        let trial = facts.entry == Entry::Trial;
                        prop_assert_eq!(verdict.quarantine, failed && trial);
                    }
                    Action::Upgrade(_) => {
                        prop_assert!(!upgrades);
                        upgrades = true;
                    }
                    Action::Reply { client: 4, .. } | Action::Ran { .. } => {
                        prop_assert!(unanswered > 0, "answered twice");
                        unanswered -= 1;
                    }
                    Action::Start { service, .. } => {
                        let other = state.services()[service.0].pid;
                        prop_assert_eq!(other, None, "two processes of one service");
                        prop_assert!(requirements_hold(&state, service));
                        prop_assert!(held[service.0] >= state.appliance().services[service.0].wait.len());
                        held[service.0] = 0;
                        prop_assert!(!ended);
                        starts[service.0].push(now);
                    }
                    Action::End(how) => {
                        prop_assert_eq!(how, How::Reboot);
                        prop_assert_ne!(left_for, Fallback::Absent);
                        prop_assert!(facts.entry == Entry::Trial || asked);
                        prop_assert!(!ended, "ended twice");
                        prop_assert!(!upgrades, "ended over an upgrade");
                        ended = true;
                    }
                    _ => {}
                }
            }
            let healthy = state.boot() == BootState::Healthy;
            prop_assert!(!healthy || passed);
        }
        for (times, _) in starts.iter().zip(restarted).filter(|(_, by_hand)| !by_hand) {
            // Two restarts a minute, so the fourth start is a minute after the first. Long runs
            // give the budget back, but they last a minute themselves.
            for window in times.windows(4) {
                prop_assert!(window[3] - window[0] >= 60_000, "over budget: {:?}", window);
            }
        }
    }
}
