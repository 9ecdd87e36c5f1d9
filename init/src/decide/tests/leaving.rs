//! Leaving a version: after its gate, by an operator, and what is noted of one that never came so far.

use bedplate_contract::{
    Digest,
    control::{BootState, UpgradeStep},
    meta::Outcome,
};

use super::world::World;
use crate::decide::{
    Action, Entry, Event, Facts, Fallback, How, Order, Other, Soundness, Subject, fixture::service,
};

fn other(entry: &str, outcome: Option<Outcome>) -> Other {
    Other {
        root: Digest::of(b"other"),
        entry: entry.parse().unwrap(),
        outcome,
    }
}

fn facts(entry: Entry, fallback: Fallback) -> Facts {
    Facts {
        entry,
        fallback,
        root: Some(Digest::of(b"own")),
        ..Facts::default()
    }
}

fn begun(facts: Facts) -> World {
    let mut world = World::new(vec![service("a")]);
    world.send(Event::Begin(facts));
    world
}

/// A blessed version that runs beside another.
fn healthy(fallback: Fallback) -> World {
    let mut world = begun(facts(Entry::Blessed, fallback));
    world.pass(5000);
    assert_eq!(world.state.boot(), BootState::Healthy);
    world.take();
    world
}

fn fail_gate(world: &mut World) {
    world.take();
    for _ in 0..3 {
        world.exit(0, 1);
        world.pass(2600);
    }
}

#[test]
fn a_version_that_spent_its_tries_in_silence_is_noted() {
    for (entry, outcome, crashed) in [
        ("test_2+0-3.efi", Some(Outcome::Pending), true),
        ("test_2+0-3.efi", None, true),
        ("test_2+0-1.efi", Some(Outcome::GateFailed), false),
        ("test_2+0-3.efi", Some(Outcome::Crashed), false),
        ("test_2+0-3.efi", Some(Outcome::Stopped), false),
        ("test_2+0.efi", Some(Outcome::Pending), false),
        ("test_2+1-2.efi", Some(Outcome::Pending), false),
        ("test_2.efi", Some(Outcome::Pending), false),
    ] {
        let mut world = begun(Facts {
            other: Some(other(entry, outcome)),
            ..facts(Entry::Blessed, Fallback::Absent)
        });
        let first = world.actions[0].clone();
        let noted = world.take().starts_with(&[
            "report crashed quarantine".to_owned(),
            "!version.quarantined".to_owned(),
        ]);
        assert_eq!(noted, crashed, "{entry} {outcome:?}");
        if let Action::Report(verdict) = first {
            assert!(matches!(verdict.subject, Subject::Other(_)));
            let expected = "panic, hang, reset or power cut before the gate, 3 times";
            assert_eq!(verdict.reason.as_deref(), Some(expected));
        }
    }
}

#[test]
fn a_version_that_keeps_its_tries_is_left_to_a_loader_that_counts_alone() {
    for (counted, expected) in [(true, BootState::Stopping), (false, BootState::Degraded)] {
        let mut world = begun(Facts {
            counted,
            ..facts(Entry::Trial, Fallback::Blessed)
        });
        world.esp = Err("read-only".to_owned());
        fail_gate(&mut world);
        assert_eq!(world.state.boot(), expected, "counted {counted}");
        let actions = world.take();
        assert!(actions.contains(&"mark bad".to_owned()), "{actions:?}");
        assert!(actions.contains(&"!phase.failed".to_owned()), "{actions:?}");
    }
}

#[test]
fn a_failed_gate_starts_nothing_while_it_leaves() {
    let mut world = begun(Facts {
        faults: vec!["phase `state` failed".to_owned()],
        ..facts(Entry::Trial, Fallback::Trial)
    });
    let expected = [
        "!gate.failed",
        "check other",
        "report gate-failed quarantine",
        "!version.quarantined",
        "mark bad",
        "!boot.bad",
        "!shutdown",
        "end reboot",
    ];
    assert_eq!(world.take(), expected);
}

#[test]
fn an_operator_goes_back_to_the_other_version() {
    let mut world = healthy(Fallback::Blessed);
    world.send(Event::Rollback { client: 7 });
    let expected = [
        "check other",
        "mark bad",
        "!boot.bad",
        "report rolled-back",
        "done 7",
        "!shutdown",
        "cancel 0",
        "signal 0 15",
    ];
    assert_eq!(world.take(), expected);
    world.exit(0, 0);
    assert_eq!(world.take().last().map(String::as_str), Some("end reboot"));
}

#[test]
fn a_version_on_trial_that_is_rolled_back_is_not_reported_as_stopped() {
    let mut world = begun(facts(Entry::Trial, Fallback::Blessed));
    world.send(Event::Rollback { client: 7 });
    let actions = world.take();
    assert!(actions.contains(&"report rolled-back".to_owned()));
    assert!(!actions.iter().any(|action| action.contains("stopped")));
}

#[test]
fn a_roll_back_that_leads_nowhere_is_refused() {
    let mut container = World::new(vec![service("a")]);
    container.send(Event::Begin(Facts::default()));
    let mut going = healthy(Fallback::Blessed);
    going.send(Event::Down(How::Reboot));
    let mut read_only = healthy(Fallback::Blessed);
    read_only.esp = Err("read-only".to_owned());
    for (mut world, expected) in [
        (container, "a container has one version only"),
        (going, "the machine goes down"),
        (
            healthy(Fallback::Trial),
            "there is no other version that has passed its gate",
        ),
        (
            healthy(Fallback::Absent),
            "there is no other version that has passed its gate",
        ),
        (read_only, "the running version keeps its entry: read-only"),
    ] {
        world.take();
        let before = world.state.boot();
        world.send(Event::Rollback { client: 7 });
        let actions = world.take();
        assert_eq!(actions.last(), Some(&format!("refused 7 {expected}")));
        assert_eq!(world.state.boot(), before);
        assert!(!actions.iter().any(|action| action.starts_with("report")));
    }
}

#[test]
fn a_rotten_slot_is_not_left_for() {
    let mut asked = healthy(Fallback::Blessed);
    asked.other = Some(Soundness::Rotten("block 7".to_owned()));
    asked.send(Event::Rollback { client: 7 });
    let expected = [
        "check other",
        "mark other bad",
        "!boot.bad",
        "refused 7 the other slot is corrupt: block 7",
    ];
    assert_eq!(asked.take(), expected);
    assert_eq!(asked.state.boot(), BootState::Healthy);
    asked.send(Event::Rollback { client: 8 });
    let expected = ["refused 8 there is no other version that has passed its gate"];
    assert_eq!(asked.take(), expected);

    let mut failed = begun(facts(Entry::Trial, Fallback::Blessed));
    failed.other = Some(Soundness::Rotten("block 7".to_owned()));
    fail_gate(&mut failed);
    assert_eq!(failed.state.boot(), BootState::Degraded);
    let actions = failed.take();
    assert!(
        actions.contains(&"report degraded quarantine".to_owned()),
        "{actions:?}"
    );
    assert!(!actions.contains(&"mark bad".to_owned()), "{actions:?}");
}

#[test]
fn a_slot_that_cannot_be_read_is_left_for_by_the_gate_alone() {
    let unknown = || Some(Soundness::Unknown("no memory".to_owned()));
    let mut asked = healthy(Fallback::Blessed);
    asked.other = unknown();
    asked.send(Event::Rollback { client: 7 });
    let refused = "refused 7 the other slot could not be verified: no memory";
    assert_eq!(asked.take(), ["check other", refused]);
    let mut failed = begun(facts(Entry::Trial, Fallback::Blessed));
    failed.other = unknown();
    fail_gate(&mut failed);
    assert_eq!(failed.state.boot(), BootState::Stopping);
}

#[test]
fn a_check_that_does_not_end_is_given_up() {
    let mut world = healthy(Fallback::Blessed);
    world.other = None;
    world.send(Event::Rollback { client: 7 });
    for (event, refusal) in [
        (
            Event::Rollback { client: 8 },
            "refused 8 the other slot is being verified",
        ),
        (
            Event::Upgrade {
                order: Order {
                    source: None,
                    step: UpgradeStep::All,
                    force: false,
                },
                client: 9,
            },
            "refused 9 the other slot is being verified",
        ),
    ] {
        world.send(event);
        assert_eq!(world.take().last().map(String::as_str), Some(refusal));
    }
    world.pass(600_000);
    let actions = world.take();
    let refused = "refused 7 the other slot could not be verified: it was not read within 600 s";
    assert_eq!(actions, ["kill check", refused]);
    assert!(
        world
            .try_send(Event::OtherChecked(Soundness::Sound))
            .is_err()
    );
}

#[test]
fn services_go_on_while_the_other_slot_is_read_for_an_operator() {
    let mut world = healthy(Fallback::Blessed);
    world.other = None;
    world.send(Event::Rollback { client: 7 });
    world.exit(0, 1);
    world.pass(3000);
    assert!(
        world
            .take()
            .iter()
            .any(|action| action.starts_with("start 0"))
    );
    world.send(Event::OtherChecked(Soundness::Sound));
    assert!(world.take().contains(&"done 7".to_owned()));
}

#[test]
fn what_a_rescan_finds_during_the_check_counts() {
    let mut asked = healthy(Fallback::Blessed);
    asked.other = None;
    asked.send(Event::Rollback { client: 7 });
    asked.send(Event::Rescanned(Fallback::Absent));
    asked.take();
    asked.send(Event::OtherChecked(Soundness::Sound));
    let expected = ["refused 7 there is no other version that has passed its gate"];
    assert_eq!(asked.take(), expected);
}

#[test]
fn an_entry_that_cannot_be_renamed_leaves_a_healthy_machine_that_says_so() {
    let mut world = begun(facts(Entry::Trial, Fallback::Blessed));
    world.esp = Err("read-only".to_owned());
    world.take();
    world.pass(5000);
    let expected = [
        "!gate.passed",
        "bless",
        "!phase.failed",
        "report blessed",
        "!boot.healthy",
    ];
    assert_eq!(world.take(), expected);
    let warning = world.state.warning().unwrap();
    assert!(warning.ends_with(": read-only"), "{warning}");
    // Less and less often: 30 s, a minute, two, four.
    world.pass(8 * 60_000);
    let tries = world.take().into_iter().filter(|action| action == "bless");
    assert_eq!(tries.count(), 4);
    world.esp = Ok(());
    world.pass(8 * 60_000);
    assert_eq!(world.take(), ["bless", "!boot.blessed"]);
    assert_eq!(world.state.warning(), None);
}

#[test]
fn a_version_that_the_record_has_blessed_is_not_on_trial() {
    let mut world = begun(Facts {
        proven: true,
        ..facts(Entry::Trial, Fallback::Blessed)
    });
    fail_gate(&mut world);
    assert_eq!(world.state.boot(), BootState::Degraded);
    let actions = world.take();
    assert!(
        actions.contains(&"report degraded".to_owned()),
        "{actions:?}"
    );
    assert!(!actions.contains(&"mark bad".to_owned()), "{actions:?}");
}

#[test]
fn a_roll_back_is_not_overtaken_by_the_gate() {
    let mut late = service("a");
    late.ready = Some(crate::decide::fixture::probe());
    let mut world = World::new(vec![late]);
    world.send(Event::Begin(facts(Entry::Trial, Fallback::Blessed)));
    world.take();
    world.now = 60_000;
    world.send(Event::Rollback { client: 7 });
    let actions = world.take();
    let marks = actions.iter().filter(|action| *action == "mark bad");
    assert_eq!(marks.count(), 1, "{actions:?}");
    assert!(actions.contains(&"done 7".to_owned()), "{actions:?}");
}

#[test]
fn what_a_rescan_finds_counts() {
    let mut world = healthy(Fallback::Absent);
    world.send(Event::Rescanned(Fallback::Blessed));
    world.send(Event::Rollback { client: 7 });
    assert!(world.take().contains(&"done 7".to_owned()));
}

#[test]
fn a_boot_that_is_cut_short_on_purpose_says_nothing_against_its_version() {
    for (entry, reported) in [
        (Entry::Trial, true),
        (Entry::Blessed, true),
        (Entry::Container, false),
    ] {
        let mut world = begun(facts(entry, Fallback::Absent));
        world.take();
        world.send(Event::Down(How::Reboot));
        world.send(Event::Down(How::Poweroff));
        let actions = world.take();
        let reports = actions.iter().filter(|action| *action == "report stopped");
        assert_eq!(reports.count(), usize::from(reported), "{entry:?}");
    }
    let mut world = healthy(Fallback::Absent);
    world.send(Event::Down(How::Reboot));
    assert!(!world.take().contains(&"report stopped".to_owned()));
}
