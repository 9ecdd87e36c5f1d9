//! Links that a package or a command plants where the builder reads, writes, moves or removes: what they
//! name on the host is neither changed, moved nor read.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
};

use bedplate::layer::{
    normalise,
    tree::{Metadata, Tree},
};

use crate::{
    build::{fixture, image},
    layer::{Fixture, IMAGE},
    packages::Entry,
};

/// What the file of the host says; nothing that is built may say it.
const SECRET: &str = "of the host alone: 5f0c";

/// Files of the host, with everything that a planted link might be thought to be.
struct Host(tempfile::TempDir);

impl Host {
    const FILES: [&'static str; 9] = [
        "key",
        "passwd",
        "group",
        "shadow",
        "gshadow",
        "config.dat",
        "vmlinuz-6.1",
        "6.1/modules.builtin",
        "6.1/kernel/xfs.ko",
    ];

    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        for name in Self::FILES {
            let path = host.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, SECRET).unwrap();
        }
        host
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Every file is as it was, and there are no others.
    fn check(&self, case: &str) {
        let mut found = files(self.0.path());
        found.sort();
        let mut expected = Self::FILES.map(|name| self.0.path().join(name));
        expected.sort();
        assert_eq!(found, expected, "{case}");
        for path in found {
            assert_eq!(fs::read_to_string(&path).unwrap(), SECRET, "{case}");
            assert_eq!(fs::metadata(&path).unwrap().nlink(), 1, "{case}");
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// Nothing that was made has bytes of the host.
fn check_outputs(fixture: &Fixture, case: &str) {
    for path in files(&fixture.steps()) {
        let bytes = fs::read(&path).unwrap();
        let mut windows = bytes.windows(SECRET.len());
        let leaked = windows.any(|window| window == SECRET.as_bytes());
        assert!(!leaked, "{case}: {}", path.display());
    }
}

#[test]
fn a_link_of_a_command_leads_nowhere() {
    let host = Host::new();
    let top = host.path("");
    for (run, output) in [
        (format!("ln -s {top} /srv/way"), "/srv/way/key"),
        (format!("ln -s {top}6.1 /srv/way"), "/srv/way/kernel/xfs.ko"),
        (
            format!("mkdir /srv/way; ln -s {top}6.1 /srv/way/in"),
            "/srv/way/in/kernel",
        ),
    ] {
        let Some(fixture) = fixture() else {
            return;
        };
        let definition = image(&format!("\"{run}\""), &format!("\"{output}\""));
        let error = fixture.try_build(&definition).unwrap_err().to_string();
        assert!(error.contains(&format!("to make `{output}`")), "{error}");
        host.check(&run);
        check_outputs(&fixture, &run);
    }
    let Some(fixture) = fixture() else {
        return;
    };
    // A link that is the output itself is a link in the image.
    let run = format!("\"ln -s {top}key /srv/link\"");
    fixture.try_build(&image(&run, "\"/srv/link\"")).unwrap();
    host.check("the output is a link");
    check_outputs(&fixture, "the output is a link");
}

#[test]
fn a_link_of_a_package_leads_nowhere() {
    let host = Host::new();
    let modules = Entry::File(
        "./usr/lib/modules/6.1/modules.builtin",
        b"kernel/fs/xfs.ko\n",
        0o644,
    );
    let kernel = || Entry::File("./boot/vmlinuz-6.1", b"kernel", 0o644);
    let [top, key, image, xfs] = ["", "key", "vmlinuz-6.1", "6.1/kernel/xfs.ko"];
    let [top, key, image, xfs] = [top, key, image, xfs].map(|name| host.path(name));
    let accounts: Vec<String> = ["passwd", "group", "shadow", "gshadow"]
        .map(|name| host.path(name))
        .to_vec();
    let cases: Vec<(&str, Vec<Entry<'_>>)> = vec![
        ("min", vec![Entry::Symlink("./etc", &top)]),
        (
            "min",
            vec![
                Entry::Symlink("./etc/passwd", &accounts[0]),
                Entry::Symlink("./etc/group", &accounts[1]),
                Entry::Symlink("./etc/shadow", &accounts[2]),
                Entry::Symlink("./etc/gshadow", &accounts[3]),
            ],
        ),
        ("min", vec![Entry::Symlink("./var/cache/debconf", &top)]),
        ("min", vec![Entry::Symlink("./etc/os-release", &key)]),
        ("min", vec![Entry::Symlink("./validate", &top)]),
        ("min", vec![Entry::Symlink("./usr/lib/bedplate", &top)]),
        ("kernel/min", vec![modules, Entry::Symlink("./boot", &top)]),
        (
            "kernel/min",
            vec![
                Entry::Symlink("./boot/vmlinuz-6.1", &image),
                Entry::Directory("./usr/lib/modules/6.1/", 0o755),
            ],
        ),
        (
            "kernel/min",
            vec![kernel(), Entry::Symlink("./usr/lib/modules", &top)],
        ),
        (
            "kernel/min",
            vec![
                kernel(),
                Entry::File("./usr/lib/modules/6.1/modules.builtin", b"", 0o644),
                Entry::Symlink("./usr/lib/modules/6.1/xfs.ko", &xfs),
            ],
        ),
        (
            "tools",
            vec![Entry::Symlink("./usr/lib64/ld-linux-x86-64.so.2", &key)],
        ),
    ];
    for (set, entries) in &cases {
        let Some(mut fixture) = Fixture::new() else {
            return;
        };
        fixture.add(set, "planted", entries);
        // Whether such a root can be built at all is another question.
        let _built = fixture.try_build(IMAGE);
        host.check(&format!("{set}: {entries:?}"));
        check_outputs(&fixture, &format!("{set}: {entries:?}"));
    }
}

#[test]
fn the_policy_against_starts_follows_no_link() {
    let host = Host::new();
    let Some(mut fixture) = fixture() else {
        return;
    };
    let key = host.path("key");
    let mut entries = vec![Entry::Symlink("./usr/sbin/policy-rc.d", &key)];
    fixture.add_to("build/min/image", "planted", &entries);
    let made = image("\"echo > /srv/made\"", "\"/srv/made\"");
    fixture.try_build(&made).unwrap();
    host.check("policy-rc.d");
    let Some(mut fixture) = crate::build::fixture() else {
        return;
    };
    let top = host.path("");
    entries = vec![Entry::Symlink("./usr/sbin", &top)];
    fixture.add_to("build/min/image", "planted", &entries);
    let _built = fixture.try_build(&made);
    host.check("usr/sbin");
}

#[test]
fn what_is_made_the_same_follows_no_link() {
    let host = Host::new();
    for name in ["etc", "var/cache/debconf", "var/log", "tmp"] {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(host.0.path(), &link).unwrap();
        normalise::normalise(root.path()).unwrap();
        host.check(name);
    }
    for (name, file) in [
        ("etc/shadow", "shadow"),
        ("var/cache/debconf/config.dat", "config.dat"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(host.path(file), &link).unwrap();
        normalise::normalise(root.path()).unwrap();
        host.check(name);
    }
}

#[test]
fn a_tree_is_read_and_moved_within_itself() {
    let host = Host::new();
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::open(root.path()).unwrap();
    symlink(host.0.path(), root.path().join("way")).unwrap();
    symlink(host.path("key"), root.path().join("link")).unwrap();
    for path in ["way/key", "link", "way"].map(Path::new) {
        assert_eq!(tree.read(path).unwrap(), None, "{}", path.display());
        assert!(!tree.exists(path).unwrap(), "{}", path.display());
    }
    assert!(tree.entries(Path::new("way")).unwrap().is_empty());
    let moved = tree.move_to(Path::new("way/key"), &tree, Path::new("key"));
    assert!(!moved.unwrap());
    assert!(
        tree.rewrite(Path::new("way/key"), |_| String::new())
            .is_ok()
    );
    assert!(tree.rewrite(Path::new("link"), |_| String::new()).is_ok());
    tree.remove(Path::new("way")).unwrap();
    assert!(tree.set(Path::new("link"), Metadata::root(0o600)).is_err());
    host.check("tree");
}
