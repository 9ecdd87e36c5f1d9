//! Versions that are not good, each in its own way: the machine comes back by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bedplate_contract::{
    control::{BootState, Reply, Request, UpgradeStep},
    event::name,
};
use bedplate_tests::{
    disk::{self, Table},
    esp,
    release::{self, BETTER, GOOD, HANGS, NEVER_READY, PANICS, SPOILS},
};

use crate::scene::{BOOTS, Scene, quarantined, reboots, refuses, report_of, slots};

/// How long a degraded machine is watched, in the time of its own clock.
const WATCHED_MS: u64 = 60_000;

#[test]
fn a_version_that_never_gets_ready_is_left_named_and_taken_again_only_by_force() -> Result<()> {
    let mut scene = Scene::new()?;
    let good = release::lab(GOOD)?;
    let (bad, url) = scene.offer(NEVER_READY)?;
    scene.machine.upgrade(&url, UpgradeStep::All, false)?;
    scene.machine.healthy_as(GOOD, BOOTS)?;
    let once = [
        (&*good, "a: lab_1.0.0+2-1.efi: healthy"),
        (&*bad, "b: lab_1.0.0.efi lab_1.0.2+2-1.efi: gate failed"),
        (&*good, "a: lab_1.0.0.efi lab_1.0.2+0-1.efi: healthy"),
    ];
    scene.expect(&once)?;
    scene.serves()?;
    let status = scene.machine.status()?;
    ensure!(
        slots(&status) == "a 1.0.0 blessed active, b 1.0.2 bad",
        "{}",
        slots(&status)
    );
    quarantined(&status, &bad)?;
    let reports = scene.machine.reports()?;
    let report = report_of(&reports, NEVER_READY)?;
    ensure!(report.outcome == "gate-failed", "{report:#?}");
    let reason = report.reason.as_deref().unwrap_or_default();
    ensure!(
        reason.contains("stuck"),
        "the report does not name `stuck`: {report:#?}"
    );

    let before = disk::fingerprint(&scene.vm.disk())?;
    let again = scene.machine.upgrade(&url, UpgradeStep::All, false)?;
    refuses(&again, &[NEVER_READY, "--force"])?;
    ensure!(
        disk::fingerprint(&scene.vm.disk())? == before,
        "the refused bundle wrote something"
    );

    scene.machine.upgrade(&url, UpgradeStep::All, true)?;
    scene.machine.healthy_as(GOOD, BOOTS)?;
    let twice = [&once[..], &once[1..]].concat();
    scene.expect(&twice)?;
    quarantined(&scene.machine.status()?, &bad)?;
    scene.machine.power_off()
}

#[test]
fn a_version_that_panics_is_left_after_its_tries() -> Result<()> {
    crashes(PANICS)
}

/// Without the watchdog nothing would end the first try.
#[test]
fn a_version_that_hangs_is_left_after_its_tries() -> Result<()> {
    crashes(HANGS)
}

fn crashes(version: &str) -> Result<()> {
    let mut scene = Scene::new()?;
    let good = release::lab(GOOD)?;
    let (bad, url) = scene.offer(version)?;
    scene.machine.upgrade(&url, UpgradeStep::All, false)?;
    scene.machine.healthy_as(GOOD, BOOTS)?;
    left_after_its_tries(&scene, &good, &bad)?;
    scene.machine.power_off()
}

/// Three boots without a verdict, then the old version with everything told.
fn left_after_its_tries(
    scene: &Scene,
    good: &release::Release,
    bad: &release::Release,
) -> Result<()> {
    let tries = ["2-1", "1-2", "0-3"].map(|counter| {
        let bad = &bad.version;
        format!("b: lab_1.0.0.efi lab_{bad}+{counter}.efi: no verdict")
    });
    let after = format!("a: lab_1.0.0.efi lab_{}+0-3.efi: healthy", bad.version);
    scene.expect(&[
        (good, "a: lab_1.0.0+2-1.efi: healthy"),
        (bad, &tries[0]),
        (bad, &tries[1]),
        (bad, &tries[2]),
        (good, &after),
    ])?;
    scene.serves()?;
    quarantined(&scene.machine.status()?, bad)?;
    let reports = scene.machine.reports()?;
    let report = report_of(&reports, &bad.version)?;
    ensure!(report.outcome == "crashed", "{report:#?}");
    Ok(())
}

#[test]
fn a_root_that_rots_after_staging_is_left_after_its_tries() -> Result<()> {
    let mut scene = Scene::new()?;
    let good = release::lab(GOOD)?;
    let (better, url) = scene.offer(BETTER)?;
    let staged = scene.machine.upgrade(&url, UpgradeStep::Stage, false)?;
    ensure!(staged == Reply::Done, "{staged:?}");
    // The superblock of the root: nothing of it can be mounted.
    let slot = Table::read(&scene.vm.disk())?.range("slot-b")?;
    disk::flip(&scene.vm.disk(), slot.start + 1024 + 8)?;
    scene.machine.send(&Request::Reboot)?;
    scene.machine.healthy_as(GOOD, BOOTS)?;
    left_after_its_tries(&scene, &good, &better)?;
    scene.machine.power_off()
}

#[test]
fn with_two_bad_versions_the_machine_stays_reachable_and_still() -> Result<()> {
    let mut scene = Scene::new()?;
    let good = release::lab(GOOD)?;
    let (bad, url) = scene.offer(SPOILS)?;
    scene.machine.upgrade(&url, UpgradeStep::All, false)?;
    let event = scene
        .machine
        .until(BOOTS, |event| event.name == name::DEGRADED)?;
    scene.expect(&[
        (&good, "a: lab_1.0.0+2-1.efi: healthy"),
        (&bad, "b: lab_1.0.0.efi lab_1.0.5+2-1.efi: gate failed"),
        (&good, "a: lab_1.0.0.efi lab_1.0.5+0-1.efi: degraded"),
    ])?;
    let status = scene.machine.status()?;
    ensure!(
        status.boot == BootState::Degraded && status.version == GOOD,
        "{status:?}"
    );
    let reports = scene.machine.reports()?;
    let spoilt = report_of(&reports, GOOD)?;
    let reason = spoilt.reason.as_deref().unwrap_or_default();
    ensure!(
        spoilt.outcome == "degraded" && reason.contains("count"),
        "{spoilt:#?}"
    );
    ensure!(
        report_of(&reports, SPOILS)?.outcome == "gate-failed",
        "{reports:#?}"
    );
    stays(&mut scene, event.at_ms)?;
    let entries = esp::entries(&scene.vm.disk())?;
    ensure!(
        entries == ["lab_1.0.0.efi", "lab_1.0.5+0-1.efi"],
        "{entries:?}"
    );
    scene.machine.power_off()
}

/// Asks the machine until a minute of its own time is over: it goes on, and does not begin anew.
fn stays(scene: &mut Scene, since_ms: u64) -> Result<()> {
    while scene.machine.status()?.uptime_ms < since_ms + WATCHED_MS {
        let moment = Duration::from_secs(5);
        let event = scene.machine.until(moment, |event| reboots(&event.name));
        ensure!(
            event.is_err(),
            "the degraded machine reboots:\n{}",
            scene.machine.story.tail()
        );
    }
    let status = scene.machine.status().context("after a minute")?;
    ensure!(status.boot == BootState::Degraded, "{:?}", status.boot);
    // The boots are one after the other: the clock of a new one would have begun at 0.
    ensure!(
        scene.machine.story.boots.len() == 3,
        "{}",
        scene.machine.story.tail()
    );
    Ok(())
}
