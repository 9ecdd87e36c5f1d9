//! Packages into a tree: what is kept, and that nothing gets out.

use std::{
    error::Error,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use crate::packages::{Entry, tar, write_deb};
use bedplate::layer::{deb::Deb, unpack};

const CONTROL: &str = "Package: tiny\nVersion: 1\nArchitecture: all\n";

fn unpack_one(directory: &Path, data: &[u8]) -> Result<(), unpack::UnpackError> {
    let deb = directory.join("tiny.deb");
    let root = directory.join("root");
    fs::create_dir(&root).unwrap();
    write_deb(&deb, CONTROL, data);
    unpack::skeleton(&root)?;
    unpack::unpack(&[deb], &root)
}

#[test]
fn modes_times_and_links_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let data = tar(&[
        Entry::Directory("./", 0o755),
        Entry::Directory("./bin/", 0o755),
        Entry::File("./bin/tool", b"#!", 0o4755),
        Entry::HardLink("./bin/other", "./bin/tool"),
        Entry::Symlink("./usr/away", "/etc/../../x"),
        Entry::Directory("./srv/", 0o2750),
    ]);
    unpack_one(directory.path(), &data).unwrap();
    let root = directory.path().join("root");
    let tool = fs::metadata(root.join("usr/bin/tool")).unwrap();
    assert_eq!(tool.permissions().mode() & 0o7777, 0o4755);
    assert_eq!((tool.mtime(), tool.nlink()), (1_000_000_000, 2));
    assert_eq!(
        fs::read_link(root.join("usr/away")).unwrap(),
        Path::new("/etc/../../x")
    );
    assert!(
        root.join("bin").is_symlink(),
        "the merged /usr stays merged"
    );
    let srv = fs::metadata(root.join("srv")).unwrap();
    assert_eq!(srv.permissions().mode() & 0o7777, 0o2750);
}

#[test]
fn hostile_entries_are_refused() {
    let outside = "out";
    for (data, wanted) in [
        (
            tar(&[Entry::File("../out", b"x", 0o644)]),
            "inside the tree",
        ),
        (
            tar(&[Entry::File("./a/../../out", b"x", 0o644)]),
            "inside the tree",
        ),
        (
            tar(&[Entry::HardLink("./x", "../tiny.deb")]),
            "inside the tree",
        ),
        (tar(&[Entry::Device("./null")]), "expected a file"),
        (tar(&[Entry::File("./usr", b"x", 0o644)]), "cannot replace"),
        (
            tar(&[Entry::File("./x", &[7; 600], 0o644)])[..700].to_vec(),
            "cannot read the archive",
        ),
        (vec![1; 1024], "cannot read the archive"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let error = unpack_one(directory.path(), &data).unwrap_err();
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains(wanted), "{cause}");
        assert!(!directory.path().join(outside).exists());
    }
}

#[test]
fn a_planted_link_leads_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let data = tar(&[
        Entry::Symlink("./trap", "../.."),
        Entry::File("./trap/out", b"x", 0o644),
        Entry::Symlink("./absolute", "/usr"),
        Entry::File("./absolute/in", b"x", 0o644),
    ]);
    unpack_one(directory.path(), &data).unwrap();
    assert!(!directory.path().join("out").exists());
    assert!(directory.path().join("root/out").exists());
    assert!(directory.path().join("root/usr/in").exists());
}

#[test]
fn the_control_file_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny.deb");
    write_deb(&path, CONTROL, &tar(&[]));
    assert_eq!(Deb::open(&path).unwrap().control().unwrap(), CONTROL);
    fs::write(&path, b"!<arch>\n").unwrap();
    assert!(Deb::open(&path).is_err());
}
