//! Scenes, event by event.

use bedplate_contract::{
    control::BootState,
    service::{Kind, Service, StopHttp},
};

use super::world::World;
use crate::decide::{
    Entry, Event, Facts, Fallback, How, ProbeKind, ServiceId,
    fixture::{probe, service},
};

fn requiring(name: &str, required: &str) -> Service {
    Service {
        requires: vec![required.to_owned()],
        ..service(name)
    }
}

fn probed(name: &str) -> Service {
    Service {
        ready: Some(probe()),
        ..service(name)
    }
}

#[test]
fn a_good_boot_is_blessed_once() {
    let mut world = World::begun(vec![service("a")], Fallback::Absent);
    assert_eq!(
        world.take(),
        ["start 0 1", "!service.started", "!service.ready"]
    );
    world.pass(4999);
    assert_eq!(world.take(), [""; 0]);
    world.pass(1);
    let expected = [
        "!gate.passed",
        "bless",
        "!boot.blessed",
        "report blessed",
        "!boot.healthy",
    ];
    assert_eq!(world.take(), expected);
    assert_eq!(world.state.boot(), BootState::Healthy);
    world.pass(100_000);
    assert_eq!(world.take(), [""; 0]);
}

#[test]
fn dependants_wait_and_say_why() {
    let mut world = World::begun(vec![probed("a"), requiring("b", "a")], Fallback::Absent);
    assert_eq!(
        world.take(),
        ["start 0 1", "!service.started", "!service.waiting"]
    );
    let because = world.state.services()[1].because.clone();
    assert_eq!(
        because.as_deref(),
        Some("waiting for a because it is starting")
    );
    world.pass(0);
    assert_eq!(world.take(), ["ready 0"]);
    world.check(0, (1, ProbeKind::Ready), true);
    world.pass(1000);
    assert_eq!(world.take(), ["ready 0"], "one success of two");
    world.check(0, (1, ProbeKind::Ready), true);
    let expected = [
        "!service.ready",
        "start 1 1",
        "!service.started",
        "!service.ready",
    ];
    assert_eq!(world.take(), expected);
}

#[test]
fn a_service_that_wavers_holds_the_gate() {
    let mut world = World::begun(vec![probed("a")], Fallback::Absent);
    for good in [true, true, true, false, false] {
        world.pass(1000);
        world.check(0, (1, ProbeKind::Ready), good);
    }
    assert_eq!(world.state_of(0), "unready");
    world.take();
    world.pass(100_000);
    let actions = world.take();
    assert!(actions.contains(&"!gate.failed".to_owned()), "{actions:?}");
    assert!(!actions.contains(&"bless".to_owned()));
}

#[test]
fn a_failed_gate_leaves_for_another_entry() {
    let mut world = World::begun(vec![service("a"), service("b")], Fallback::Blessed);
    for _ in 0..3 {
        world.exit(0, 1);
        world.pass(2600);
    }
    let actions = world.take();
    let at = |word: &str| actions.iter().position(|action| action == word);
    let order = [
        "!service.failed",
        "!gate.failed",
        "report gate-failed quarantine",
        "!version.quarantined",
        "mark bad",
        "!shutdown",
        "signal 1 15",
    ];
    let places = order.map(at);
    assert!(places[0].is_some() && places.is_sorted(), "{actions:?}");
    world.exit(1, 0);
    assert_eq!(world.take().last().map(String::as_str), Some("end reboot"));
}

#[test]
fn a_failed_gate_without_another_entry_stays() {
    let mut world = World::begun(vec![service("a"), service("b")], Fallback::Absent);
    for _ in 0..3 {
        world.exit(0, 1);
        world.pass(2600);
    }
    assert_eq!(world.state.boot(), BootState::Degraded);
    assert_eq!(world.state_of(1), "ready");
    let actions = world.take();
    for expected in [
        "report degraded quarantine",
        "!version.quarantined",
        "!boot.degraded",
        "mark bad",
        "!boot.bad",
    ] {
        assert!(
            actions.iter().any(|action| action == expected),
            "{actions:?}"
        );
    }
    assert!(!actions.iter().any(|action| action.starts_with("end")));
}

#[test]
fn a_blessed_version_is_never_marked_bad() {
    let mut world = World::new(vec![service("a")]);
    world.send(Event::Begin(Facts {
        entry: Entry::Blessed,
        fallback: Fallback::Blessed,
        faults: vec!["phase `state` failed".to_owned()],
        ..Facts::default()
    }));
    assert_eq!(world.state.boot(), BootState::Degraded);
    let expected = [
        "!gate.failed",
        "report degraded",
        "!boot.degraded",
        "start 0 1",
        "!service.started",
        "!service.ready",
    ];
    assert_eq!(world.take(), expected);
}

#[test]
fn a_container_ends_when_its_gate_fails() {
    let mut world = World::new(vec![requiring("b", "a"), service("a")]);
    world.send(Event::Begin(Facts {
        faults: vec!["no".to_owned()],
        ..Facts::default()
    }));
    assert_eq!(world.take(), ["!gate.failed", "!shutdown", "end halt"]);
}

#[test]
fn a_oneshot_is_done_and_counts_as_ready() {
    let mut once = service("once");
    once.kind = Kind::Oneshot;
    let mut world = World::begun(vec![once, requiring("b", "once")], Fallback::Absent);
    assert_eq!(world.state_of(0), "starting");
    world.exit(0, 0);
    assert_eq!(world.state_of(0), "done");
    assert_eq!(world.state_of(1), "ready");
}

#[test]
fn a_lost_requirement_fails_the_gate_at_once() {
    let mut lost = service("lost");
    lost.essential = false;
    lost.restart.budget = 0;
    lost.ready = Some(probe());
    let mut world = World::begun(vec![lost, requiring("b", "lost")], Fallback::Absent);
    world.exit(0, 1);
    assert_eq!(world.state.boot(), BootState::Degraded);
}

#[test]
fn a_startup_probe_holds_the_others_back() {
    let mut slow = probed("a");
    slow.startup = Some(probe());
    slow.live = Some(probe());
    let mut world = World::begun(vec![slow], Fallback::Absent);
    world.take();
    world.pass(0);
    assert_eq!(world.take(), ["startup 0"]);
    world.check(0, (1, ProbeKind::Startup), true);
    world.pass(1000);
    world.check(0, (1, ProbeKind::Startup), true);
    world.pass(0);
    assert_eq!(world.take(), ["startup 0", "ready 0", "live 0"]);
}

#[test]
fn a_failed_live_probe_ends_and_restarts_the_run() {
    let mut sick = service("a");
    sick.live = Some(probe());
    let mut world = World::begun(vec![sick], Fallback::Absent);
    for _ in 0..2 {
        world.pass(1000);
        world.check(0, (1, ProbeKind::Live), false);
    }
    assert_eq!(world.state_of(0), "stopping");
    world.take();
    world.pass(500);
    assert_eq!(world.take(), ["kill 0"]);
    world.exit(0, 0);
    assert_eq!(world.state_of(0), "backoff");
    world.pass(1250);
    assert_eq!(world.state.services()[0].restarts, 1);
}

#[test]
fn stopping_goes_from_endpoint_to_signal_to_kill_to_giving_up() {
    let mut polite = service("a");
    polite.stop.http = Some(StopHttp {
        address: "127.0.0.1".to_owned(),
        port: 1,
        path: "/shutdown".to_owned(),
    });
    let mut world = World::begun(vec![polite], Fallback::Absent);
    world.take();
    world.send(Event::Down(How::Poweroff));
    assert_eq!(
        world.take(),
        ["report stopped", "!shutdown", "cancel 0", "post 0"]
    );
    world.pass(500);
    assert_eq!(world.take(), ["cancel 0", "signal 0 15"]);
    world.pass(500);
    assert_eq!(world.take(), ["kill 0"]);
    world.pass(10_000);
    assert_eq!(world.take(), ["!service.failed", "end poweroff"]);
}

#[test]
fn the_end_comes_in_reverse_order() {
    let mut world = World::begun(vec![service("a"), requiring("b", "a")], Fallback::Absent);
    world.take();
    world.send(Event::Down(How::Reboot));
    assert_eq!(
        world.take(),
        ["report stopped", "!shutdown", "cancel 1", "signal 1 15"]
    );
    world.exit(1, 0);
    let actions = world.take();
    assert_eq!(actions.last().map(String::as_str), Some("signal 0 15"));
    world.exit(0, 0);
    assert_eq!(world.take().last().map(String::as_str), Some("end reboot"));
}

#[test]
fn impossible_events_change_nothing() {
    let mut world = World::begun(vec![service("a")], Fallback::Absent);
    let before = world.state.services();
    let events = [
        Event::Begin(Facts::default()),
        Event::Started {
            service: ServiceId(0),
            pid: 1,
        },
        Event::Started {
            service: ServiceId(9),
            pid: 1,
        },
        Event::Blessed(Ok(String::new())),
        Event::StopPosted {
            service: ServiceId(0),
            run: 1,
            outcome: Ok(()),
        },
    ];
    for event in events {
        let error = world.try_send(event).unwrap_err();
        assert!(error.to_string().contains(" in state `"), "{error}");
    }
    assert_eq!(world.state.services(), before);
}

#[test]
fn a_missing_secret_holds_its_service() {
    let mut needy = service("a");
    needy.secrets = vec!["key".to_owned()];
    let mut world = World::new(vec![needy]);
    world.send(Event::Begin(Facts {
        entry: Entry::Trial,
        missing_secrets: ["key".to_owned()].into(),
        ..Facts::default()
    }));
    assert_eq!(world.take(), ["!service.waiting"]);
    let because = world.state.services()[0].because.clone();
    let expected = "waiting for secret key because it is not provisioned";
    assert_eq!(because.as_deref(), Some(expected));
}
