//! Layers over layers, as tables.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use proptest::prelude::*;
use tar::{Builder, Header};

use super::*;

/// One entry of a layer: kind, path, and content or destination.
type Row<'a> = (char, &'a str, &'a str);

fn layer(rows: &[Row<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    let own = rustix::process::getuid().as_raw();
    for (kind, path, text) in rows {
        let mut header = Header::new_gnu();
        let (kind, mode) = match kind {
            'd' => (EntryType::Directory, 0o755),
            'l' => (EntryType::Symlink, 0o777),
            'h' => (EntryType::Link, 0o644),
            'c' => (EntryType::Char, 0o600),
            's' => (EntryType::Regular, 0o6755),
            _ => (EntryType::Regular, 0o644),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(own.into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        let content = if kind == EntryType::Regular { text } else { "" };
        header.set_size(content.len() as u64);
        header.set_mtime(1);
        // Written by hand: the library refuses the names that are to be tested.
        let name = header.as_old_mut();
        name.name[..path.len()].copy_from_slice(path.as_bytes());
        if content.is_empty() {
            name.linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// The paths of a tree, files with their content, links with where they lead to.
fn listing(root: &Path) -> String {
    let mut lines = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                waiting.push(path);
                lines.push(name + "/");
            } else if metadata.is_symlink() {
                lines.push(format!(
                    "{name}>{}",
                    fs::read_link(&path).unwrap().display()
                ));
            } else {
                lines.push(format!("{name}={}", fs::read_to_string(&path).unwrap()));
            }
        }
    }
    lines.sort();
    lines.join(" ")
}

fn unpacked(layers: &[&[Row<'_>]]) -> (tempfile::TempDir, Result<(), ExtractError>) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let tree = Tree::open(&root).unwrap();
    let mut budget = Budget::default();
    let mut layers = layers.iter();
    let result = layers.try_for_each(|rows| apply(layer(rows).as_slice(), &tree, &mut budget));
    (directory, result)
}

#[test]
fn layers_lie_over_each_other() {
    let below: &[Row<'_>] = &[
        ('d', "a", ""),
        ('f', "a/x", "1"),
        ('f', "a/y", "2"),
        ('l', "s", "a"),
    ];
    let table: &[(&str, &[Row<'_>], &str)] = &[
        ("nothing", &[], "a/ a/x=1 a/y=2 s>a"),
        ("a file", &[('f', "a/x", "3")], "a/ a/x=3 a/y=2 s>a"),
        ("a deleted file", &[('f', "a/.wh.x", "")], "a/ a/y=2 s>a"),
        ("a deleted link", &[('f', ".wh.s", "")], "a/ a/x=1 a/y=2"),
        ("a deleted directory", &[('f', ".wh.a", "")], "s>a"),
        (
            "nothing to delete",
            &[('f', "b/.wh.x", "")],
            "a/ a/x=1 a/y=2 b/ s>a",
        ),
        (
            "an opaque directory",
            &[('f', "a/.wh..wh..opq", ""), ('f', "a/z", "3")],
            "a/ a/z=3 s>a",
        ),
        (
            "opaque after its files",
            &[('f', "a/z", "3"), ('f', "a/.wh..wh..opq", "")],
            "a/ a/z=3 s>a",
        ),
        (
            "deleted, then new",
            &[('f', ".wh.a", ""), ('d', "a", ""), ('f', "a/z", "3")],
            "a/ a/z=3 s>a",
        ),
        (
            "new, then deleted",
            &[('d', "a", ""), ('f', "a/x", "3"), ('f', ".wh.a", "")],
            "a/ a/x=3 s>a",
        ),
        (
            "all deleted",
            &[('f', ".wh..wh..opq", ""), ('f', "b", "3")],
            "b=3",
        ),
        ("a file for a directory", &[('f', "a", "3")], "a=3 s>a"),
        ("a link for a directory", &[('l', "a", "s")], "a>s s>a"),
        (
            "a directory for a link",
            &[('d', "s", ""), ('f', "s/z", "3")],
            "a/ a/x=1 a/y=2 s/ s/z=3",
        ),
        (
            "a file through a link",
            &[('f', "s/z", "3")],
            "a/ a/x=1 a/y=2 a/z=3 s>a",
        ),
        (
            "a deletion through a link",
            &[('f', "s/.wh.x", "")],
            "a/ a/y=2 s>a",
        ),
        (
            "a hard link",
            &[('h', "b", "a/x")],
            "a/ a/x=1 a/y=2 b=1 s>a",
        ),
        (
            "a hard link to itself",
            &[('h', "a/x", "./a/x")],
            "a/ a/x=1 a/y=2 s>a",
        ),
        ("a device", &[('c', "null", "")], "a/ a/x=1 a/y=2 s>a"),
        (
            "dots and slashes",
            &[('f', "./b/", ""), ('f', "/c", "3")],
            "a/ a/x=1 a/y=2 b= c=3 s>a",
        ),
        (
            "reserved names",
            &[('f', ".wh..wh.aufs", "x")],
            "a/ a/x=1 a/y=2 s>a",
        ),
    ];
    for (name, above, expected) in table {
        let (directory, result) = unpacked(&[below, above]);
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&listing(&directory.path().join("root")), expected, "{name}");
    }
}

#[test]
fn nothing_leads_out() {
    for rows in [
        &[('f', "../x", "1")] as &[Row<'_>],
        &[('f', "a/../../x", "1")],
        &[('h', "x", "../../../etc/passwd")],
        &[('h', "x", "nowhere")],
        &[('f', "../.wh.keep", "")],
    ] {
        let (directory, result) = unpacked(&[rows]);
        assert!(result.is_err(), "{rows:?}");
        assert!(!directory.path().join("x").exists(), "{rows:?}");
    }
    for text in ["../..", "/", "../../../..", "/../"] {
        let (directory, _) =
            unpacked(&[&[('l', "s", text), ('f', "s/x", "1"), ('f', "s/.wh.root", "")]]);
        assert!(directory.path().join("root/x").exists(), "{text}");
        assert!(!directory.path().join("x").exists(), "{text}");
    }
}

#[test]
fn modes_and_owners_are_tamed() {
    let (directory, result) = unpacked(&[&[('s', "su", "x")]]);
    result.unwrap();
    let found = fs::metadata(directory.path().join("root/su")).unwrap();
    assert_eq!(found.permissions().mode() & 0o7777, 0o755);
    assert_eq!(found.mtime(), 1);
    for (id, expected) in [
        (0, 0),
        (65_535, 65_535),
        (65_536, NOBODY),
        (u32::MAX, NOBODY),
    ] {
        let metadata = Metadata {
            uid: id,
            gid: id,
            ..Metadata::root(0o644)
        };
        assert_eq!(
            (owned(metadata).uid, owned(metadata).gid),
            (expected, expected)
        );
    }
}

#[test]
fn an_image_takes_so_much_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let tree = Tree::open(directory.path()).unwrap();
    let bytes = layer(&[('f', "a", "12345"), ('f', "b", "12345")]);
    for (entries, size, fits) in [(2, 10, true), (1, 10, false), (2, 9, false)] {
        let mut budget = Budget::new(entries, size);
        let result = apply(bytes.as_slice(), &tree, &mut budget);
        assert_eq!(result.is_ok(), fits, "{entries} {size}");
    }
}

#[test]
fn the_digest_covers_what_follows_the_archive() {
    let directory = tempfile::tempdir().unwrap();
    let tree = Tree::open(directory.path()).unwrap();
    let mut bytes = layer(&[('f', "a", "1")]);
    for _ in 0..2 {
        let found = unpack_layer(bytes.as_slice(), &tree, &mut Budget::default()).unwrap();
        assert_eq!(found, Digest::of(&bytes));
        bytes.extend([0; 4096]);
    }
}

fn any_row() -> impl Strategy<Value = (char, String, String)> {
    let kind = prop::sample::select(vec!['d', 'f', 'l', 'h', 'c']);
    let path = "(\\.\\./|a/|b/|\\./|/|\\.wh\\.|\\.wh\\.\\.wh\\.\\.opq){0,4}(a|b|\\.\\.)?";
    let text = "(\\.\\./|/|a/|b/){0,4}(a|b|\\.\\.)?";
    (kind, path, text)
}

proptest! {
    #[test]
    fn no_layer_leaves_its_tree(rows in prop::collection::vec(any_row(), 0..12)) {
        let rows: Vec<Row<'_>> = rows.iter().map(|(k, p, t)| (*k, p.as_str(), t.as_str())).collect();
        let (directory, _) = unpacked(&[&rows]);
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        prop_assert_eq!(names, ["root"]);
    }
}
