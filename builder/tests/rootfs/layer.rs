//! The layers of a root made of tiny packages: what is in them, and that two builds agree.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{
    packages::{Entry, tar, write_deb},
    skip::skip,
};
use bedplate::{
    definition::{self, Definition, SourceTree},
    host::HostPrograms,
    layer::{self, Inputs, LayerError, Rootfs},
    plan,
    resolve::lock::{Lock, LockedPackage},
    store::Store,
    tool::Tools,
};
use bedplate_contract::{Appliance, Digest, SchemaVersion};

pub const IMAGE: &str = r#"
schema = 1

[image]
name = "tiny"
version = "1.0.0"
summary = "A root of tiny packages"

[base]
distribution = "debian"
suite = "trixie"
components = ["main"]
essential = false
packages = ["tiny"]

[[user]]
name = "app"
uid = 800

[[tree]]
path = "/srv/app"
source = "app"
owner = "app"

[[directory]]
path = "/var/lib/app"
owner = "app"
mode = "0700"

[[file]]
path = "/etc/tiny.conf"
content = "from the definition\n"
owner = "app"
mode = "0600"

[[service]]
name = "app"
user = "app"
run = ["/usr/bin/tiny"]

[gate]
deadline = "1m"
stable_for = "1s"
"#;

/// A store with packages, and the lock that names them.
pub struct Fixture {
    directory: tempfile::TempDir,
    store: Store,
    lock: Lock,
}

impl Fixture {
    /// `None`, said aloud, where owners cannot be set and overlays not be mounted.
    pub fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip("needs root for owners and overlays");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        let lock = Lock {
            schema: SchemaVersion,
            request: Digest::of(b""),
            repositories: Vec::new(),
            sets: BTreeMap::new(),
            packages: Vec::new(),
            images: Vec::new(),
        };
        let mut fixture = Self {
            directory,
            store,
            lock,
        };
        fixture.add_packages();
        Some(fixture)
    }

    fn add_packages(&mut self) {
        let elf = bedplate::host::INIT;
        self.add(
            "min",
            "tiny",
            &[
                Entry::Directory("./etc/", 0o755),
                Entry::File("./etc/tiny.conf", b"from the package\n", 0o644),
                Entry::Directory("./var/lib/app/", 0o755),
                Entry::File("./usr/bin/tiny", b"#!", 0o755),
                Entry::File("./var/log/tiny.log", b"x", 0o644),
            ],
        );
        self.add(
            "kernel/min",
            "linux",
            &[
                Entry::File("./boot/vmlinuz-6.1", b"kernel", 0o644),
                Entry::File(
                    "./usr/lib/modules/6.1/modules.builtin",
                    b"kernel/fs/xfs.ko\n",
                    0o644,
                ),
                Entry::Symlink("./usr/lib/modules/6.1/build", "/usr/src/linux"),
            ],
        );
        self.add(
            "tools",
            "xfs",
            &[
                Entry::File("./usr/sbin/mkfs.xfs", elf, 0o755),
                Entry::File("./usr/sbin/xfs_repair", elf, 0o755),
                Entry::File("./usr/lib64/ld-linux-x86-64.so.2", elf, 0o755),
            ],
        );
    }

    /// Makes a package, the only one of the set `set`.
    pub fn add(&mut self, set: &str, name: &str, entries: &[Entry<'_>]) {
        let path = self.directory.path().join("package.deb");
        write_deb(&path, &format!("Package: {name}\n"), &tar(entries));
        let bytes = fs::read(&path).unwrap();
        let package = LockedPackage {
            name: name.to_owned(),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            archive: "debian".to_owned(),
            path: format!("pool/{name}.deb"),
            sha256: Digest::of(&bytes),
            size: bytes.len() as u64,
            base: false,
        };
        fs::rename(&path, self.store.blob(&package.sha256)).unwrap();
        self.lock.sets.insert(set.to_owned(), vec![package.id()]);
        self.lock.packages.push(package);
    }

    /// Makes a package, the last one of the set `set`.
    pub fn add_to(&mut self, set: &str, name: &str, entries: &[Entry<'_>]) {
        let before = self.lock.sets.get(set).cloned().unwrap_or_default();
        self.add(set, name, entries);
        let with = self.lock.sets.entry(set.to_owned()).or_default();
        with.splice(0..0, before);
    }

    /// Where the store has what was made.
    pub fn steps(&self) -> PathBuf {
        self.store.root().join("steps")
    }

    fn definition(&self, image: &str) -> Definition {
        let directory = self.directory.path().join("image");
        fs::create_dir_all(directory.join("app")).unwrap();
        fs::write(directory.join("image.toml"), image).unwrap();
        fs::write(directory.join("app/run"), "#!/bin/sh\n").unwrap();
        let executable = fs::Permissions::from_mode(0o700);
        fs::set_permissions(directory.join("app/run"), executable).unwrap();
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles");
        match definition::load(&directory, "min", &profiles) {
            Ok(definition) => definition,
            Err(errors) => panic!("{:#?}", errors.problems()),
        }
    }

    /// The root of the image.
    pub fn build(&self, image: &str) -> Rootfs {
        self.try_build(image).unwrap()
    }

    /// As [`Self::build`], where the image may be wrong.
    pub fn try_build(&self, image: &str) -> Result<Rootfs, LayerError> {
        let definition = self.definition(image);
        let tools = Tools::assemble(&self.lock, "tools", &self.store).unwrap();
        let trees = SourceTree::read(&definition).unwrap();
        let host = HostPrograms {
            init: b"init",
            bedplatectl: b"ctl",
            gpu_probe: b"gpu",
        };
        let inputs = Inputs {
            plan: &plan::plan(&definition, &self.lock, &host, &trees),
            definition: &definition,
            trees: &trees,
            lock: &self.lock,
            host,
            tools: &tools,
            store: &self.store,
        };
        layer::build(&inputs)
    }
}

/// Every entry below `directory`: path, mode, owner, time and content.
fn dump(directory: &Path, lines: &mut Vec<String>, top: &Path) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = match () {
            () if metadata.is_file() => Digest::of(&fs::read(&path).unwrap()).hex(),
            () if metadata.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
            () => String::new(),
        };
        let shown = path.strip_prefix(top).unwrap().display();
        let (mode, uid, gid, time) = (
            metadata.mode(),
            metadata.uid(),
            metadata.gid(),
            metadata.mtime(),
        );
        lines.push(format!("{shown} {mode:o} {uid} {gid} {time} {content}"));
        if metadata.is_dir() {
            dump(&path, lines, top);
        }
    }
}

/// What every layer holds.
pub fn dump_layers(rootfs: &Rootfs) -> BTreeMap<String, Vec<String>> {
    let dump_one = |layer: &layer::Layer| {
        let mut lines = Vec::new();
        dump(&layer.directory(), &mut lines, &layer.directory());
        (layer.name().to_owned(), lines)
    };
    rootfs.layers().iter().map(dump_one).collect()
}

#[test]
fn the_root_holds_what_was_asked_for() {
    let Some(fixture) = Fixture::new() else {
        return;
    };
    let rootfs = fixture.build(IMAGE);
    let mounted = rootfs.mount().unwrap();
    let at = |path: &str| mounted.path().join(path);
    for (path, mode, uid) in [
        ("etc/tiny.conf", 0o600, 800),
        ("var/lib/app", 0o700, 800),
        ("srv/app/run", 0o755, 800),
        ("usr/bin/tiny", 0o755, 0),
        ("usr/lib/bedplate/init", 0o755, 0),
        ("usr/lib/bedplate/state-tools/usr/sbin/mkfs.xfs", 0o755, 0),
        (
            "usr/lib/bedplate/state-tools/lib64/ld-linux-x86-64.so.2",
            0o755,
            0,
        ),
        ("etc/shadow", 0o640, 0),
        ("tmp", 0o1777, 0),
    ] {
        let metadata = fs::metadata(at(path)).unwrap();
        assert_eq!(
            (metadata.mode() & 0o7777, metadata.uid()),
            (mode, uid),
            "{path}"
        );
    }
    assert_eq!(
        fs::read(at("etc/tiny.conf")).unwrap(),
        b"from the definition\n"
    );
    for path in [
        "var/log/tiny.log",
        "usr/lib/bedplate/gpu-probe",
        "usr/lib/modules/6.1/build",
    ] {
        assert!(!at(path).exists() && !at(path).is_symlink(), "{path}");
    }
    let document = fs::read_to_string(at("usr/lib/bedplate/appliance.json")).unwrap();
    assert_eq!(Appliance::parse(&document).unwrap().services[0].uid, 800);
    assert_eq!(fs::read(&rootfs.kernel().vmlinuz).unwrap(), b"kernel");
    assert_eq!(rootfs.kernel().release, "6.1");
}

#[test]
fn two_builds_in_two_stores_agree() {
    let (Some(first), Some(second)) = (Fixture::new(), Fixture::new()) else {
        return;
    };
    let (first, second) = (first.build(IMAGE), second.build(IMAGE));
    let keys = |rootfs: &Rootfs| -> Vec<Digest> {
        rootfs.layers().iter().map(|layer| *layer.key()).collect()
    };
    assert_eq!(keys(&first), keys(&second));
    assert_eq!(dump_layers(&first), dump_layers(&second));
}

#[test]
fn a_change_rebuilds_what_lies_above() {
    let Some(fixture) = Fixture::new() else {
        return;
    };
    let before = fixture.build(IMAGE);
    let after = fixture.build(&IMAGE.replace("from the definition", "changed"));
    let changed: Vec<&str> = std::iter::zip(before.layers(), after.layers())
        .filter(|(before, after)| before.key() != after.key())
        .map(|(_, after)| after.name())
        .collect();
    assert_eq!(changed, ["config", "init"]);
}
