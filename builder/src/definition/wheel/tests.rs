//! Wheels that are made here, whole and damaged.

use std::io::Write;

use proptest::prelude::*;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

const NAME: &str = "app-1.0-py3-none-any.whl";
const WHEEL: &str = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n";

fn row(name: &str, bytes: &[u8]) -> String {
    let digest = Base64UrlUnpadded::encode_string(Digest::of(bytes).as_bytes());
    format!("{name},sha256={digest},{}\n", bytes.len())
}

/// A wheel of `files`, with `more` at the end of its record.
fn wheel(files: &[(&str, &str)], more: &str) -> Vec<u8> {
    let meta = ("app-1.0.dist-info/WHEEL", WHEEL);
    let all: Vec<_> = files.iter().chain([&meta]).collect();
    let record: String = all
        .iter()
        .map(|(name, text)| row(name, text.as_bytes()))
        .collect();
    let record = record + "app-1.0.dist-info/RECORD,,\n" + more;
    let last = ("app-1.0.dist-info/RECORD", record.as_str());
    archive(all.into_iter().chain([&last]))
}

fn archive<'a>(files: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        let mode = if name.ends_with(".sh") { 0o755 } else { 0o600 };
        let options = SimpleFileOptions::default().unix_permissions(mode);
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn record(files: &[WheelFile]) -> usize {
    let record = files.iter().find(|file| file.path.ends_with("RECORD"));
    record.unwrap().bytes.len()
}

fn said(result: Result<Vec<WheelFile>, WheelError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn files_lie_where_an_installer_puts_them() {
    let bytes = wheel(
        &[
            ("app/__init__.py", "one"),
            ("app/run.sh", "two"),
            ("app-1.0.data/purelib/more.py", "three"),
            ("app-1.0.data/scripts/app", "#!python\nfour"),
            ("app-1.0.data/data/share/x", "five"),
            ("app-1.0.data/headers/x.h", "six"),
        ],
        "",
    );
    let files = read(NAME, &bytes).unwrap();
    let lines: Vec<_> = files
        .iter()
        .map(|f| format!("{} {:o} {}", f.path.display(), f.mode, f.bytes.len()))
        .collect();
    let expected = [
        "app/__init__.py 644 3",
        "app/run.sh 755 3",
        &format!("app-1.0.dist-info/RECORD 644 {}", record(&files)),
        &format!("app-1.0.dist-info/WHEEL 644 {}", WHEEL.len()),
        "bin/app 755 23",
        "more.py 644 5",
        "share/x 644 4",
    ];
    assert_eq!(lines, expected);
    let entries = entries(files, Path::new("/opt/app"));
    let paths: Vec<_> = entries.iter().map(|e| e.path.to_str().unwrap()).collect();
    assert_eq!(
        paths[..3],
        ["/opt/app", "/opt/app/app", "/opt/app/app/__init__.py"]
    );
}

#[test]
fn tags_say_whom_it_is_for() {
    for (name, fits) in [
        (NAME, true),
        ("app-1.0-1-py2.py3-none-any.whl", true),
        (
            "app-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            true,
        ),
        ("app-1.0-cp313-cp313-linux_x86_64.whl", true),
        ("app-1.0-cp313-cp313-manylinux_2_17_aarch64.whl", false),
        ("app-1.0-cp313-cp313-musllinux_1_1_x86_64.whl", false),
        ("app-1.0-cp313-cp313-win_amd64.whl", false),
        ("app-1.0-py2-none-any.whl", false),
        ("app-1.0.whl", false),
        ("app.zip", false),
    ] {
        assert_eq!(check_tags(name).is_ok(), fits, "{name}");
    }
}

#[test]
fn damage_and_escapes_are_refused() {
    let good = [("a.py", "one")];
    let changed = String::from_utf8_lossy(&wheel(&good, "")).replace("one", "two");
    let unrecorded = wheel(&good, "");
    for (bytes, expected) in [
        (b"no zip".to_vec(), "expected a zip archive"),
        (wheel(&good, "missing.py,sha256=,1\n"), "names `missing.py`"),
        (
            wheel(&[("../a.py", "one")], ""),
            "inside the tree, found `../a.py`",
        ),
        (wheel(&[("/a.py", "one")], ""), "inside the tree"),
        (wheel(&[("a\\b.py", "one")], ""), "inside the tree"),
        (wheel(&[("a.data/what/x", "one")], ""), "known kind"),
        (
            wheel(&[("a.data/purelib/x", "one"), ("x", "two")], ""),
            "two files of it",
        ),
        (
            wheel(&[("a.data/purelib/x", "one"), ("x/y", "two")], ""),
            "two files of it",
        ),
        (archive([("a.py", "one")].iter()), "found 0"),
        (wheel(&[("b-1.dist-info/RECORD", "")], ""), "found 2"),
    ] {
        let found = said(read(NAME, &bytes));
        assert!(found.contains(expected), "{found}");
    }
    assert!(read(NAME, changed.as_bytes()).is_err());
    assert!(read(NAME, &unrecorded[..unrecorded.len() - 8]).is_err());
    let record = "a.py,sha256=AAAA,3\nx.dist-info/WHEEL,md5=1,2\n";
    let files = [
        ("a.py", "one"),
        ("x.dist-info/WHEEL", WHEEL),
        ("x.dist-info/RECORD", record),
    ];
    assert!(said(read(NAME, &archive(files.iter()))).contains("not what `RECORD` says"));
}

proptest! {
    #[test]
    fn damaged_wheels_end_in_words(at in 0..2000_usize, byte: u8) {
        let mut bytes = wheel(&[("a.py", "one"), ("b/c.py", "two")], "");
        let place = at % bytes.len();
        bytes[place] = byte;
        if let Ok(files) = read(NAME, &bytes) {
            prop_assert!(files.iter().all(|file| file.path.is_relative()));
        }
    }
}
