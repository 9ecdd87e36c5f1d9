//! A version that is good: tried once, blessed, and left again by command.

use anyhow::{Result, ensure};
use bedplate_contract::{
    control::{BootState, Reply, Request, UpgradeStep},
    meta::Outcome,
};
use bedplate_tests::{
    disk::{self, Table},
    esp,
    release::{self, BETTER, GOOD},
    toolbox,
};

use crate::scene::{BOOT, Scene, refuses, report_of, slots};

/// One bit of the other slot is lost: the machine stays, and says why. Afterwards all is as it was.
fn a_rotten_slot_is_not_left_for(scene: &Scene) -> Result<()> {
    let disk = scene.vm.disk();
    let bit = Table::read(&disk)?.range("slot-a")?.start + 1024 + 8;
    disk::flip(&disk, bit)?;
    let refused = scene.machine.ask_within(&Request::Rollback, BOOT)?;
    refuses(&refused, &["the other slot is corrupt", "block 0 of"])?;
    let status = scene.machine.status()?;
    let found = slots(&status);
    ensure!(
        status.boot == BootState::Healthy && found == "a 1.0.0 bad, b 1.0.1 blessed active",
        "{:?} {found}",
        status.boot
    );
    scene.serves()?;
    disk::flip(&disk, bit)?;
    let entry = "::EFI/Linux/lab_1.0.0+0.efi";
    toolbox::succeed(&["mren", "-i", &esp::image(&disk), entry, "lab_1.0.0.efi"]).map(drop)
}

#[test]
fn a_good_version_is_staged_applied_blessed_and_left_by_command() -> Result<()> {
    let mut scene = Scene::new()?;
    let good = release::lab(GOOD)?;
    let (better, url) = scene.offer(BETTER)?;

    let staged = scene.machine.upgrade(&url, UpgradeStep::Stage, false)?;
    ensure!(staged == Reply::Done, "{staged:?}");
    let status = scene.machine.status()?;
    ensure!(status.version == GOOD && status.boot == BootState::Healthy);
    let found = slots(&status);
    ensure!(found == "a 1.0.0 blessed active, b 1.0.1 trial", "{found}");
    let entries = esp::entries(&scene.vm.disk())?;
    ensure!(
        entries == ["lab_1.0.0.efi", "lab_1.0.1+3.efi"],
        "{entries:?}"
    );

    // The connection may end with the machine before the reply is through.
    scene.machine.send(&Request::Upgrade {
        source: None,
        step: UpgradeStep::Apply,
        force: false,
    })?;
    scene.machine.healthy_as(BETTER, BOOT)?;
    let status = scene.machine.status()?;
    let found = slots(&status);
    ensure!(
        found == "a 1.0.0 blessed, b 1.0.1 blessed active",
        "{found}"
    );
    ensure!(
        status.entry.as_deref() == Some("lab_1.0.1.efi"),
        "{:?}",
        status.entry
    );
    let entries = esp::entries(&scene.vm.disk())?;
    ensure!(entries == ["lab_1.0.0.efi", "lab_1.0.1.efi"], "{entries:?}");
    scene.serves()?;
    let again = scene.machine.upgrade(&url, UpgradeStep::All, false)?;
    refuses(&again, &[BETTER])?;

    a_rotten_slot_is_not_left_for(&scene)?;
    scene.machine.send(&Request::Rollback)?;
    scene.machine.healthy_as(GOOD, BOOT)?;
    scene.expect(&[
        (&good, "a: lab_1.0.0+2-1.efi: healthy"),
        (&better, "b: lab_1.0.0.efi lab_1.0.1+2-1.efi: healthy"),
        (&good, "a: lab_1.0.0.efi lab_1.0.1+0.efi: healthy"),
    ])?;
    let found = slots(&scene.machine.status()?);
    ensure!(found == "a 1.0.0 blessed active, b 1.0.1 bad", "{found}");
    let reports = scene.machine.reports()?;
    ensure!(
        report_of(&reports, BETTER)?.outcome == "rolled-back",
        "{reports:#?}"
    );
    scene.serves()?;
    scene.machine.power_off()?;
    let record = disk::boot_record(&scene.vm.disk())?.unwrap_or_default();
    let left = record
        .boots
        .iter()
        .find(|boots| boots.root.hex() == better.root_hash);
    ensure!(
        left.is_some_and(|boots| boots.outcome == Outcome::RolledBack),
        "{record:?}"
    );
    let last = record.boots.last();
    ensure!(
        last.is_some_and(|boots| boots.outcome == Outcome::Blessed),
        "{record:?}"
    );
    Ok(())
}
