//! Checks of a service: told, and held against the gate alone.

use bedplate_contract::{
    control::BootState,
    service::{NamedCheck, Service},
};

use super::world::World;
use crate::decide::{Action, Fallback, ProbeKind, fixture};

const FIRST: (u32, ProbeKind) = (1, ProbeKind::Check(0));

/// A daemon, ready at once, that is asked every second; the first answer counts, as does the second
/// bad one in a row.
fn checked(gate: bool) -> Service {
    let mut probe = fixture::probe();
    probe.success_threshold = 1;
    let mut service = fixture::service("a");
    service.checks = vec![NamedCheck {
        name: "tables".to_owned(),
        probe,
        gate,
    }];
    service
}

/// The reason of the last event of this name.
fn reason(world: &World, name: &str) -> Option<String> {
    let lines = world
        .actions
        .iter()
        .rev()
        .filter_map(|action| match action {
            Action::Emit(line) if line.name == name => line.field("reason"),
            _ => None,
        });
    lines.map(str::to_owned).next()
}

#[test]
fn a_check_is_asked_once_its_service_is_ready_and_told_when_it_changes() {
    let mut world = World::begun(vec![checked(false)], Fallback::Absent);
    assert_eq!(
        world.take(),
        ["start 0 1", "!service.started", "!service.ready"]
    );
    world.pass(0);
    assert_eq!(world.take(), ["check 0"]);
    for (good, expected) in [
        (true, &["!check.passed"][..]),
        (true, &[]),
        (false, &[]),
        (false, &["!check.failed"]),
        (false, &[]),
        (true, &["!check.passed"]),
    ] {
        world.check(0, FIRST, good);
        assert_eq!(world.take(), expected);
        world.pass(1000);
        let asked = world.take();
        assert!(asked.contains(&"check 0".to_owned()), "{asked:?}");
    }
    // Whatever it came to, the service was ready all the time, and nobody ended it.
    assert_eq!(world.state_of(0), "ready");
    assert_eq!(world.state.services()[0].restarts, 0);
}

#[test]
fn the_gate_waits_for_its_own_checks_alone() {
    for (gate, boot) in [(false, BootState::Healthy), (true, BootState::Gating)] {
        let mut world = World::begun(vec![checked(gate)], Fallback::Absent);
        world.pass(0);
        for _ in 0..10 {
            world.check(0, FIRST, false);
            world.pass(1000);
        }
        assert_eq!(world.state.boot(), boot);
        // The report has the check that does not hold, whether it counts or not.
        let reported = world.actions.iter().any(|action| match action {
            Action::Report(verdict) => verdict.services[0].checks[0].good == Some(false),
            _ => false,
        });
        assert_eq!(reported, boot == BootState::Healthy);
        world.check(0, FIRST, true);
        world.pass(5000);
        assert_eq!(world.state.boot(), BootState::Healthy);
    }
}

#[test]
fn a_check_that_never_holds_fails_the_gate_with_its_words() {
    let mut world = World::begun(vec![checked(true)], Fallback::Absent);
    world.pass(0);
    for _ in 0..60 {
        world.check(0, FIRST, false);
        world.pass(1000);
    }
    let expected = "not ready: a within 60 s; a: check `tables`: no";
    assert_eq!(reason(&world, "gate.failed").as_deref(), Some(expected));
    assert_eq!(world.state.boot(), BootState::Degraded);
}

#[test]
fn another_run_is_asked_anew() {
    let mut world = World::begun(vec![checked(false)], Fallback::Absent);
    world.pass(0);
    world.check(0, FIRST, true);
    let good = |world: &World| world.state.services()[0].checks[0].good;
    assert_eq!(good(&world), Some(true));
    world.exit(0, 1);
    world.pass(2600);
    assert_eq!(good(&world), None);
    assert!(world.take().contains(&"check 0".to_owned()));
    // What an earlier run was asked says nothing of this one.
    assert!(world.try_check(0, FIRST, true).is_err());
    world.check(0, (2, ProbeKind::Check(0)), true);
    assert_eq!(good(&world), Some(true));
}
