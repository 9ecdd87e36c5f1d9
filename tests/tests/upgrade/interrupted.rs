//! An upgrade that is cut short, and goes on later.

use std::time::Duration;

use anyhow::{Result, ensure};
use bedplate_contract::control::{Reply, Request, UpgradeStep};
use bedplate_tests::{
    esp,
    machine::Machine,
    release::{self, BETTER, GOOD, forge},
    vm::Vm,
    web::Trouble,
};

use crate::scene::{BOOT, Shelf};

#[test]
fn an_upgrade_whose_machine_loses_power_goes_on_after_the_next_boot() -> Result<()> {
    let good = release::lab(GOOD)?;
    let better = release::lab(BETTER)?;
    let vm = Vm::of(&good)?;
    let shelf = Shelf::new()?;
    let url = shelf.publish(&better)?;
    let frames = forge::read_manifest(&better.bundle())?.root.frames;
    let path = format!("{BETTER}/{}", bedplate_contract::oci::blob(&frames.digest));
    shelf.server.trouble(&path, Trouble::Stall(frames.size / 2));

    let machine = Machine::healthy(&vm, 8080, BOOT)?;
    let request = Request::Upgrade {
        source: Some(url.clone()),
        step: UpgradeStep::All,
        force: false,
    };
    let waiting = machine.send(&request)?;
    ensure!(
        shelf.server.stalls(&path, BOOT),
        "the root is never asked for"
    );
    machine.cut()?;
    drop(waiting);
    let entries = esp::entries(&vm.disk())?;
    ensure!(
        entries == ["lab_1.0.0.efi"],
        "half a version has an entry: {entries:?}"
    );

    let mut machine = Machine::healthy(&vm, 8080, BOOT)?;
    ensure!(machine.status()?.version == GOOD);
    let busy = machine.send(&request)?;
    machine.healthy_as(BETTER, BOOT + Duration::from_secs(300))?;
    drop(busy);
    let boots: Vec<_> = machine.story.boots.iter().map(|boot| boot.line()).collect();
    let expected = [
        "a: lab_1.0.0.efi: healthy",
        "b: lab_1.0.0.efi lab_1.0.1+2-1.efi: healthy",
    ];
    ensure!(boots == expected, "{boots:#?}\n{}", machine.story.tail());
    println!("asked for in all: {:#?}", shelf.server.requests());
    machine.power_off()
}

/// What arrives is not what was signed: found before there is an entry.
#[test]
fn content_that_is_not_what_was_signed_gets_no_entry() -> Result<()> {
    let good = release::lab(GOOD)?;
    let better = release::lab(BETTER)?;
    let vm = Vm::of(&good)?;
    let shelf = Shelf::new()?;
    let url = shelf.publish(&better)?;
    let uki = forge::read_manifest(&better.bundle())?.uki;
    let path = format!("{BETTER}/{}", bedplate_contract::oci::blob(&uki.digest));
    shelf.server.trouble(&path, Trouble::Garbage);

    let machine = Machine::healthy(&vm, 8080, BOOT)?;
    let reply = machine.upgrade(&url, UpgradeStep::All, false)?;
    ensure!(matches!(&reply, Reply::Refused { .. }), "{reply:?}");
    let entries = esp::entries(&vm.disk())?;
    ensure!(entries.contains(&"lab_1.0.0.efi".to_owned()), "{entries:?}");
    let status = machine.status()?;
    let staged = status.slots.iter().filter(|slot| !slot.active);
    let entry: Vec<_> = staged.filter_map(|slot| slot.entry.as_deref()).collect();
    ensure!(entry.is_empty(), "the loader would start {entry:?}");
    // The next attempt is given the true bytes.
    let again = machine.upgrade(&url, UpgradeStep::Stage, false)?;
    ensure!(again == Reply::Done, "{again:?}");
    machine.power_off()
}
