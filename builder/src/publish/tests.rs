//! Trees and files of made-up bundles.

use std::{fs, os::unix::fs::PermissionsExt};

use bedplate_contract::oci as host;
use tempfile::TempDir;

use super::*;
use crate::sign::{
    SigningKey,
    tests::{keys, output, sign},
};

/// Directories with builds of two versions, signed by one key, and one that nobody signed.
struct Builds {
    directory: TempDir,
    key: SigningKey,
}

impl Builds {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [key, _] = keys();
        for version in ["1.9", "1.10"] {
            sign(&output(directory.path(), version), &key);
        }
        output(directory.path(), "2.0");
        Self { directory, key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn publish(&self, versions: &[&str], target: &str) -> Result<Vec<String>, PublishError> {
        let sources: Vec<_> = versions.iter().map(|name| self.path(name)).collect();
        let (kind, name) = target.split_once(':').unwrap();
        let target = format!("{kind}:{}", self.path(name).display());
        publish(&sources, &target.parse().unwrap(), Unsigned::Refuse)
    }

    fn index(&self, tree: &str) -> Vec<u8> {
        fs::read(self.path(tree).join(host::INDEX)).unwrap()
    }
}

#[test]
fn versions_are_merged_in_their_order() {
    let builds = Builds::new();
    let first = builds.publish(&["1.10"], "dir:tree").unwrap();
    assert_eq!(first, ["hello 1.10 for min"]);
    let both = ["hello 1.9 for min", "hello 1.10 for min"];
    assert_eq!(builds.publish(&["1.9"], "dir:tree").unwrap(), both);
    builds.publish(&["1.9", "1.10"], "dir:at-once").unwrap();
    assert_eq!(builds.index("tree"), builds.index("at-once"));
    // From a tree, as from a build.
    assert_eq!(builds.publish(&["tree"], "dir:mirror").unwrap(), both);
    assert_eq!(builds.index("tree"), builds.index("mirror"));
}

#[test]
fn a_web_server_may_read_all_of_it() {
    let builds = Builds::new();
    builds.publish(&["1.9"], "dir:tree").unwrap();
    let blobs = fs::read_dir(builds.path("tree").join(host::BLOBS)).unwrap();
    let blobs = blobs.map(|entry| entry.unwrap().path());
    for path in blobs.chain([builds.path("tree").join(host::INDEX)]) {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        // What the umask of the tests takes away is theirs.
        assert_ne!(mode & 0o400, 0, "{}", path.display());
        assert_eq!(mode & 0o111, 0, "{}", path.display());
    }
}

#[test]
fn signatures_of_two_publishings_add_up() {
    let builds = Builds::new();
    builds.publish(&["1.9"], "dir:tree").unwrap();
    let out = builds.path("1.9");
    let [_, second] = keys();
    fs::remove_file(out.join(crate::sign::Answer::file_name(builds.key.public()))).unwrap();
    sign(&out, &second);
    builds.publish(&["1.9"], "dir:tree").unwrap();
    let layout = Layout::open(&builds.path("tree")).unwrap();
    let [bundle] = &stored(&layout).unwrap()[..] else {
        panic!("one bundle")
    };
    assert_eq!(bundle.signatures.len(), 2);
}

#[test]
fn what_nobody_signed_is_refused_unless_allowed() {
    let builds = Builds::new();
    let error = builds.publish(&["1.9", "2.0"], "dir:tree").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("hello 2.0 for min is not signed")
    );
    assert!(!builds.path("tree").join(host::INDEX).exists());
    let target = Target::Directory(builds.path("tree"));
    let allowed = publish(&[builds.path("2.0")], &target, Unsigned::Allow).unwrap();
    assert_eq!(allowed, ["hello 2.0 for min"]);
}

#[test]
fn a_version_keeps_its_content() {
    let builds = Builds::new();
    builds.publish(&["1.9"], "dir:tree").unwrap();
    let before = builds.index("tree");
    let layout = builds.path("1.9").join(BUNDLE);
    let mut other = stored(&Layout::open(&layout).unwrap()).unwrap().remove(0);
    other.manifest.expires = Some("2027-06-30T00:00:00Z".to_owned());
    crate::bundle::tests::rewrite(&layout, &other.manifest);
    for entry in fs::read_dir(builds.path("1.9")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            fs::remove_file(path).unwrap();
        }
    }
    let out = builds.path("1.9");
    crate::sign::SignRequest::of(&out)
        .unwrap()
        .save(&out)
        .unwrap();
    sign(&out, &builds.key);
    let error = builds.publish(&["1.9"], "dir:tree").unwrap_err();
    assert!(error.to_string().contains("published with another content"));
    assert_eq!(builds.index("tree"), before);
}

#[test]
fn a_damaged_blob_leaves_the_index_as_it_was() {
    let builds = Builds::new();
    builds.publish(&["1.9"], "dir:tree").unwrap();
    let before = builds.index("tree");
    let layout = builds.path("1.10").join(BUNDLE);
    let uki = stored(&Layout::open(&layout).unwrap()).unwrap().remove(0);
    let path = layout.join(host::blob(&uki.manifest.uki.digest));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "other").unwrap();
    for target in ["dir:tree", "file:tree.tar"] {
        let error = builds.publish(&["1.10"], target).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
    }
    assert_eq!(builds.index("tree"), before);
    assert!(!builds.path("tree.tar").exists());
}

#[test]
fn a_killed_publisher_leaves_nothing_for_ever() {
    let builds = Builds::new();
    builds.publish(&["1.9"], "dir:tree").unwrap();
    let left = builds.path("tree").join(host::BLOBS).join(".tmpLEFT");
    fs::write(&left, "half").unwrap();
    builds.publish(&["1.10"], "dir:tree").unwrap();
    assert!(!left.exists());
}

#[test]
fn a_file_is_the_same_tree_and_the_same_bytes() {
    let builds = Builds::new();
    for name in ["file:a.tar", "file:b.tar", "file:b.tar"] {
        builds.publish(&["1.9", "1.10"], name).unwrap();
    }
    let [a, b] = ["a.tar", "b.tar"].map(|name| fs::read(builds.path(name)).unwrap());
    assert!(a == b && a.len() % 512 == 0);
    let mut names: Vec<_> = tar::Archive::new(&a[..])
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().into_owned())
        .collect();
    assert_eq!(names[..2], ["oci-layout", "index.json"].map(PathBuf::from));
    let blobs = names.split_off(2);
    assert!(blobs.is_sorted() && blobs.iter().all(|b| b.starts_with(host::BLOBS)));
    let left: Vec<_> = fs::read_dir(builds.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn targets_are_read() {
    for text in ["dir:/srv/updates", "file:a:b"] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
    }
    for text in ["", "dir:", "tree", "http://host", "file"] {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
}
