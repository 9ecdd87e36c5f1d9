//! Real boots, one behaviour a test: slot, counter and outcome are asserted after each boot.

use std::{net::TcpListener, time::Duration};

use anyhow::{Context, Result, ensure};
use bedplate_contract::{control::BootState, event::name};
use bedplate_tests::{
    bedplate,
    disk::{self, Table},
    esp,
    machine::Machine,
    vm::{Boot, Vm},
};

/// Generous for two machines at once on two cores under TCG; a healthy boot takes a tenth of it.
const TIMEOUT_SECS: u32 = 240;

fn healthy(boot: &Boot) -> Result<()> {
    ensure!(
        boot.code == Some(0),
        "exit code {:?}; the console ends with\n{}",
        boot.code,
        boot.tail()
    );
    ensure!(
        boot.event(name::HEALTHY).is_some(),
        "no healthy event:\n{}",
        boot.tail()
    );
    Ok(())
}

/// What the service `count` said: the number of boots that its volume has seen.
fn boots_seen(boot: &Boot) -> Result<&str> {
    let said = boot
        .events
        .iter()
        .find(|event| event.name == name::LOG && event.field("name") == Some("count"));
    said.and_then(|event| event.field("text"))
        .with_context(|| boot.tail())
}

#[test]
fn first_boot_blesses_and_the_second_finds_its_data() -> Result<()> {
    let vm = Vm::new("tests/images/lab")?;
    ensure!(
        esp::entries(&vm.artifact()?)? == ["lab_1.0.0+3.efi"],
        "a fresh disk has three tries"
    );

    let first = vm.boot(TIMEOUT_SECS)?;
    healthy(&first)?;
    ensure!(
        first.event(name::SLOT).and_then(|e| e.field("slot")) == Some("a"),
        "{}",
        first.tail()
    );
    let blessed = first
        .event(name::BLESSED)
        .and_then(|event| event.field("entry"));
    ensure!(blessed == Some("lab_1.0.0.efi"), "blessed {blessed:?}");
    ensure!(
        esp::entries(&vm.disk())? == ["lab_1.0.0.efi"],
        "the counter is gone"
    );
    ensure!(boots_seen(&first)? == "1", "{}", first.tail());

    let second = vm.boot(TIMEOUT_SECS)?;
    healthy(&second)?;
    ensure!(
        esp::entries(&vm.disk())? == ["lab_1.0.0.efi"],
        "a blessed entry stays blessed"
    );
    ensure!(boots_seen(&second)? == "2", "{}", second.tail());
    ensure!(first.event(name::STATE_MADE).is_some() && second.event(name::STATE_MADE).is_none());

    lost_sectors_of_the_state_cost_no_data(&vm)
}

/// The superblock is lost and is restored from a copy of it; then more than a copy can restore is lost,
/// and what is left stays as it is.
fn lost_sectors_of_the_state_cost_no_data(vm: &Vm) -> Result<()> {
    let state = Table::read(&vm.disk())?.range("state")?;
    disk::lose(&vm.disk(), state.start, 512)?;
    let repaired = vm.boot(TIMEOUT_SECS)?;
    healthy(&repaired)?;
    ensure!(boots_seen(&repaired)? == "3", "{}", repaired.tail());
    ensure!(
        repaired.event(name::STATE_REPAIRED).is_some()
            && repaired.event(name::STATE_MADE).is_none(),
        "{}",
        repaired.tail()
    );

    disk::lose(&vm.disk(), state.start, 1 << 20)?;
    let degraded = vm.boot(TIMEOUT_SECS)?;
    ensure!(degraded.code == Some(4), "{:?}", degraded.code);
    let failed = degraded.event(name::GATE_FAILED);
    let reason = failed.and_then(|event| event.field("reason"));
    ensure!(
        reason.is_some_and(|reason| reason.contains("phase `state` failed")),
        "{reason:?}"
    );
    ensure!(
        degraded.event(name::STATE_MADE).is_none(),
        "{}",
        degraded.tail()
    );
    Ok(())
}

#[test]
fn a_port_that_is_taken_ends_the_run() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let forward = format!("{}:8080", taken.local_addr()?.port());
    let run = bedplate::command()?
        .arg("run")
        .args(Vm::new("tests/images/lab")?.arguments())
        .args(["--port", &forward])
        .output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.code() == Some(1), "{:?}: {said}", run.status);
    ensure!(said.contains("QEMU failed (exit status: 1)"), "{said}");
    Ok(())
}

#[test]
fn services_start_in_the_order_of_their_requirements() -> Result<()> {
    let boot = Vm::new("tests/images/lab")?.boot(TIMEOUT_SECS)?;
    healthy(&boot)?;
    let at = |event: &str, service: &str| {
        boot.events
            .iter()
            .position(|e| e.name == event && e.field("name") == Some(service))
    };
    let done = at(name::SERVICE_EXITED, "count").with_context(|| boot.tail())?;
    let started = at(name::SERVICE_STARTED, "web").with_context(|| boot.tail())?;
    ensure!(
        done < started,
        "web was started before count was done:\n{}",
        boot.tail()
    );
    Ok(())
}

#[test]
fn a_service_that_never_gets_ready_fails_the_gate() -> Result<()> {
    let vm = Vm::new("tests/images/never-ready")?;
    let boot = vm.boot(TIMEOUT_SECS)?;
    ensure!(
        boot.code == Some(4),
        "exit code {:?}:\n{}",
        boot.code,
        boot.tail()
    );
    let failed = boot.event(name::GATE_FAILED).with_context(|| boot.tail())?;
    let named = failed
        .fields
        .iter()
        .any(|(_, value)| value.contains("stuck"));
    ensure!(named, "the gate does not name `stuck`: {failed}");
    ensure!(boot.event(name::HEALTHY).is_none() && boot.event(name::BLESSED).is_none());
    let entries = esp::entries(&vm.disk())?;
    ensure!(
        entries == ["never-ready_1.0.0+0-1.efi"],
        "the entry is marked bad: {entries:?}"
    );
    Ok(())
}

#[test]
fn a_failed_gate_leaves_a_report_and_a_reachable_machine() -> Result<()> {
    let vm = Vm::new("tests/images/never-ready")?;
    let mut machine = Machine::start(&vm, 8080)?;
    machine.wait_for(name::GATE_FAILED, Duration::from_secs(TIMEOUT_SECS.into()))?;
    ensure!(
        machine.status()?.boot == BootState::Degraded,
        "nothing else can boot"
    );
    check_report(&machine)?;
    machine.power_off()?;

    // The entry is bad, and still the only one: it boots, fails again, and does not loop.
    let mut machine = Machine::start(&vm, 8080)?;
    machine.wait_for(name::GATE_FAILED, Duration::from_secs(TIMEOUT_SECS.into()))?;
    ensure!(
        machine.status()?.boot == BootState::Degraded,
        "the second boot is degraded too"
    );
    machine.power_off()
}

fn check_report(machine: &Machine) -> Result<()> {
    let reports = machine.reports()?;
    let report = reports.first().context("a report")?;
    ensure!(
        report.outcome == "gate-failed" || report.outcome == "degraded",
        "{report:?}"
    );
    let reason = report.reason.as_deref().unwrap_or_default();
    ensure!(
        reason.contains("stuck"),
        "the report does not name `stuck`: {report:?}"
    );
    ensure!(
        report
            .services
            .iter()
            .any(|service| service.name == "stuck"),
        "{report:?}"
    );
    Ok(())
}

#[test]
fn a_flipped_byte_in_the_root_is_refused_by_verity() -> Result<()> {
    let vm = Vm::new("tests/images/lab")?;
    healthy(&vm.boot(TIMEOUT_SECS)?)?;
    let slot = Table::read(&vm.disk())?.range("slot-a")?;
    disk::flip(&vm.disk(), slot.start + 1024 + 8)?;
    let boot = vm.boot(60)?;
    ensure!(
        boot.event(name::HEALTHY).is_none(),
        "a corrupt root became healthy:\n{}",
        boot.tail()
    );
    ensure!(
        boot.console.contains("is corrupted"),
        "verity said nothing:\n{}",
        boot.tail()
    );
    Ok(())
}

#[test]
fn an_interrupted_run_powers_the_machine_off() -> Result<()> {
    let vm = Vm::new("tests/images/lab")?;
    let machine = Machine::healthy(&vm, 8080, Duration::from_secs(TIMEOUT_SECS.into()))?;
    let (code, page) = machine.http("GET", "/boots", "")?;
    ensure!(code == 200 && page == "boot\n", "{code} {page:?}");
    let (status, console) = machine.interrupt()?;
    ensure!(status.code() == Some(130), "the run ended with {status}");
    ensure!(
        console.contains("shutdown how=poweroff"),
        "no orderly shutdown:\n{console}"
    );
    ensure!(
        esp::entries(&vm.disk())? == ["lab_1.0.0.efi"],
        "blessed before the interrupt"
    );
    Ok(())
}
