//! What operators ask of services.

use super::world::World;
use crate::decide::{Event, Fallback, ServiceId, fixture::service};

const STOP: Event = Event::Stop {
    service: ServiceId(0),
    client: 7,
};
const START: Event = Event::Start {
    service: ServiceId(0),
    client: 7,
};

fn healthy() -> World {
    let mut world = World::begun(vec![service("a")], Fallback::Absent);
    world.pass(5_000);
    world.take();
    world
}

#[test]
fn a_stopped_service_stays_so_until_it_is_started() {
    let mut world = healthy();
    world.send(STOP);
    assert_eq!(world.take(), ["cancel 0", "signal 0 15", "done 7"]);
    world.exit(0, 0);
    world.pass(600_000);
    assert_eq!(world.state_of(0), "stopped");
    world.take();
    world.send(START);
    assert!(world.take().contains(&"start 0 2".to_owned()));
    assert_eq!(world.state_of(0), "ready");
}

#[test]
fn a_service_that_is_about_to_be_restarted_is_stopped_too() {
    let mut world = healthy();
    world.exit(0, 1);
    assert_eq!(world.state_of(0), "backoff");
    world.send(STOP);
    world.pass(600_000);
    assert_eq!(world.state_of(0), "stopped");
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let mut gating = World::begun(vec![service("a")], Fallback::Absent);
    gating.take();
    gating.send(STOP);
    assert_eq!(gating.take(), ["refused 7 the gate has not decided yet"]);
    let mut world = healthy();
    world.send(START);
    assert_eq!(world.take(), ["refused 7 it is ready"]);
    world.send(STOP);
    world.take();
    world.send(STOP);
    assert_eq!(world.take(), ["refused 7 it is stopping"]);
}
