//! Bedplate's choices against those of `apt-get -s`, for every line of `tests/resolve/sets.txt`.
//!
//! Both read the same index: what Bedplate verified is laid out as a local repository that a
//! private apt with an empty dpkg status reads. Needs `apt-get` and a Debian mirror.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bedplate::{
    resolve::{self, Lock, Mirrors, Sources, ToolSet, index, tools},
    store::Store,
};
use rayon::prelude::*;

const SETS: &str = include_str!("../../tests/resolve/sets.txt");

/// A private apt below one directory.
struct Apt {
    root: tempfile::TempDir,
}

impl Apt {
    fn new(index: &index::Index, store: &Store) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dists = root.path().join("archive/dists").join(&index.locked.suite);
        copy(
            &store.blob(&index.locked.in_release),
            &dists.join("InRelease"),
        );
        for file in &index.files {
            copy(&store.blob(&file.sha256), &dists.join(&file.path));
        }
        for directory in [
            "etc/apt.conf.d",
            "etc/preferences.d",
            "state/lists/partial",
            "cache",
        ] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let source = format!(
            "deb [arch=amd64 signed-by={}] file:{} {} main\n",
            tools::repository().keyring.display(),
            root.path().join("archive").display(),
            index.locked.suite,
        );
        fs::write(root.path().join("etc/sources.list"), source).unwrap();
        fs::write(root.path().join("state/status"), "").unwrap();
        fs::write(root.path().join("apt.conf"), configuration(root.path())).unwrap();
        let apt = Self { root };
        apt.run(&["update"]);
        apt
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("apt-get")
            .env("APT_CONFIG", self.root.path().join("apt.conf"))
            .args(arguments)
            .output()
            .expect("apt-get is needed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "apt-get {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The choice of apt as `name=version`.
    fn choose(&self, packages: &[&str]) -> BTreeSet<String> {
        let text = self.run(&[&["-s", "install"], packages].concat());
        let chosen = text.lines().filter_map(|line| line.strip_prefix("Inst "));
        chosen
            .map(|line| {
                let (name, rest) = line.split_once(" (").unwrap();
                format!("{name}={}", rest.split(' ').next().unwrap())
            })
            .collect()
    }
}

/// Read before anything of the host, and leading apt away from it.
fn configuration(root: &Path) -> String {
    let root = root.display();
    format!(
        "Dir::Etc \"{root}/etc\";\nDir::State \"{root}/state\";\nDir::Cache \"{root}/cache\";\n\
         Dir::State::status \"{root}/state/status\";\nAPT::Architecture \"amd64\";\n\
         APT::Architectures \"amd64\";\nAPT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n"
    )
}

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

#[test]
fn the_same_packages_as_apt() {
    let lines = SETS.lines().filter(|line| !line.starts_with('#'));
    let sets: Vec<ToolSet> = lines
        .map(|line| ToolSet {
            name: line,
            packages: line.split(' ').collect::<Vec<_>>().leak(),
        })
        .collect();
    assert!(sets.len() >= 20);
    let store = Store::open(&Store::default_root()).unwrap();
    let sources = Sources::new(Mirrors::discover(&[]).unwrap(), store.clone());
    let lock = resolve::lock_tools(&sets, &sources).unwrap();
    let index = index::load(&tools::repository(), Path::new("/"), &sources).unwrap();
    let apt = Apt::new(&index, &store);
    let compared = sets.par_iter().map(|set| compare(set, &lock, &apt));
    let differences: Vec<_> = compared.flatten().collect();
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// What only one of both chooses for `set`.
fn compare(set: &ToolSet, lock: &Lock, apt: &Apt) -> Option<String> {
    let expected = apt.choose(set.packages);
    let found: BTreeSet<String> = lock.sets[set.name].iter().cloned().collect();
    let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| {
        left.difference(right)
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (apt, ours) = (only(&expected, &found), only(&found, &expected));
    let text = format!("{}\n  only apt: {apt}\n  only ours: {ours}", set.name);
    (expected != found).then_some(text)
}
