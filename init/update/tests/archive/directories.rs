//! Archives of directories.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use bedplate_contract::backup::Content;

use crate::bench::Bench;

fn data(directory: &Path) -> Content {
    let data = directory.join("data");
    fs::create_dir_all(data.join("inner/deep")).unwrap();
    fs::write(data.join("file"), "content").unwrap();
    fs::write(data.join("inner/deep/program"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(
        data.join("inner/deep/program"),
        fs::Permissions::from_mode(0o751),
    )
    .unwrap();
    fs::write(data.join("inner").join("x".repeat(180)), "long name").unwrap();
    symlink("../file", data.join("inner/link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(data.join("socket")).unwrap();
    Content::Directory(data.display().to_string())
}

/// Paths, kinds, modes and contents below a directory.
fn picture(directory: &Path) -> String {
    let mut command = Command::new("find");
    command.current_dir(directory);
    command.args([
        ".",
        "-mindepth",
        "1",
        "-not",
        "-type",
        "s",
        "-printf",
        "%p %y %m %l\n",
    ]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn a_directory_comes_back_as_it_was() {
    let bench = Bench::new(data);
    let before = picture(&bench.path("data"));
    bench.good("archive data");
    fs::remove_dir_all(bench.path("data/inner")).unwrap();
    fs::write(bench.path("data/file"), "changed").unwrap();
    fs::write(bench.path("data/new"), "new").unwrap();
    // What an earlier restore that was cut short left.
    fs::create_dir(bench.path("data/.bedplate-restore")).unwrap();
    fs::write(bench.path("data/.bedplate-restore/half"), "half").unwrap();
    bench.good("archive data verify");
    bench.good("archive data restore");
    assert_eq!(picture(&bench.path("data")), before);
    assert_eq!(
        fs::read_to_string(bench.path("data/file")).unwrap(),
        "content"
    );
    let long = bench.path("data/inner").join("x".repeat(180));
    assert_eq!(fs::read_to_string(long).unwrap(), "long name");
}

/// The system's own tar reads it, through the system's own zstd if there is one.
#[test]
fn another_tar_lists_it() {
    let bench = Bench::new(data);
    bench.good("archive data");
    let name = bench.list()[0].archive.clone();
    let file = fs::File::open(bench.path(&format!("archives/{name}.zst"))).unwrap();
    let plain = bench.path("plain.tar");
    fs::write(&plain, zstd::decode_all(file).unwrap()).unwrap();
    let output = Command::new("tar").arg("-tf").arg(&plain).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in ["file\n", "inner/deep/program\n", "inner/link\n"] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!text.contains("socket"), "{text}");
}

#[test]
fn what_is_no_archive_of_a_directory_changes_nothing() {
    let bench = Bench::new(data);
    bench.declare(
        Content::Commands {
            create: crate::bench::shell("head -c 2000 /dev/urandom"),
            restore: crate::bench::shell("cat"),
            verify: None,
        },
        86_400,
    );
    bench.good("archive data");
    let content = Content::Directory(bench.path("data").display().to_string());
    bench.declare(content, 86_400);
    let before = picture(&bench.path("data"));
    let words = bench.bad("archive data restore");
    assert!(words.contains("reading the archive"), "{words}");
    assert_eq!(picture(&bench.path("data")), before);
}
