//! The steps of an upgrade against a scripted init.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex},
    thread,
};

use bedplate_contract::control::{Request, UpgradeStep};
use bedplate_update::{
    admission::Quarantine,
    upgrade::{self, Machine, Order, Report, UpgradeError},
};

/// An init that says it is in this state, and takes every other request.
struct Init {
    machine: Machine,
    requests: Arc<Mutex<Vec<Request>>>,
    _directory: tempfile::TempDir,
}

fn init(boot: &str, slots: &str) -> Init {
    let directory = tempfile::tempdir().unwrap();
    let machine = Machine {
        socket: directory.path().join("control.sock"),
        trust: directory.path().join("trust.json"),
        lock: directory.path().join("upgrade.lock"),
    };
    let status = format!(
        r#"{{"reply":"status","name":"lab","version":"1.0.0","profile":"min","slot":"a",
        "entry":null,"slots":[{slots}],"boot":"{boot}","uptime_ms":1,"init_rss_kib":1,
        "address":null,"warnings":[],"services":[],"phases":[]}}"#
    );
    let status = status.replace('\n', " ");
    let listener = UnixListener::bind(&machine.socket).unwrap();
    let requests = Arc::<Mutex<Vec<_>>>::default();
    let taken = requests.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &status, &taken);
        }
    });
    Init {
        machine,
        requests,
        _directory: directory,
    }
}

/// Notes the request before it is answered: who asked may look at the notes once it has the answer.
fn answer(mut stream: UnixStream, status: &str, taken: &Mutex<Vec<Request>>) {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    let request = serde_json::from_str(&line).unwrap();
    let reply = match request {
        Request::Status => status,
        _ => r#"{"reply":"done"}"#,
    };
    taken.lock().unwrap().push(request);
    stream.write_all(format!("{reply}\n").as_bytes()).unwrap();
}

fn run(init: &Init, step: UpgradeStep) -> Result<Report, UpgradeError> {
    let order = Order {
        source: Some("/no/such".to_owned()),
        step,
        quarantine: Quarantine::Holds,
    };
    upgrade::run(&order, &init.machine, &mut std::io::sink())
}

const STAGED: &str = r#"{"slot":"b","active":false,"root_hash":null,
    "entry":"lab_1.0.1+3.efi","version":"1.0.1","state":"trial"}"#;
const FALLBACK: &str = r#"{"slot":"b","active":false,"root_hash":null,
    "entry":"lab_0.9.efi","version":"0.9","state":"blessed"}"#;
const ON_TRIAL: &str = r#"{"slot":"a","active":true,"root_hash":null,
    "entry":"lab_1.0.0+2-1.efi","version":"1.0.0","state":"trial"}"#;

#[test]
fn a_boot_that_is_not_decided_takes_no_bundle() {
    for boot in ["starting", "gating", "stopping"] {
        for step in [UpgradeStep::All, UpgradeStep::Stage] {
            let words = run(&init(boot, ""), step).unwrap_err().to_string();
            let expected = format!(
                "no bundle is taken now: the boot of the running version is not decided yet \
                 ({boot}); wait until it is healthy"
            );
            assert_eq!(words, expected);
        }
    }
}

#[test]
fn what_is_staged_is_applied_and_nothing_else() {
    for slots in ["", FALLBACK, ON_TRIAL] {
        let refused = run(&init("healthy", slots), UpgradeStep::Apply).unwrap_err();
        assert!(matches!(refused, UpgradeError::NothingStaged), "{refused}");
    }
    let init = init("healthy", &format!("{ON_TRIAL},{STAGED}"));
    let report = run(&init, UpgradeStep::Apply).unwrap();
    let expected = Report::Applied {
        version: Some("1.0.1".to_owned()),
        slot: "b".to_owned(),
    };
    assert_eq!(report, expected);
    upgrade::reboot(&init.machine).unwrap();
    let requests = init.requests.lock().unwrap();
    assert_eq!(*requests, [Request::Status, Request::Reboot]);
}

/// As in a container.
#[test]
fn a_machine_without_slots_takes_no_bundle() {
    for step in [UpgradeStep::Stage, UpgradeStep::Cancel] {
        let words = run(&init("healthy", ""), step).unwrap_err().to_string();
        assert_eq!(
            words,
            "finding the slots of this machine; a container has none"
        );
    }
}

#[test]
fn a_second_upgrade_is_refused() {
    let init = init("healthy", STAGED);
    let lock = std::fs::File::create(&init.machine.lock).unwrap();
    lock.lock().unwrap();
    let words = run(&init, UpgradeStep::Apply).unwrap_err().to_string();
    assert!(words.starts_with("another upgrade is under way"), "{words}");
    assert!(init.requests.lock().unwrap().is_empty());
    drop(lock);
    run(&init, UpgradeStep::Apply).unwrap();
}
