//! Upgrades that an operator asks for.

use bedplate_contract::control::UpgradeStep;

use super::world::World;
use crate::decide::{Entry, Event, Facts, Fallback, How, Order, fixture::service};

fn asked(client: u64) -> Event {
    Event::Upgrade {
        order: Order {
            source: Some("/dev/vdb".to_owned()),
            step: UpgradeStep::Stage,
            force: false,
        },
        client,
    }
}

fn running() -> World {
    let mut world = World::new(vec![service("a")]);
    world.send(Event::Begin(Facts {
        entry: Entry::Blessed,
        fallback: Fallback::Absent,
        ..Facts::default()
    }));
    world.pass(5000);
    world.take();
    world.send(asked(3));
    assert_eq!(world.take(), ["upgrade Stage"]);
    world
}

#[test]
fn whoever_asked_hears_how_it_ended() {
    let mut world = running();
    world.send(Event::UpgradeEnded(Ok(())));
    assert_eq!(world.take(), ["!upgrade.ended", "done 3"]);
    world.send(asked(4));
    world.take();
    world.send(Event::UpgradeEnded(Err("too old".to_owned())));
    assert_eq!(world.take(), ["!upgrade.ended", "refused 4 too old"]);
    let error = world.try_send(Event::UpgradeEnded(Ok(()))).unwrap_err();
    assert_eq!(error.to_string(), "end of an upgrade in state `healthy`");
}

#[test]
fn one_runs_at_a_time() {
    let mut world = running();
    world.send(asked(4));
    assert_eq!(world.take(), ["refused 4 an upgrade is running"]);
    world.send(Event::Rollback { client: 5 });
    let refused = "refused 5 an upgrade is running; cancel it or wait";
    assert_eq!(world.take(), [refused]);
}

#[test]
fn a_container_is_not_upgraded() {
    let mut world = World::new(vec![]);
    world.send(Event::Begin(Facts::default()));
    world.take();
    world.send(asked(4));
    let refused = "refused 4 a container is upgraded by whoever runs it";
    assert_eq!(world.take(), [refused]);
}

/// The upgrade asks for the reboot itself, and must hear the answer before it is gone.
#[test]
fn the_end_waits_for_a_last_moment_of_the_upgrade() {
    let mut world = running();
    world.send(Event::Down(How::Reboot));
    world.exit(0, 0);
    assert!(!world.take().contains(&"end reboot".to_owned()));
    world.send(Event::UpgradeEnded(Ok(())));
    assert_eq!(world.take(), ["!upgrade.ended", "done 3", "end reboot"]);
}

#[test]
fn the_end_kills_an_upgrade_that_goes_on() {
    let mut world = running();
    world.send(Event::Down(How::Reboot));
    world.exit(0, 0);
    world.take();
    world.send(asked(4));
    assert_eq!(world.take(), ["refused 4 the machine goes down"]);
    world.pass(2000);
    assert_eq!(world.take(), ["kill upgrade"]);
    world.pass(10_000);
    let expected = [
        "!upgrade.ended",
        "refused 3 it cannot be killed",
        "end reboot",
    ];
    assert_eq!(world.take(), expected);
}
