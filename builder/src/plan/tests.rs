//! Which steps a change reaches.

use std::{collections::BTreeMap, path::Path};

use bedplate_contract::{Digest, SchemaVersion};

use super::*;
use crate::{
    definition::{self, BuildOrigin, Command, Exhibit, SourceContent, SourceEntry},
    registry::{Blob, PinnedImage},
    resolve::lock::LockedPackage,
};

const IMAGE: &str = r#"
schema = 1

[image]
name = "tiny"
version = "1.0.0"
summary = "One service"

[base]
distribution = "debian"
suite = "trixie"
components = ["main"]
essential = true
packages = ["nginx"]

[[user]]
name = "app"
uid = 800

[[file]]
path = "/etc/late"
content = "late"

[[file]]
path = "/etc/early"
content = "early"
before_configure = true

[[service]]
name = "app"
user = "app"
run = ["/usr/bin/app"]

[gate]
deadline = "1m"
stable_for = "1s"
"#;

/// All that a plan is made from.
#[derive(Clone)]
struct Inputs {
    definition: Definition,
    lock: Lock,
    host: HostPrograms<'static>,
    trees: Vec<SourceTree>,
}

impl Inputs {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("image.toml"), IMAGE).unwrap();
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles");
        let entry = SourceEntry {
            path: "/srv/app/run".into(),
            content: SourceContent::File {
                bytes: b"run".into(),
                mode: 0o755,
            },
        };
        let mut definition = definition::load(directory.path(), "min", &profiles).unwrap();
        definition.services[0].oci = Some("page".to_owned());
        definition.builds = vec![build()];
        definition.validation.commands = vec![command("nginx -t")];
        definition.validation.files = vec![exhibit("one")];
        Self {
            definition,
            lock: lock(),
            host: HostPrograms {
                init: b"init",
                bedplatectl: b"ctl",
                gpu_probe: b"gpu",
            },
            trees: vec![
                SourceTree {
                    path: "/srv/app".to_owned(),
                    owner: "app".to_owned(),
                    source: TreeSource::Entries(vec![entry]),
                },
                SourceTree {
                    path: "/srv/code".to_owned(),
                    owner: "app".to_owned(),
                    source: TreeSource::Image {
                        name: "code".to_owned(),
                        from: "/".to_owned(),
                    },
                },
            ],
        }
    }

    fn plan(&self) -> Plan {
        plan(&self.definition, &self.lock, &self.host, &self.trees)
    }

    /// Replaces a package of the lock by another version.
    fn update(&mut self, name: &str) {
        let packages = &mut self.lock.packages;
        let package = packages.iter_mut().find(|package| package.name == name);
        let package = package.unwrap();
        package.version = "2".to_owned();
        package.sha256 = Digest::of(b"2");
        let id = package.id();
        for ids in self.lock.sets.values_mut() {
            for old in ids.iter_mut().filter(|old| **old == format!("{name}=1")) {
                old.clone_from(&id);
            }
        }
    }
}

fn lock() -> Lock {
    let package = |name: &str| LockedPackage {
        name: name.to_owned(),
        version: "1".to_owned(),
        architecture: "all".to_owned(),
        archive: "debian".to_owned(),
        path: format!("pool/{name}.deb"),
        sha256: Digest::of(name.as_bytes()),
        size: 1,
        base: name == "libc6",
    };
    let names = ["libc6", "nginx", "linux", "erofs-utils", "gcc"];
    let set = |name: &str, packages: &[&str]| {
        let ids = packages.iter().map(|package| format!("{package}=1"));
        (name.to_owned(), ids.collect::<Vec<_>>())
    };
    Lock {
        schema: SchemaVersion,
        request: Digest::of(b"request"),
        repositories: Vec::new(),
        sets: BTreeMap::from([
            set("min", &["libc6", "nginx"]),
            set("kernel/min", &["linux"]),
            set("build/min/profile", &["libc6", "gcc"]),
            set("tools", &["erofs-utils"]),
        ]),
        packages: names.map(package).into(),
        images: ["code", "page"].map(image).into(),
    }
}

fn build() -> Build {
    Build {
        origin: BuildOrigin::Profile,
        packages: vec!["gcc".to_owned()],
        commands: vec![command("make")],
        outputs: vec!["/usr/lib/modules".to_owned()],
    }
}

fn command(text: &str) -> Command {
    Command {
        text: text.to_owned(),
        place: "profile.toml:3".to_owned(),
    }
}

fn exhibit(content: &str) -> Exhibit {
    Exhibit {
        name: "test.yml".to_owned(),
        content: content.into(),
    }
}

fn image(name: &str) -> PinnedImage {
    PinnedImage {
        name: name.to_owned(),
        reference: format!("test/{name}"),
        manifest: Digest::of(name.as_bytes()),
        config: Blob {
            digest: Digest::of(b"config"),
            size: 1,
            media_type: "config".to_owned(),
        },
        layers: Vec::new(),
    }
}

/// The steps whose keys differ, without the archives, which follow their layers.
fn changed(before: &Plan, after: &Plan) -> Vec<String> {
    let differ = |(before, after): &(&Step, &Step)| before.key != after.key;
    iter::zip(before.steps(), after.steps())
        .filter(differ)
        .map(|(_, step)| step.name.clone())
        .filter(|name| !name.starts_with("archive "))
        .collect()
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    assert_eq!(Inputs::new().plan(), Inputs::new().plan());
}

#[test]
fn a_change_reaches_what_is_derived_and_nothing_else() {
    type Edit = fn(&mut Inputs);
    let cases: [(&str, Edit, &[&str]); 28] = [
        ("nothing", |_| {}, &[]),
        (
            "tools",
            |i| i.update("erofs-utils"),
            &["tools", "init", "disk", "bundle"],
        ),
        (
            "base package",
            |i| i.update("libc6"),
            &[
                "base",
                "packages",
                "build-root/profile",
                "build/profile",
                "app",
                "config",
                "validate",
                "init",
                "disk",
                "bundle",
            ],
        ),
        (
            "package",
            |i| i.update("nginx"),
            &[
                "packages", "app", "config", "validate", "init", "disk", "bundle",
            ],
        ),
        (
            "kernel",
            |i| i.update("linux"),
            &[
                "kernel",
                "build/profile",
                "app",
                "config",
                "validate",
                "init",
                "disk",
                "bundle",
            ],
        ),
        (
            "package of a build",
            |i| i.update("gcc"),
            &[
                "build-root/profile",
                "build/profile",
                "app",
                "config",
                "validate",
                "init",
                "disk",
                "bundle",
            ],
        ),
        (
            "command",
            |i| i.definition.builds[0].commands[0].text.push('2'),
            &[
                "build/profile",
                "app",
                "config",
                "validate",
                "init",
                "disk",
                "bundle",
            ],
        ),
        (
            "output",
            |i| i.definition.builds[0].outputs.push("/srv".to_owned()),
            &[
                "build/profile",
                "app",
                "config",
                "validate",
                "init",
                "disk",
                "bundle",
            ],
        ),
        (
            "place of a command",
            |i| i.definition.builds[0].commands[0].place.push('2'),
            &[],
        ),
        (
            "validation",
            |i| i.definition.validation.commands[0].text.push('2'),
            &["validate"],
        ),
        (
            "file of a validation",
            |i| i.definition.validation.files[0] = exhibit("two"),
            &["validate"],
        ),
        (
            "place of a validation",
            |i| i.definition.validation.commands[0].place.push('2'),
            &[],
        ),
        (
            "user",
            |i| i.definition.users[0].uid = 801,
            &[
                "packages", "app", "config", "validate", "init", "disk", "bundle",
            ],
        ),
        (
            "tree",
            |i| {
                let source = TreeSource::Entries(Vec::new());
                i.trees[0].source = source;
            },
            &["app", "config", "validate", "init", "disk", "bundle"],
        ),
        (
            "image of a tree",
            |i| i.lock.images[0].manifest = Digest::of(b"other"),
            &[
                "oci/code", "app", "config", "validate", "init", "disk", "bundle",
            ],
        ),
        (
            "image of a service",
            |i| i.lock.images[1].manifest = Digest::of(b"other"),
            &["oci/page", "init", "disk", "bundle"],
        ),
        (
            "reference of an image",
            |i| i.lock.images[1].reference = "test/other".to_owned(),
            &["oci/page", "init", "disk", "bundle"],
        ),
        (
            "file",
            |i| i.definition.files[0].content = b"other".into(),
            &["config", "validate", "init", "disk", "bundle"],
        ),
        (
            "early file",
            |i| i.definition.files[1].content = b"other".into(),
            &[
                "packages", "app", "config", "validate", "init", "disk", "bundle",
            ],
        ),
        (
            "owner of an early file",
            |i| i.definition.files[1].owner = "app".to_owned(),
            &["config", "validate", "init", "disk", "bundle"],
        ),
        (
            "service",
            |i| i.definition.services[0].essential ^= true,
            &["init", "disk", "bundle"],
        ),
        (
            "version",
            |i| i.definition.image.version = "1.0.1".to_owned(),
            &["init", "disk", "bundle"],
        ),
        (
            "program",
            |i| i.host.init = b"other",
            &["init", "disk", "bundle"],
        ),
        (
            "command line",
            |i| i.definition.profile.cmdline.push("quiet".to_owned()),
            &["disk", "bundle"],
        ),
        (
            "trusted key",
            |i| i.definition.update.keys.push("key".to_owned()),
            &["init", "disk", "bundle"],
        ),
        (
            "minimum version",
            |i| i.definition.update.minimum_version = Some("0.9".to_owned()),
            &["init", "disk", "bundle"],
        ),
        (
            "expiry",
            |i| i.definition.update.expires = Some("2027-06-30T00:00:00Z".to_owned()),
            &["bundle"],
        ),
        (
            "summary",
            |i| i.definition.image.summary = "Another".to_owned(),
            &[],
        ),
    ];
    let before = Inputs::new();
    for (what, edit, expected) in cases {
        let mut after = before.clone();
        edit(&mut after);
        assert_eq!(changed(&before.plan(), &after.plan()), expected, "{what}");
    }
}

#[test]
fn an_archive_follows_its_layer() {
    let plan = Inputs::new().plan();
    let layers: Vec<&Step> = plan.layers().collect();
    assert_eq!(plan.archives.len(), layers.len());
    for (layer, archive) in iter::zip(layers, &plan.archives) {
        assert_eq!(archive.name, format!("archive {}", layer.name));
        assert_eq!(archive.inputs[0].digest, layer.key);
    }
}

#[test]
fn names_are_there_once() {
    for step in Inputs::new().plan().steps() {
        let mut names: Vec<&str> = step.inputs.iter().map(|i| i.name.as_str()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{}", step.name);
    }
}

#[test]
fn a_document_is_read_back() {
    let inputs = Inputs::new();
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(Document::load(directory.path()).unwrap(), None);
    let document = Document::new(&inputs.definition, &inputs.plan());
    document.save(directory.path()).unwrap();
    let read = Document::load(directory.path()).unwrap();
    assert_eq!(read, Some(document));
}
