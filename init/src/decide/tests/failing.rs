//! What follows when a machine that was healthy is so no more.

use std::rc::Rc;

use bedplate_contract::{
    Appliance, Digest,
    appliance::{Gate, OnFailure},
    control::BootState,
};

use super::world::World;
use crate::decide::{
    Entry, Event, Facts, Fallback, ROW_MS, ServiceId, Soundness, State,
    fixture::{appliance, service},
};

/// A healthy machine with this gate; the boot before it may have restarted it.
fn healthy(gate: Gate, facts: Facts) -> World {
    let mut world = World::new(vec![service("a"), service("b")]);
    let appliance = appliance(vec![service("a"), service("b")]);
    let gate = Gate {
        network: gate.network,
        on_failure: gate.on_failure,
        ..appliance.gate
    };
    let appliance = Rc::new(Appliance { gate, ..appliance });
    world.state = State::new(appliance, 0, 1);
    world.send(Event::Begin(Facts {
        entry: Entry::Blessed,
        ..facts
    }));
    world.pass(5000);
    world
}

fn on_failure(on_failure: OnFailure) -> Gate {
    Gate {
        on_failure,
        ..Gate::default()
    }
}

/// Uses up the restarts of service 0.
fn give_up(world: &mut World) {
    world.take();
    for _ in 0..3 {
        world.exit(0, 7);
        world.pass(2600);
    }
}

#[test]
fn a_service_that_gives_up_makes_the_machine_failing() {
    let mut world = healthy(Gate::default(), Facts::default());
    assert_eq!(world.state.boot(), BootState::Healthy);
    give_up(&mut world);
    let actions = world.take();
    let told = ["!service.failed", "!boot.failing", "report failing"];
    let places = told.map(|word| actions.iter().position(|action| action == word));
    assert!(places[0].is_some() && places.is_sorted(), "{actions:?}");
    assert_eq!(world.state.boot(), BootState::Failing);
    let reason = world.state.reason().unwrap();
    assert!(reason.starts_with("service `a` failed: "), "{reason}");
    // Told once, for as long as it is so.
    world.pass(100_000);
    assert_eq!(world.take(), [""; 0]);
    world.send(Event::Start {
        service: ServiceId(0),
        client: 1,
    });
    assert!(world.take().contains(&"!boot.recovered".to_owned()));
    assert_eq!(world.state.boot(), BootState::Healthy);
    assert_eq!(world.state.reason(), None);
}

#[test]
fn what_an_operator_stopped_is_told_and_nothing_follows() {
    let restart = OnFailure::Restart { attempts: 3 };
    let mut world = healthy(on_failure(restart), Facts::default());
    world.take();
    world.send(Event::Stop {
        service: ServiceId(0),
        client: 1,
    });
    world.exit(0, 0);
    assert_eq!(world.state.boot(), BootState::Failing);
    assert_eq!(world.state.reason(), Some("service `a` was stopped"));
    let actions = world.take();
    assert!(!actions.iter().any(|action| action.starts_with("report")));
}

#[test]
fn a_restart_has_a_limit() {
    let restart = on_failure(OnFailure::Restart { attempts: 2 });
    for (before, hours, boot) in [
        (0, 0, BootState::Stopping),
        (1, 0, BootState::Stopping),
        (2, 0, BootState::Failing),
        (u32::MAX, 0, BootState::Failing),
        (2, 1, BootState::Stopping),
    ] {
        let facts = Facts {
            restarts: before,
            ..Facts::default()
        };
        let mut world = healthy(restart.clone(), facts);
        world.pass(hours * ROW_MS);
        give_up(&mut world);
        assert_eq!(world.state.boot(), boot, "{before} {hours}");
        let reported = world.take().contains(&"report failing".to_owned());
        assert!(reported, "{before} {hours}");
    }
}

#[test]
fn a_roll_back_by_itself_needs_another_version_that_is_whole() {
    let rotten = || Soundness::Rotten("block 7".to_owned());
    let unknown = || Soundness::Unknown("no answer".to_owned());
    for (fallback, other, boot) in [
        (Fallback::Blessed, Soundness::Sound, BootState::Stopping),
        (Fallback::Blessed, rotten(), BootState::Failing),
        (Fallback::Blessed, unknown(), BootState::Failing),
        (Fallback::Trial, Soundness::Sound, BootState::Failing),
        (Fallback::Absent, Soundness::Sound, BootState::Failing),
    ] {
        let facts = Facts {
            fallback,
            root: Some(Digest::of(b"own")),
            ..Facts::default()
        };
        let mut world = healthy(on_failure(OnFailure::Rollback), facts);
        world.other = Some(other.clone());
        give_up(&mut world);
        assert_eq!(world.state.boot(), boot, "{fallback:?} {other:?}");
        let actions = world.take();
        let left = actions.contains(&"report rolled-back quarantine".to_owned());
        assert_eq!(left, boot == BootState::Stopping, "{actions:?}");
        let marked = actions.contains(&"mark bad".to_owned());
        assert_eq!(marked, left, "{actions:?}");
    }
}

#[test]
fn a_version_on_trial_needs_an_address() {
    let gate = Gate {
        network: true,
        ..Gate::default()
    };
    for (entry, addressed, boot) in [
        (Entry::Trial, false, BootState::Gating),
        (Entry::Trial, true, BootState::Healthy),
        (Entry::Blessed, false, BootState::Failing),
        (Entry::Container, false, BootState::Healthy),
    ] {
        let mut world = World::new(vec![service("a")]);
        let mut appliance = appliance(vec![service("a")]);
        appliance.gate.network = gate.network;
        world.state = State::new(Rc::new(appliance), 0, 1);
        world.send(Event::Begin(Facts {
            entry,
            addressed,
            fallback: Fallback::Blessed,
            ..Facts::default()
        }));
        world.pass(6000);
        assert_eq!(world.state.boot(), boot, "{entry:?} {addressed}");
        world.send(Event::Addressed(true));
        world.pass(6000);
        assert_eq!(world.state.boot(), BootState::Healthy);
        if entry != Entry::Container {
            world.send(Event::Addressed(false));
            assert_eq!(world.state.reason(), Some("the machine has no address"));
        }
    }
}

#[test]
fn a_gate_without_an_address_says_so() {
    let mut appliance = appliance(vec![service("a")]);
    appliance.gate.network = true;
    let mut world = World::new(Vec::new());
    world.state = State::new(Rc::new(appliance), 0, 1);
    world.begin(Fallback::Absent);
    world.pass(1_000_000);
    assert_eq!(world.state.boot(), BootState::Degraded);
    let reason = world.state.reason().unwrap();
    assert!(
        reason.starts_with("the machine has no address within "),
        "{reason}"
    );
}
