//! A bundle on a disk that is plugged in, handed over by `bedplate run --upgrade`.

use anyhow::{Result, ensure};
use bedplate_contract::event::name;
use bedplate_tests::{
    esp,
    release::{self, BETTER, GOOD, NEVER_READY},
    vm::{Boot, Vm},
};

/// For all boots of one run.
const TIMEOUT_SECS: u32 = 600;

/// The versions that a run saw healthy, in their order.
fn healthy(boot: &Boot) -> Vec<&str> {
    let events = boot
        .events
        .iter()
        .filter(|event| event.name == name::HEALTHY);
    events.filter_map(|event| event.field("version")).collect()
}

#[test]
fn a_run_takes_a_machine_to_a_better_version_and_not_to_a_bad_one() -> Result<()> {
    let vm = Vm::of(&*release::lab(GOOD)?)?;
    let better = release::lab(BETTER)?;
    let build = better.directory.as_os_str();
    let run = vm.boot_with(TIMEOUT_SECS, &["--upgrade".as_ref(), build])?;
    ensure!(
        run.code == Some(0),
        "{:?} {}\n{}",
        run.code,
        run.talk,
        run.tail()
    );
    ensure!(healthy(&run) == [GOOD, BETTER], "{:?}", healthy(&run));
    let entries = esp::entries(&vm.disk())?;
    ensure!(entries == ["lab_1.0.0.efi", "lab_1.0.1.efi"], "{entries:?}");

    let file = vm.path("bad.tar");
    release::lab(NEVER_READY)?.publish_file(&file)?;
    let run = vm.boot_with(TIMEOUT_SECS, &["--upgrade".as_ref(), file.as_os_str()])?;
    ensure!(
        run.code == Some(4),
        "{:?} {}\n{}",
        run.code,
        run.talk,
        run.tail()
    );
    ensure!(
        run.talk.contains("back on the version before"),
        "{}",
        run.talk
    );
    ensure!(
        run.talk.contains("stuck"),
        "the reason names the service: {}",
        run.talk
    );
    ensure!(healthy(&run) == [BETTER, BETTER], "{:?}", healthy(&run));
    let entries = esp::entries(&vm.disk())?;
    ensure!(
        entries == ["lab_1.0.1.efi", "lab_1.0.2+0-1.efi"],
        "{entries:?}"
    );

    // On the next run the version is in quarantine: refused with its words, nothing rebooted.
    let run = vm.boot_with(TIMEOUT_SECS, &["--upgrade".as_ref(), file.as_os_str()])?;
    ensure!(
        run.code == Some(4),
        "{:?} {}\n{}",
        run.code,
        run.talk,
        run.tail()
    );
    ensure!(
        run.talk.contains("refused") && run.talk.contains("--force"),
        "{}",
        run.talk
    );
    ensure!(healthy(&run) == [BETTER], "{:?}", healthy(&run));
    Ok(())
}
