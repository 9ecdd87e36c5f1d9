//! What is scheduled: its times, clocks that are set, runs on demand, runs that need others stopped.

use bedplate_contract::{
    control::{BootState, ScheduleStatus},
    service::{Kind, RestartWhen, Service},
    utc::Time,
};

use super::world::World;
use crate::decide::{
    Event, Fallback, How, ServiceId, Work,
    fixture::{probe, service},
};

/// 2026-08-01T01:00:00Z, a Saturday.
const ONE: u64 = 1_785_546_000_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// Runs nightly at two.
fn nightly() -> Service {
    let mut nightly = service("nightly");
    nightly.kind = Kind::Scheduled;
    nightly.essential = false;
    nightly.restart.when = RestartWhen::Never;
    nightly.schedule = "0 2 * * *".parse().ok();
    nightly
}

fn requiring(mut service: Service, required: &str) -> Service {
    service.requires = vec![required.to_owned()];
    service
}

/// A healthy machine whose clock shows one in the morning; its passed time is taken off.
fn world(services: Vec<Service>) -> World {
    let mut world = World::new(services);
    world.wall = ONE;
    world.begin(Fallback::Absent);
    world.pass(10_000);
    assert_eq!(world.state.boot(), BootState::Healthy);
    world.take();
    world
}

fn status(world: &World, service: usize) -> ScheduleStatus {
    world.state.services()[service].schedule.clone().unwrap()
}

fn next(world: &World) -> String {
    status(world, 0).next.unwrap().to_string()
}

fn run(world: &mut World, service: usize, work: Work) {
    world.send(Event::Run {
        service: ServiceId(service),
        work,
        client: 7,
    });
}

#[test]
fn a_service_runs_at_its_time_and_waits_for_the_next() {
    let mut world = world(vec![nightly(), service("a")]);
    assert_eq!(world.state_of(0), "scheduled");
    assert_eq!(next(&world), "2026-08-01T02:00:00Z");
    world.pass(HOUR - 10_001);
    assert_eq!(world.take(), [""; 0]);
    world.pass(1);
    assert_eq!(world.take(), ["start 0 1", "!service.started"]);
    assert_eq!(world.state_of(0), "running");
    world.pass(1500);
    world.exit(0, 0);
    assert_eq!(world.take(), ["cancel 0", "kill 0", "!service.exited"]);
    assert_eq!(world.state_of(0), "scheduled");
    let status = status(&world, 0);
    let last = status.last.unwrap();
    assert_eq!((last.good, last.ms), (true, 1500));
    assert_eq!(last.result, "exit status 0");
    assert_eq!(last.ended.unwrap().to_string(), "2026-08-01T02:00:01Z");
    assert_eq!(next(&world), "2026-08-02T02:00:00Z");
    world.pass(25 * HOUR);
    assert_eq!(world.take(), ["start 0 2", "!service.started"]);
}

#[test]
fn a_failure_is_told_and_never_gates() {
    let mut often = nightly();
    often.schedule = "* * * * *".parse().ok();
    let mut world = World::new(vec![often, service("a")]);
    world.wall = ONE + 59_000;
    world.begin(Fallback::Absent);
    world.pass(1000);
    world.exit(0, 3);
    assert_eq!(world.state_of(0), "scheduled");
    let because = world.state.services()[0].because.clone().unwrap();
    assert_eq!(because, "it ended with exit status 3");
    world.pass(4000);
    assert_eq!(world.state.boot(), BootState::Healthy);
    assert!(world.take().contains(&"!service.failed".to_owned()));
    let last = status(&world, 0).last.unwrap();
    assert_eq!((last.good, last.result.as_str()), (false, because.as_str()));
    world.pass(MINUTE);
    assert_eq!(world.state_of(0), "running");
    assert_eq!(world.state.services()[0].because, None);
}

#[test]
fn a_run_that_lasts_is_not_joined_by_another() {
    let mut often = nightly();
    often.schedule = "* * * * *".parse().ok();
    let mut world = world(vec![often]);
    world.pass(3 * MINUTE);
    let expected = [
        "start 0 1",
        "!service.started",
        "!schedule.skipped",
        "!schedule.skipped",
    ];
    assert_eq!(world.take(), expected);
}

#[test]
fn it_waits_for_what_it_requires() {
    let mut database = service("database");
    database.essential = false;
    database.ready = Some(probe());
    let mut world = world(vec![requiring(nightly(), "database"), database]);
    world.pass(HOUR);
    assert_eq!(world.state_of(0), "waiting");
    run(&mut world, 0, Work::default());
    let refused = "refused 7 waiting for database because it is starting";
    assert!(world.take().contains(&refused.to_owned()));
    world.pass(24 * HOUR);
    assert_eq!(world.state_of(0), "waiting", "once, however long");
}

/// cron(8): a step of less than three hours counts as time that went by.
#[test]
fn a_clock_that_is_moved_a_little_runs_each_time_once() {
    let mut world = world(vec![nightly()]);
    world.wall += 2 * HOUR;
    world.pass(MINUTE);
    assert_eq!(world.state_of(0), "running");
    world.exit(0, 0);
    world.take();
    // Two o'clock comes a second time.
    world.wall -= 2 * HOUR + 30 * MINUTE;
    world.pass(2 * HOUR);
    assert_eq!(world.take(), [""; 0]);
    assert_eq!(next(&world), "2026-08-02T02:00:00Z");
}

#[test]
fn a_clock_that_is_set_runs_nothing() {
    for (set, expected) in [
        // The first clock of a machine without a battery.
        (ONE + 400 * 24 * HOUR, "2027-09-05T02:00:00Z"),
        (ONE - 400 * 24 * HOUR, "2025-06-27T02:00:00Z"),
        (ONE + 3 * HOUR + MINUTE, "2026-08-02T02:00:00Z"),
    ] {
        let mut world = world(vec![nightly()]);
        world.wall = set;
        world.pass(MINUTE);
        assert_eq!(world.take(), [""; 0]);
        assert_eq!(next(&world), expected);
    }
}

#[test]
fn without_a_schedule_it_runs_on_demand() {
    let mut manual = nightly();
    manual.schedule = None;
    let mut world = world(vec![manual, service("a")]);
    world.pass(50 * HOUR);
    assert_eq!(world.take(), [""; 0]);
    assert_eq!(status(&world, 0).next, None);
    run(&mut world, 0, Work::default());
    assert_eq!(world.take(), ["start 0 1", "!service.started"]);
    run(&mut world, 0, Work::default());
    assert_eq!(world.take(), ["refused 7 it runs already"]);
    world.exit(0, 4);
    let expected = "ran 7 false it ended with exit status 4";
    assert!(world.take().contains(&expected.to_owned()));
    run(&mut world, 0, Work::default());
    world.exit(0, 0);
    let expected = "ran 7 true exit status 0";
    assert!(world.take().contains(&expected.to_owned()));
    run(&mut world, 1, Work::default());
    let expected = "refused 7 `a` is a daemon: it runs until it is stopped";
    assert_eq!(world.take(), [expected]);
}

#[test]
fn a_oneshot_can_be_run_again() {
    let mut once = service("once");
    once.kind = Kind::Oneshot;
    once.restart.when = RestartWhen::OnFailure;
    let mut world = World::begun(vec![once], Fallback::Absent);
    world.exit(0, 0);
    world.pass(6000);
    world.take();
    run(&mut world, 0, Work::default());
    world.exit(0, 1);
    run(&mut world, 0, Work::default());
    let refused = "refused 7 it runs already: it failed and is tried again";
    assert_eq!(world.take().last().unwrap(), refused);
    world.pass(2000);
    world.exit(0, 0);
    assert_eq!(world.take().last().unwrap(), "ran 7 true exit status 0");
    assert_eq!(world.state_of(0), "done");
}

#[test]
fn it_is_run_rather_than_restarted() {
    let mut world = world(vec![nightly()]);
    world.send(Event::Restart {
        service: ServiceId(0),
        client: 1,
    });
    assert_eq!(world.take(), ["refused 1 it is scheduled: run it instead"]);
}

#[test]
fn a_shutdown_ends_a_run_and_answers() {
    let mut world = world(vec![nightly()]);
    run(&mut world, 0, Work::default());
    world.send(Event::Down(How::Poweroff));
    world.exit(0, 0);
    let words = world.take();
    let answer = "ran 7 false the machine goes down".to_owned();
    assert!(words.contains(&answer), "{words:?}");
    assert_eq!(words.last().unwrap(), "end poweroff");
    let mut world = self::world(vec![nightly()]);
    world.send(Event::Down(How::Poweroff));
    assert_eq!(world.take(), ["!shutdown", "end poweroff"]);
    assert_eq!(world.state.next_deadline(), None);
}

#[test]
fn an_operator_stops_a_schedule_and_takes_it_up_again() {
    let mut world = world(vec![nightly()]);
    let stop = Event::Stop {
        service: ServiceId(0),
        client: 1,
    };
    let start = Event::Start {
        service: ServiceId(0),
        client: 1,
    };
    world.send(stop.clone());
    world.pass(25 * HOUR);
    let expected = ["done 1", "!schedule.skipped", "!schedule.skipped"];
    assert_eq!(world.take(), expected);
    assert_eq!(status(&world, 0).last, None);
    run(&mut world, 0, Work::default());
    assert_eq!(world.take(), ["refused 7 it is stopped: start it first"]);
    world.send(start);
    assert_eq!(world.state_of(0), "scheduled");
    run(&mut world, 0, Work::default());
    world.send(stop);
    world.exit(0, 0);
    assert_eq!(world.take().last().unwrap(), "ran 7 false it was stopped");
    assert!(!status(&world, 0).last.unwrap().good);
}

#[test]
fn what_cannot_be_killed_is_not_run_again() {
    let mut world = world(vec![nightly()]);
    run(&mut world, 0, Work::default());
    world.send(Event::Down(How::Poweroff));
    world.pass(20_000);
    assert_eq!(world.state_of(0), "failed");
}

/// A restore stops what uses the data, dependants first, and starts it again.
#[test]
fn a_run_can_need_others_stopped() {
    let database = service("database");
    let app = requiring(service("app"), "database");
    let web = requiring(service("web"), "app");
    let worker = requiring(nightly(), "database");
    let mut world = world(vec![database, app, web, worker]);
    let work = Work {
        arguments: vec!["restore".to_owned()],
        stops: vec!["app".to_owned()],
    };
    run(&mut world, 3, work.clone());
    let expected = ["cancel 2", "signal 2 15", "!service.waiting"];
    assert_eq!(world.take(), expected);
    let because = world.state.services()[3].because.clone().unwrap();
    assert_eq!(because, "waiting for app because it is ready");
    world.exit(2, 0);
    world.exit(1, 0);
    assert_eq!(world.state_of(3), "running");
    assert!(world.take().contains(&"start 3 1 restore".to_owned()));
    let because = world.state.services()[1].because.clone().unwrap();
    assert_eq!(because, "waiting for nightly because it is running");
    world.exit(3, 1);
    let words = world.take();
    assert!(words.contains(&"ran 7 false it ended with exit status 1".to_owned()));
    assert_eq!([world.state_of(1), world.state_of(2)], ["ready", "ready"]);
    // What it needs itself cannot be out of its way.
    let stops = vec!["database".to_owned()];
    run(&mut world, 3, Work { stops, ..work });
    let expected = "refused 7 it requires `database`, which it would stop";
    assert_eq!(world.take(), [expected]);
}

#[test]
fn times_are_those_of_the_wall_clock() {
    assert_eq!(Time::new(ONE / 1000).to_string(), "2026-08-01T01:00:00Z");
}
