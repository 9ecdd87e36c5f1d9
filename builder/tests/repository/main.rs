//! Lock and fetch against a small signed repository and its broken variants, all on loopback.

mod server;

use std::{fs, path::PathBuf, time::Duration};

use bedplate::{
    definition::Repository,
    resolve::{
        self, ErrorClass, Lock, LockMode, Mirrors, Network, Progress, ResolveError, Sources,
        ToolSet,
        download::{Downloader, Patience},
    },
    store::Store,
};
use server::{Fault, Server};

const APP: ToolSet = ToolSet {
    name: "app",
    packages: &["app"],
};
const DEB: &str = "pool/app-3-300000.deb";

struct Fixture {
    directory: tempfile::TempDir,
    server: Server,
    sources: Sources,
}

impl Fixture {
    fn new(suite: &str) -> Self {
        let root = PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/resolve/repository"
        ));
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(&root);
        let mut mirrors = Mirrors::default();
        mirrors.add("snakeoil", &server.url()).unwrap();
        let mut sources = Sources::new(mirrors, Store::open(directory.path()).unwrap());
        sources.progress = Progress::hidden();
        sources.downloader = Downloader::new(Patience {
            attempts: 3,
            pause: Duration::from_millis(1),
            stall: Duration::from_secs(20),
        });
        sources.tools = Repository {
            archive: "snakeoil".into(),
            suite: suite.into(),
            components: vec!["main".into()],
            keyring: root.join("keyring.gpg"),
            url: None,
        };
        Self {
            directory,
            server,
            sources,
        }
    }

    fn lock(&self, set: ToolSet) -> Result<Lock, ResolveError> {
        resolve::lock_tools(&[set], &self.sources)
    }

    fn fetch(&self) -> Result<Vec<u8>, ResolveError> {
        let lock = self.lock(APP)?;
        let packages = resolve::fetch(&lock, &[APP.name], &self.sources)?;
        let app = lock
            .packages
            .iter()
            .find(|package| package.name == "app")
            .unwrap();
        Ok(fs::read(packages.blob(app)).unwrap())
    }

    fn leftovers(&self) -> usize {
        fs::read_dir(self.directory.path().join("tmp"))
            .unwrap()
            .count()
    }
}

#[test]
fn a_set_is_locked_in_configure_order_and_fetched() {
    let fixture = Fixture::new("good");
    let lock = fixture.lock(APP).unwrap();
    assert_eq!(
        lock.sets["app"],
        ["tiny=1.0-1", "library=2.0-1", "app=1.0-1"]
    );
    assert_eq!(lock, fixture.lock(APP).unwrap());
    let packages = resolve::fetch(&lock, &["app"], &fixture.sources).unwrap();
    for package in lock.set("app") {
        assert_eq!(
            fs::metadata(packages.blob(package)).unwrap().len(),
            package.size
        );
    }
    assert_eq!(fixture.leftovers(), 0);
}

#[test]
fn an_armored_keyring_does_as_well() {
    let mut fixture = Fixture::new("good");
    fixture.sources.tools.keyring.set_extension("asc");
    fixture.lock(APP).unwrap();
}

#[test]
fn what_is_not_trusted_is_refused() {
    for (suite, expected) in [
        ("unsigned", "is not signed"),
        ("tampered", "wrong signature"),
        ("expired-key", "signature of the expired key"),
        ("expired", "expired: it was valid until `Thu, 02 Jan 2025"),
        ("none", "has no signed release file"),
    ] {
        let fixture = Fixture::new(suite);
        let error = fixture.lock(APP).unwrap_err();
        assert!(error.to_string().contains(expected), "{suite}: {error}");
        assert_eq!(error.class(), ErrorClass::Definition, "{suite}");
        assert!(
            !fixture
                .server
                .requests()
                .iter()
                .any(|path| path.contains("Packages"))
        );
        assert_eq!(fixture.leftovers(), 0);
    }
}

#[test]
fn a_key_outside_the_keyring_does_not_count() {
    let mut fixture = Fixture::new("good");
    fixture.sources.tools.keyring.set_file_name("other.gpg");
    let error = fixture.lock(APP).unwrap_err().to_string();
    assert!(error.contains("is not in the keyring"), "{error}");
}

#[test]
fn a_wrong_index_is_refused_and_removed() {
    let fixture = Fixture::new("wrong-index");
    let error = fixture.lock(APP).unwrap_err().to_string();
    assert!(
        error.contains("Packages.xz` is not what was expected"),
        "{error}"
    );
    assert!(error.contains("found sha256:"), "{error}");
    assert_eq!(fixture.leftovers(), 0);
}

#[test]
fn a_wrong_deb_is_refused_at_once() {
    let fixture = Fixture::new("good");
    fixture.server.fail(DEB, &[Fault::Garbage]);
    let error = fixture.fetch().unwrap_err().to_string();
    assert!(
        error.contains(DEB) && error.contains("expected sha256:"),
        "{error}"
    );
    let requests = fixture.server.requests();
    assert_eq!(requests.iter().filter(|path| path.contains(DEB)).count(), 1);
    // The next one is not led astray by what came.
    assert_eq!(fixture.fetch().unwrap().len(), 300_000);
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let fixture = Fixture::new("good");
    let cuts = [
        Fault::Cut(100_000),
        Fault::Cut(50_000),
        Fault::Cut(0),
        Fault::Cut(1),
    ];
    fixture.server.fail(DEB, &cuts);
    assert_eq!(fixture.fetch().unwrap().len(), 300_000);
    let requests = fixture.server.requests();
    let of_deb: Vec<_> = requests
        .iter()
        .filter_map(|path| path.strip_prefix(DEB))
        .collect();
    assert_eq!(
        of_deb,
        [
            "",
            " from=100000",
            " from=150000",
            " from=150000",
            " from=150001"
        ]
    );
}

#[test]
fn a_server_without_ranges_is_read_from_the_start() {
    let fixture = Fixture::new("good");
    fixture
        .server
        .fail(DEB, &[Fault::Cut(100_000), Fault::IgnoreRange]);
    assert_eq!(fixture.fetch().unwrap().len(), 300_000);
}

#[test]
fn passing_errors_are_retried_and_others_are_not() {
    for (faults, expected) in [
        (&[Fault::Status(503), Fault::Status(429)][..], None),
        (&[Fault::Status(500); 3], Some("the server answers 500")),
        (&[Fault::Status(403)], Some("the server answers 403")),
        (&[Fault::Cut(0); 3], Some("given up after 3 attempts")),
    ] {
        let fixture = Fixture::new("good");
        fixture.server.fail(DEB, faults);
        let found = fixture.fetch().map(|bytes| bytes.len());
        match expected {
            None => assert_eq!(found.unwrap(), 300_000),
            Some(text) => {
                let error = found.unwrap_err();
                assert!(error.to_string().contains(text), "{error}");
                assert_eq!(error.class(), ErrorClass::Other);
            }
        }
        let requests = fixture.server.requests();
        let tried = requests.iter().filter(|path| path.starts_with(DEB)).count();
        assert_eq!(tried, faults.len() + usize::from(expected.is_none()));
    }
}

#[test]
fn a_torn_partial_file_is_started_again() {
    let fixture = Fixture::new("good");
    let lock = fixture.lock(APP).unwrap();
    let app = lock
        .packages
        .iter()
        .find(|package| package.name == "app")
        .unwrap();
    let partial = format!("tmp/{}.partial", app.sha256.hex());
    fs::write(fixture.directory.path().join(partial), vec![9; 200_000]).unwrap();
    assert_eq!(fixture.fetch().unwrap().len(), 300_000);
}

#[test]
fn an_unsatisfiable_set_is_explained() {
    for (packages, expected) in [
        (&["broken"][..], &["broken", "library (>= 3)"][..]),
        (&["app", "enemy"], &["enemy", "library"]),
        (&["ap"], &["no package `ap`", "nearest name is `app`"]),
    ] {
        let fixture = Fixture::new("good");
        let error = fixture
            .lock(ToolSet {
                name: "set",
                packages,
            })
            .unwrap_err();
        assert_eq!(error.class(), ErrorClass::Definition);
        let text = error.to_string();
        assert!(expected.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn the_mode_decides_whether_a_lock_is_made() {
    let fixture = Fixture::new("good");
    let path = fixture.directory.path().join("bedplate.lock");
    let tiny = ToolSet {
        name: "app",
        packages: &["tiny"],
    };
    let ensure = |set, mode| resolve::ensure_tools_lock(&path, &[set], mode, &fixture.sources);
    let stale = ensure(APP, LockMode::Locked).unwrap_err();
    assert_eq!(stale.class(), ErrorClass::StaleLock);
    let first = ensure(APP, LockMode::UseIfCurrent).unwrap();
    assert!(!fixture.server.requests().is_empty());
    for mode in [LockMode::UseIfCurrent, LockMode::Locked] {
        assert_eq!(ensure(APP, mode).unwrap(), first);
        assert!(fixture.server.requests().is_empty());
    }
    let stale = ensure(tiny, LockMode::Locked).unwrap_err();
    assert_eq!(stale.class(), ErrorClass::StaleLock);
    assert_eq!(Lock::load(&path).unwrap(), first);
    assert_ne!(ensure(tiny, LockMode::UseIfCurrent).unwrap(), first);
    let again = ensure(tiny, LockMode::Update).unwrap();
    // The index is known by its digest; only the release file is read again.
    assert_eq!(
        fixture.server.requests(),
        ["dists/good/InRelease", "dists/good/InRelease"]
    );
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("127.0.0.1") && again.request != first.request);
}

#[test]
fn offline_touches_no_network() {
    let mut fixture = Fixture::new("good");
    let lock = fixture.lock(APP).unwrap();
    fixture.server.requests();
    fixture.sources.network = Network::Offline;
    let locking = fixture.lock(APP).unwrap_err().to_string();
    assert!(
        locking.contains("`snakeoil good` is not in the store"),
        "{locking}"
    );
    let fetching = resolve::fetch(&lock, &["app"], &fixture.sources)
        .unwrap_err()
        .to_string();
    assert!(fetching.contains(DEB), "{fetching}");
    assert!(fixture.server.requests().is_empty());
    fixture.sources.network = Network::Online;
    resolve::fetch(&lock, &["app"], &fixture.sources).unwrap();
    fixture.sources.network = Network::Offline;
    resolve::fetch(&lock, &["app"], &fixture.sources).unwrap();
}

#[test]
fn parallel_fetches_of_one_store_agree() {
    let fixture = Fixture::new("good");
    let lock = fixture.lock(APP).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| resolve::fetch(&lock, &["app"], &fixture.sources).unwrap());
        }
    });
    let requests = fixture.server.requests();
    assert_eq!(
        requests.iter().filter(|path| path.starts_with(DEB)).count(),
        1
    );
}
