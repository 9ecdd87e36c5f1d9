//! Work that is cut short, disks that are full, bytes that change.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

use bedplate_contract::backup::Content;

use crate::bench::{Bench, shell};

/// Writes until nobody reads any more.
const ENDLESS: &str = "while echo line; do sleep 0.05; done";

fn content(create: &str) -> Content {
    Content::Commands {
        create: shell(create),
        restore: shell("cat > /dev/null"),
        verify: None,
    }
}

fn small(_: &Path) -> Content {
    content("seq 1000")
}

#[test]
fn one_that_was_killed_is_never_listed_and_swept_by_the_next() {
    let bench = Bench::new(|_| content(ENDLESS));
    let mut command = bench.command("archive data");
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    bench.wait_for(".part");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(bench.list().is_empty());
    assert_eq!(bench.files().len(), 1);
    bench.declare(small(Path::new("")), 86_400);
    bench.good("archive data");
    assert_eq!(bench.list().len(), 1);
    assert_eq!(bench.files().len(), 2, "{:?}", bench.files());
}

/// Every state in which a power cut can leave the directory besides an archive that is whole.
#[test]
fn a_power_cut_leaves_no_half_archive() {
    let half = "20200101T000000Z";
    for left in [
        format!("{half}.zst.part"),
        format!("{half}.zst"),
        format!(".{half}.json.new"),
        // Half deleted; the disk may forget either first.
        format!("{half}.json"),
    ] {
        let bench = Bench::new(small);
        bench.good("archive data");
        bench.age(&bench.list()[0], 3600);
        let before = bench.list();
        let whole = format!("archives/{}.zst", before[0].archive);
        fs::copy(bench.path(&whole), bench.path(&format!("archives/{left}"))).unwrap();
        assert_eq!(bench.list(), before, "{left}");
        bench.good("archive data verify");
        bench.good("archive data");
        assert_eq!(bench.list().len(), 2, "{left}");
        assert_eq!(bench.files().len(), 4, "{left}: {:?}", bench.files());
    }
}

#[test]
fn a_torn_manifest_is_told_and_not_listed() {
    let bench = Bench::new(small);
    bench.good("archive data");
    let manifest = bench.files().remove(0);
    assert!(manifest.ends_with(".json"), "{manifest}");
    let path = bench.path(&format!("archives/{manifest}"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    let output = bench.run("backup list");
    assert!(output.status.success());
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(
        warning.starts_with("warning: cannot read the manifest"),
        "{warning}"
    );
    let name = manifest.trim_end_matches(".json");
    let words = bench.bad(&format!("archive data restore {name}"));
    assert!(words.contains("cannot read the manifest"), "{words}");
    // A pipe in its place is not waited for.
    fs::remove_file(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success() && bench.list().is_empty());
}

#[test]
fn changed_bytes_are_found() {
    for (change, expected) in [("flip", "expected the digest"), ("cut", "expected bytes")] {
        let bench = Bench::new(small);
        bench.good("archive data");
        let name = bench.list()[0].archive.clone();
        let path = bench.path(&format!("archives/{name}.zst"));
        let mut bytes = fs::read(&path).unwrap();
        match change {
            "flip" => bytes[30] ^= 1,
            _ => bytes.truncate(30),
        }
        fs::write(&path, bytes).unwrap();
        for step in ["verify", "restore"] {
            let words = bench.bad(&format!("archive data {step} {name}"));
            assert!(
                words.contains("is damaged") && words.contains(expected),
                "{words}"
            );
        }
    }
}

/// A limit on the length of files stands for a disk that takes no more.
#[test]
fn a_full_disk_costs_nothing_but_the_new_archive() {
    let bench = Bench::new(small);
    bench.good("archive data");
    bench.age(&bench.list()[0], 3600);
    let before = bench.list();
    bench.declare(content("head -c 10000000 /dev/urandom"), 86_400);
    let script = "trap '' XFSZ; ulimit -f 1000; exec \"$@\"";
    let program = bench.command("archive data");
    let output = Command::new("/bin/sh")
        .args(["-c", script, "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("writing the archive"), "{words}");
    assert_eq!(bench.list(), before);
    assert_eq!(bench.files().len(), 2);
}

#[test]
fn two_do_not_work_at_once() {
    let bench = Bench::new(|_| content(ENDLESS));
    let mut command = bench.command("archive data");
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    bench.wait_for(".part");
    let words = bench.bad("archive data");
    assert!(
        words.contains("another step works on the archives"),
        "{words}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}
