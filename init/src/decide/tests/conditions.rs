//! Services that wait for more than services.

use bedplate_contract::{control::BootState, service::Service};

use super::world::World;
use crate::decide::{
    Event, Fallback, How, ServiceId,
    fixture::{service, wait},
};

fn waiting(name: &str) -> Service {
    Service {
        wait: vec![wait(), wait()],
        ..service(name)
    }
}

fn answer(world: &mut World, (run, condition): (u32, usize), outcome: Result<(), &str>) {
    world.send(Event::Awaited {
        service: ServiceId(0),
        run,
        condition,
        outcome: outcome.map_err(str::to_owned),
    });
}

fn because(world: &World) -> String {
    world.state.services()[0]
        .because
        .clone()
        .unwrap_or_default()
}

#[test]
fn conditions_are_asked_one_after_another() {
    let mut world = World::begun(vec![waiting("a")], Fallback::Absent);
    assert_eq!(world.take(), ["await 0 0"]);
    assert_eq!(world.state_of(0), "waiting");
    answer(&mut world, (1, 0), Err("connection refused"));
    assert_eq!(world.take(), ["!service.waiting"]);
    let expected = "waiting for tcp 127.0.0.1:1 because connection refused";
    assert_eq!(because(&world), expected);
    world.pass(999);
    assert_eq!(world.take(), [""; 0]);
    world.pass(1);
    assert_eq!(world.take(), ["await 0 0"]);
    answer(&mut world, (1, 0), Err("connection refused"));
    assert_eq!(world.take(), [""; 0], "told once");
    world.pass(1000);
    answer(&mut world, (1, 0), Ok(()));
    assert_eq!(world.take(), ["await 0 0", "await 0 1"]);
    answer(&mut world, (1, 1), Ok(()));
    assert_eq!(
        world.take(),
        ["start 0 1", "!service.started", "!service.ready"]
    );
}

#[test]
fn each_start_asks_anew() {
    let mut world = World::begun(vec![waiting("a")], Fallback::Absent);
    answer(&mut world, (1, 0), Ok(()));
    answer(&mut world, (1, 1), Ok(()));
    world.take();
    world.exit(0, 1);
    world.pass(2000);
    assert!(world.take().ends_with(&["await 0 0".to_owned()]));
    let stale = Event::Awaited {
        service: ServiceId(0),
        run: 1,
        condition: 0,
        outcome: Ok(()),
    };
    assert!(world.try_send(stale).is_err());
    answer(&mut world, (2, 0), Ok(()));
    answer(&mut world, (2, 1), Ok(()));
    assert_eq!(world.state_of(0), "ready");
}

#[test]
fn a_lost_requirement_begins_anew() {
    let mut services = vec![waiting("a"), service("b")];
    services[0].requires = vec!["b".to_owned()];
    services.reverse();
    let mut world = World::begun(services, Fallback::Absent);
    let answer = |world: &mut World, condition| {
        world.try_send(Event::Awaited {
            service: ServiceId(1),
            run: 1,
            condition,
            outcome: Ok(()),
        })
    };
    answer(&mut world, 0).unwrap();
    world.take();
    world.exit(0, 1);
    assert!(world.take().contains(&"cancel 1".to_owned()));
    assert!(answer(&mut world, 1).is_err());
    world.pass(2000);
    assert!(world.take().contains(&"await 1 0".to_owned()));
}

#[test]
fn the_deadline_decides() {
    let mut world = World::begun(vec![waiting("a")], Fallback::Absent);
    answer(&mut world, (1, 0), Err("no answer in time"));
    for _ in 0..60 {
        world.pass(1000);
        answer(&mut world, (1, 0), Err("no answer in time"));
    }
    assert_eq!(world.state.boot(), BootState::Degraded);
    assert_eq!(world.state_of(0), "waiting");
    world.pass(1000);
    answer(&mut world, (1, 0), Ok(()));
    answer(&mut world, (1, 1), Ok(()));
    assert_eq!(world.state_of(0), "ready", "it goes on");
}

#[test]
fn nothing_is_asked_at_the_end() {
    let mut world = World::begun(vec![waiting("a")], Fallback::Absent);
    world.take();
    world.send(Event::Down(How::Poweroff));
    let actions = world.take();
    assert!(actions.contains(&"cancel 0".to_owned()), "{actions:?}");
    assert!(
        actions.ends_with(&["end poweroff".to_owned()]),
        "{actions:?}"
    );
    assert_eq!(world.state.next_deadline(), None);
}
