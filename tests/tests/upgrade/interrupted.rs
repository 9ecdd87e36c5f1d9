//! An upgrade that is cut short, and goes on later.

use anyhow::{Result, ensure};
use bedplate_contract::{
    control::{Reply, Request, UpgradeStep},
    oci,
};
use bedplate_tests::{
    esp,
    machine::Machine,
    release::{self, BETTER, GOOD, LARGER, forge},
    vm::Vm,
    web::Trouble,
};

use crate::scene::{BOOT, Shelf};

/// Bytes of frames that arrive before the power is cut: of this much, some is on the medium.
const ARRIVED: u64 = 20 << 20;

#[test]
fn an_upgrade_whose_machine_loses_power_goes_on_after_the_next_boot() -> Result<()> {
    let good = release::lab(GOOD)?;
    let larger = release::lab(LARGER)?;
    let vm = Vm::of(&good)?;
    let shelf = Shelf::new()?;
    let url = shelf.publish(&larger)?;
    let frames = forge::read_manifest(&larger.bundle())?.root.frames;
    let path = format!("{LARGER}/{}", oci::blob(&frames.digest));
    shelf.server.trouble(&path, Trouble::Stall(ARRIVED));

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
    let before = asked(&shelf, &path, 0);
    let cut = shelf.server.requests().len();

    let mut machine = Machine::healthy(&vm, 8080, BOOT)?;
    ensure!(machine.status()?.version == GOOD);
    let waiting = machine.send(&request)?;
    machine.healthy_as(LARGER, 2 * BOOT)?;
    drop(waiting);
    let boots: Vec<_> = machine.story.boots.iter().map(|boot| boot.line()).collect();
    let expected = [
        "a: lab_1.0.0.efi: healthy",
        "b: lab_1.0.0.efi lab_1.0.6+2-1.efi: healthy",
    ];
    ensure!(boots == expected, "{boots:#?}\n{}", machine.story.tail());
    let after = asked(&shelf, &path, cut);
    println!("bytes of frames asked for: {before}, and after the cut {after}");
    ensure!(
        before > ARRIVED && after + (1 << 20) < before,
        "{after} of {before} asked for again"
    );
    machine.power_off()
}

/// Bytes of a file that were asked for since the request numbered `since`.
fn asked(shelf: &Shelf, path: &str, since: usize) -> u64 {
    let requests = shelf.server.requests();
    let of_file = requests[since..]
        .iter()
        .filter(|request| request.path == path);
    let bytes = of_file.filter_map(|request| Some(request.to? + 1 - request.from));
    bytes.sum()
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
    let path = format!("{BETTER}/{}", oci::blob(&uki.digest));
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
