//! The same bundle from every kind of source, and from servers that misbehave.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use bedplate_update::{
    admission::Quarantine,
    progress::Progress,
    source::{self, Http, Patience, Source},
    upgrade,
};

use crate::{
    layout::{self, Layout},
    machine::{Machine, run},
    server::{Mood, Server},
};

/// Enough attempts for the faults here, at the pace of a test.
const PATIENCE: Patience = Patience {
    attempts: 3,
    pause: Duration::from_millis(1),
    stall: Duration::from_millis(300),
    total: Duration::from_secs(20),
};

fn layout() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::write(directory.path(), 1);
    (directory, layout)
}

/// Chooses the bundle of `source` and stages it.
fn upgrade(source: &mut dyn Source, machine: &Machine) -> Result<(), String> {
    let mut out = std::io::sink();
    let manifest = upgrade::choose(
        source,
        &layout::trust(),
        &Machine::facts(),
        Quarantine::Holds,
        &mut Progress::new(&mut out),
    );
    let manifest = manifest.map_err(|error| chain(&error))?;
    let staged = run(&manifest, source, &mut machine.disk());
    staged.map(drop).map_err(|error| chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn archive(layout: &Layout, path: &Path) {
    let mut builder = tar::Builder::new(File::create(path).unwrap());
    builder.append_dir_all(".", &layout.root).unwrap();
    builder.into_inner().unwrap();
}

#[test]
fn directories_and_archives_are_sources() {
    let (_directory, layout) = layout();
    let scratch = tempfile::tempdir().unwrap();
    let tar = scratch.path().join("bundle.tar");
    archive(&layout, &tar);
    // Another program's archive of the same.
    let gnu = scratch.path().join("gnu.tar");
    let made = Command::new("tar")
        .args(["-C", &layout.root.display().to_string(), "-cf"])
        .args([&gnu, &PathBuf::from(".")])
        .status();
    assert!(made.unwrap().success());
    for path in [&layout.root, &tar, &gnu] {
        let machine = Machine::new();
        let mut source = source::open(&path.display().to_string()).unwrap();
        upgrade(&mut *source, &machine).unwrap();
        machine.assert_staged(&layout, &path.display().to_string());
    }
}

fn over_http(layout: &Layout, mood: Mood) -> (Result<(), String>, Server, Machine) {
    let server = Server::start(&layout.root, mood);
    let machine = Machine::new();
    let mut source = Http::new(&server.url(), PATIENCE).unwrap();
    let result = upgrade(&mut source, &machine);
    machine.assert_safe(layout, &format!("{mood:?}"));
    (result, server, machine)
}

#[test]
fn servers_that_can_be_worked_with_are_sources() {
    let (_directory, layout) = layout();
    for mood in [
        Mood::Good,
        Mood::NoRanges,
        Mood::Cut(10_000),
        Mood::SometimesCutWithoutRanges(90_000),
        Mood::Busy,
        Mood::Moved,
    ] {
        let (result, _, machine) = over_http(&layout, mood);
        result.unwrap_or_else(|error| panic!("{mood:?}: {error}"));
        machine.assert_staged(&layout, &format!("{mood:?}"));
    }
}

#[test]
fn neighbours_come_in_one_request_over_one_connection() {
    let (_directory, layout) = layout();
    let (result, server, _) = over_http(&layout, Mood::Good);
    result.unwrap();
    // Envelope and its manifest, index, the pieces before and after the shared one, tree, UKI.
    assert_eq!(server.requests(), 7);
    assert!(server.connections() <= 2, "{}", server.connections());
    // A server without ranges sends the frames once; the shared piece is dropped on the way.
    let (result, server, _) = over_http(&layout, Mood::NoRanges);
    result.unwrap();
    assert_eq!(server.requests(), 6);
}

#[test]
fn servers_that_cannot_are_left_in_time_and_in_words() {
    let (_directory, layout) = layout();
    let began = Instant::now();
    for (mood, expected) in [
        (Mood::Cut(0), "given up after 3 attempts without a byte"),
        (
            Mood::CutWithoutRanges(1000),
            "given up after 3 attempts without a byte",
        ),
        (Mood::Garbage, "the source is damaged or was changed"),
        (Mood::Endless, "the source is damaged or was changed"),
        (Mood::Status(404), "the server answers 404"),
        (Mood::Status(503), "the server answers 503"),
        (Mood::Loop, "too many redirects"),
        (Mood::WrongRange, "another range than was asked for"),
        (Mood::Silent, "timeout"),
    ] {
        let (result, ..) = over_http(&layout, mood);
        let words = result.unwrap_err();
        assert!(words.contains(expected), "{mood:?}: {words}");
    }
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_server_that_trickles_ends_with_the_total() {
    let (_directory, layout) = layout();
    let server = Server::start(&layout.root, Mood::Endless);
    let patience = Patience {
        total: Duration::ZERO,
        ..PATIENCE
    };
    let mut source = Http::new(&server.url(), patience).unwrap();
    let words = upgrade(&mut source, &Machine::new()).unwrap_err();
    assert!(words.contains("not done within 0 min"), "{words}");
}

#[test]
fn documents_without_end_are_cut() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("index.json"), vec![b' '; 2 << 20]).unwrap();
    let server = Server::start(directory.path(), Mood::Good);
    for name in [directory.path().display().to_string(), server.url()] {
        let mut source = source::open(&name).unwrap();
        let words = upgrade(&mut *source, &Machine::new()).unwrap_err();
        let expected = "expected `index.json` of at most 1048576 bytes, found more";
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn the_newest_that_is_taken_is_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let first = Layout::write(directory.path(), 1);
    let mut second = Layout::write(directory.path(), 2).manifest;
    second.minimum_version = Some("1.0.1".to_owned());
    layout::publish(directory.path(), &[&second, &first.manifest]);
    let machine = Machine::new();
    let mut source = source::open(&directory.path().display().to_string()).unwrap();
    upgrade(&mut *source, &machine).unwrap();
    machine.assert_staged(&first, "the step before");
}
