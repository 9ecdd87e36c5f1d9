//! What commands of `[build]` leave in the root, and `[validate]` does not.

use std::{fs, path::Path};

use bedplate_contract::Digest;

use crate::{
    layer::{Fixture, IMAGE, dump_layers},
    packages::Entry,
};

/// Programs of this machine that the commands use, with their libraries.
const PROGRAMS: [(&str, &str); 8] = [
    ("/bin/dash", "./usr/bin/sh"),
    ("/bin/rm", "./usr/bin/rm"),
    ("/bin/mkdir", "./usr/bin/mkdir"),
    ("/bin/ln", "./usr/bin/ln"),
    (
        "/lib/x86_64-linux-gnu/libselinux.so.1",
        "./usr/lib/x86_64-linux-gnu/libselinux.so.1",
    ),
    (
        "/lib/x86_64-linux-gnu/libpcre2-8.so.0",
        "./usr/lib/x86_64-linux-gnu/libpcre2-8.so.0",
    ),
    (
        "/lib/x86_64-linux-gnu/libc.so.6",
        "./usr/lib/x86_64-linux-gnu/libc.so.6",
    ),
    (
        "/lib64/ld-linux-x86-64.so.2",
        "./usr/lib64/ld-linux-x86-64.so.2",
    ),
];

/// An image whose commands are `run`.
pub fn image(run: &str, outputs: &str) -> String {
    format!("{IMAGE}\n[build]\nrun = [{run}]\noutputs = [{outputs}]\n")
}

/// A fixture whose build root has a shell; dpkg has nothing to do, for the packages have no scripts.
pub fn fixture() -> Option<Fixture> {
    let mut fixture = Fixture::new()?;
    let bytes = PROGRAMS.map(|(path, _)| fs::read(path).unwrap());
    let programs = std::iter::zip(PROGRAMS, &bytes);
    let mut entries: Vec<Entry<'_>> = programs
        .map(|((_, path), bytes)| Entry::File(path, bytes, 0o755))
        .collect();
    entries.extend([
        Entry::File("./usr/bin/dpkg", b"#!/bin/sh\n", 0o755),
        Entry::Directory("./opt/tool/", 0o750),
        Entry::File("./opt/tool/given", b"given", 0o644),
        Entry::File("./opt/tool/changed", b"before", 0o644),
        Entry::File("./opt/tool/removed", b"removed", 0o644),
        Entry::Directory("./opt/tool/replaced/", 0o755),
        Entry::File("./opt/tool/replaced/old", b"old", 0o644),
    ]);
    fixture.add("build/min/image", "shell", &entries);
    Some(fixture)
}

/// The files of the layer `build/image` with their contents, and whether `path` is there.
fn made(fixture: &Fixture, image: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let rootfs = fixture.build(image);
    let layers = rootfs.layers().iter();
    let mut layer = layers.filter(|layer| layer.name() == "build/image");
    let directory = layer.next().unwrap().directory();
    move |path| fs::read_to_string(directory.join(path)).ok()
}

#[test]
fn what_the_commands_make_at_the_outputs_is_kept() {
    let Some(fixture) = fixture() else {
        return;
    };
    let run = r#"
        "mkdir -p /srv/lib/deep; echo kept > /srv/lib/deep/file; echo gone > /srv/other",
        "cd /opt/tool; echo after > changed; rm removed; rm -r replaced; mkdir replaced",
        "echo new > /opt/tool/replaced/new",
        'echo "$KERNEL_RELEASE $SOURCE_DATE_EPOCH $KBUILD_BUILD_TIMESTAMP $HOME" > /srv/facts',
    "#;
    let at = made(
        &fixture,
        &image(run, r#""/srv/lib", "/opt/tool", "/srv/facts""#),
    );
    for (path, expected) in [
        ("srv/lib/deep/file", Some("kept\n")),
        ("srv/facts", Some("6.1 1735689600 @1735689600 /root\n")),
        ("opt/tool/changed", Some("after\n")),
        ("opt/tool/replaced/new", Some("new\n")),
        ("srv/other", None),
        ("opt/tool/given", None),
        ("opt/tool/removed", None),
        ("usr/bin/sh", None),
    ] {
        assert_eq!(at(path).as_deref(), expected, "{path}");
    }
}

#[test]
fn a_removal_hides_nothing_of_the_image() {
    let Some(mut fixture) = fixture() else {
        return;
    };
    let entries = [
        Entry::File("./usr/bin/tiny", b"#!", 0o755),
        Entry::File("./opt/tool/removed", b"of the image", 0o644),
        Entry::File("./opt/tool/replaced/old", b"of the image", 0o644),
    ];
    fixture.add("min", "tool", &entries);
    let run = r#""cd /opt/tool; rm -r removed replaced; mkdir replaced; echo > replaced/new""#;
    let rootfs = fixture.build(&image(run, r#""/opt/tool""#));
    let root = rootfs.mount().unwrap();
    for path in ["removed", "replaced/old", "replaced/new"] {
        let path = root.path().join("opt/tool").join(path);
        assert!(path.exists(), "{}", path.display());
    }
}

#[test]
fn two_builds_agree_and_no_command_is_no_layer() {
    let (Some(first), Some(second)) = (fixture(), fixture()) else {
        return;
    };
    let image = image(r#""echo made > /srv/made""#, r#""/srv/made""#);
    let (first, second) = (first.build(&image), second.build(&image));
    assert_eq!(dump_layers(&first), dump_layers(&second));
    let keys = |of: &[bedplate::layer::Layer]| -> Vec<Digest> {
        of.iter().map(|layer| *layer.key()).collect()
    };
    assert_eq!(keys(first.layers()), keys(second.layers()));
    let without = fixture().map(|fixture| fixture.build(IMAGE).layers().len());
    assert_eq!(without, Some(first.layers().len() - 1));
}

#[test]
fn a_command_that_fails_is_named_by_its_line() {
    let Some(fixture) = fixture() else {
        return;
    };
    let line = 1 + image("", "").lines().position(|l| l == "run = []").unwrap();
    let file = Path::new("image").join(format!("image.toml:{line}`"));
    let wrong = [
        (r#""false_command""#, "false_command: not found", true),
        (r#""exit 3""#, "exit status: 3", true),
        (r#""echo > /srv/other""#, "make `/srv/made`", false),
    ];
    for (run, expected, has_cause) in wrong {
        let error = fixture
            .try_build(&image(run, r#""/srv/made""#))
            .unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.is_some(), has_cause);
        let text = format!("{error}: {}", cause.unwrap_or_default());
        assert!(text.contains(expected), "{text}");
        assert!(text.contains(&file.display().to_string()), "{text}");
    }
}

#[test]
fn commands_see_no_network() {
    let Some(fixture) = fixture() else {
        return;
    };
    let names = "while read -r name rest; do case $name in *:) echo $name;; esac; done";
    let run = format!("\"{names} < /proc/net/dev > /srv/links\"");
    let at = made(&fixture, &image(&run, r#""/srv/links""#));
    assert_eq!(at("srv/links").as_deref(), Some("lo:\n"));
}

/// A fixture whose own root has a shell.
fn judged() -> Option<Fixture> {
    let mut fixture = fixture()?;
    let bytes = PROGRAMS.map(|(path, _)| fs::read(path).unwrap());
    let programs = std::iter::zip(PROGRAMS, &bytes);
    let entries: Vec<Entry<'_>> = programs
        .map(|((_, path), bytes)| Entry::File(path, bytes, 0o755))
        .collect();
    fixture.add("min", "shell", &entries);
    Some(fixture)
}

fn validated(run: &str) -> String {
    format!(
        "{IMAGE}\n[[file]]\npath = \"/etc/judged\"\ncontent = \"fine\"\n\n[validate]\nfiles = [\"app/run\"]\nrun = [{run}]\n"
    )
}

#[test]
fn what_judges_the_root_sees_its_files_and_leaves_nothing() {
    let Some(fixture) = judged() else {
        return;
    };
    let run = r#""read -r text < /etc/judged || true; test $text = fine", "test -e /validate/run; echo > /etc/left""#;
    let rootfs = fixture.build(&validated(run));
    let root = rootfs.mount().unwrap();
    assert!(root.path().join("etc/judged").exists());
    assert!(!root.path().join("etc/left").exists());
    assert!(!root.path().join("validate").exists());
    let plain = fixture.build(&validated(r#""true""#));
    assert_eq!(dump_layers(&rootfs), dump_layers(&plain));
}

#[test]
fn what_judges_the_root_can_refuse_it() {
    let Some(fixture) = judged() else {
        return;
    };
    let error = fixture
        .try_build(&validated(r#""true", "echo unfit >&2; exit 3""#))
        .unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("image.toml:"), "{error}");
    assert!(error.is_definition());
    assert!(cause.contains("unfit"), "{cause}");
    // Nothing of it is remembered: the next build asks again.
    assert!(fixture.try_build(&validated(r#""exit 3""#)).is_err());
    assert!(fixture.try_build(&validated(r#""exit 3""#)).is_err());
}

#[test]
fn commands_have_no_power_outside_their_root() {
    let Some(fixture) = fixture() else {
        return;
    };
    let before = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let facts = "while read -r name rest; do case $name in \
        CapEff:|CapBnd:|NoNewPrivs:) echo $name $rest;; esac; done < /proc/self/status";
    let tries = "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/self/oom_score_adj; do \
        if (echo > $f) 2>/dev/null; then echo open $f; fi; done";
    let devices = "for f in /dev/kvm /dev/vda /dev/mem /dev/fuse; do test -e $f && echo $f; done; (: < /dev/tty) 2>/dev/null && echo tty; true";
    let run = format!(
        r#"'read -r ids < /proc/self/uid_map; echo $ids > /srv/facts', '({facts}; {tries}; {devices}) >> /srv/facts'"#
    )
    .replace("\\\n", "");
    let at = made(&fixture, &image(&run, r#""/srv/facts""#));
    let expected = "0 0 65536\nCapEff: 00000000800400ff\nCapBnd: 00000000800400ff\nNoNewPrivs: 1\n";
    assert_eq!(at("srv/facts").as_deref(), Some(expected));
    let after = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    assert_eq!(before, after);
}
