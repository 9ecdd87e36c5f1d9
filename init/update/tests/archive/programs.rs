//! Archives that programs write and read.

use std::{fs, path::Path};

use bedplate_contract::backup::Content;

use crate::bench::{Bench, shell};

/// A `database` that is one file; its backup looks whether the first line is there.
fn database(directory: &Path) -> Content {
    let file = directory.join("database").display().to_string();
    fs::write(&file, "one\ntwo\n").unwrap();
    Content::Commands {
        create: shell(&format!("cat {file}")),
        restore: shell(&format!("cat > {file}")),
        verify: Some(shell("head -n 1 | grep -qx one")),
    }
}

#[test]
fn what_was_archived_is_verified_and_restored() {
    let bench = Bench::new(database);
    let line = bench.good("archive data");
    let archives = bench.list();
    let [archive] = archives.as_slice() else {
        panic!("{archives:?}");
    };
    assert!(
        line.starts_with(&format!("archive {}: ", archive.archive)),
        "{line}"
    );
    assert_eq!(
        (archive.image.as_str(), archive.version.as_str()),
        ("test", "1.2")
    );
    assert_eq!(archive.content_bytes, 8);
    let line = bench.good("archive data verify");
    assert_eq!(
        line,
        format!("archive {} is good: 0.0 MiB\n", archive.archive)
    );
    fs::write(bench.path("database"), "lost").unwrap();
    bench.good(&format!("archive data restore {}", archive.archive));
    assert_eq!(
        fs::read_to_string(bench.path("database")).unwrap(),
        "one\ntwo\n"
    );
    // The system's own zstd reads it.
    let file = bench.path(&format!("archives/{}.zst", archive.archive));
    let text = zstd::decode_all(fs::File::open(file).unwrap()).unwrap();
    assert_eq!(text, b"one\ntwo\n");
    let table = bench.good("backup list data");
    assert!(table.starts_with("BACKUP  ARCHIVE"), "{table}");
    assert!(table.contains(&archive.time.to_string()), "{table}");
}

#[test]
fn what_its_own_command_refuses_is_not_restored() {
    let bench = Bench::new(database);
    fs::write(bench.path("database"), "zero\n").unwrap();
    bench.good("archive data create");
    fs::write(bench.path("database"), "later\n").unwrap();
    for step in ["verify", "restore"] {
        let words = bench.bad(&format!("archive data {step}"));
        assert!(
            words.contains("`/bin/sh` ended with exit status: 1"),
            "{words}"
        );
    }
    assert_eq!(
        fs::read_to_string(bench.path("database")).unwrap(),
        "later\n"
    );
}

#[test]
fn a_program_that_fails_leaves_nothing() {
    let cases = [
        ("echo half; exit 3", "`/bin/sh` ended with exit status: 3"),
        ("echo half; kill -9 $$", "`/bin/sh` ended with signal: 9"),
        ("true", "`/bin/sh` wrote nothing"),
    ];
    for (create, expected) in cases {
        let bench = Bench::new(|_| Content::Commands {
            create: shell(create),
            restore: shell("cat"),
            verify: None,
        });
        let words = bench.bad("archive data");
        assert!(words.contains(expected), "{words}");
        assert_eq!(bench.files(), [""; 0], "{create}");
    }
    let bench = Bench::new(|_| Content::Commands {
        create: vec!["/no/such/program".to_owned()],
        restore: shell("cat"),
        verify: None,
    });
    let words = bench.bad("archive data");
    assert!(words.contains("cannot run `/no/such/program`"), "{words}");
}

#[test]
fn archives_past_their_time_go_and_the_newest_stays() {
    let bench = Bench::new(database);
    bench.good("archive data");
    let oldest = bench.age(&bench.list()[0], 20 * 86_400);
    bench.good("archive data");
    let recent = bench.list().pop().unwrap();
    assert_eq!(bench.list().len(), 1, "{oldest} was past its time");
    let recent = bench.age(&recent, 6 * 86_400);
    let line = bench.good("archive data");
    assert!(!line.contains("deleted"), "{line}");
    let names: Vec<_> = bench.list().into_iter().map(|m| m.archive).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], recent);
    // Nothing is deleted for the sake of an archive that was not made.
    bench.age(&bench.list()[1], 100 * 86_400);
    fs::remove_file(bench.path("database")).unwrap();
    bench.bad("archive data");
    assert_eq!(bench.list().len(), 2);
}

#[test]
fn names_that_are_none_are_refused() {
    let bench = Bench::new(database);
    for (line, expected) in [
        ("archive date", "no backup is called `date`"),
        ("archive data verify", "there is no archive in `"),
        (
            "archive data restore 20200101T000000Z",
            "there is no archive `20200101T000000Z` in",
        ),
        (
            "archive data verify ../../etc/passwd",
            "there is no archive `../../etc/passwd` in",
        ),
        (
            "backup list date",
            "no backup is called `date`; did you mean `data`?",
        ),
    ] {
        let words = bench.bad(line);
        assert!(words.contains(expected), "{words}");
    }
}
