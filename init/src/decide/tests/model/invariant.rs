//! What holds of every machine, whatever happened to it.

use std::collections::BTreeMap;

use bedplate_contract::{entry::TRIES, meta::Outcome};

use super::{
    boot::{End, Fate, Mutant, boot},
    machine::{Content, Disk, Esp, Kind, Loader, Version, kind, root},
    node::{At, Node},
};
use crate::course::{LEAVE_FROM, STAY_FROM};

/// Boots within which a machine that is left alone comes to rest: the tries of a version on trial,
/// then a whole row of boots without a verdict of each slot.
const REST: usize = (TRIES + 2 * STAY_FROM) as usize;

/// Checks a node and, where it is about to boot, what becomes of it when nobody interferes.
///
/// # Errors
/// The invariant that does not hold, in words.
pub fn check(node: &Node, mutant: Mutant) -> Result<(), String> {
    check_entries(node)?;
    check_blessed(&node.disk)?;
    if node.at == At::Off {
        check_rest(node, mutant)?;
    }
    Ok(())
}

/// Never two slots that cannot boot, and never an entry that leads nowhere.
fn check_entries(node: &Node) -> Result<(), String> {
    if node.damaged {
        return Ok(());
    }
    let disk = &node.disk;
    let mut entries = disk.entries.iter().filter(|entry| entry.can_boot());
    let whole = |version| disk.slots.contains(&Content::Whole(version));
    if let Some(entry) = entries.find(|entry| !whole(entry.version)) {
        return Err(format!("{entry:?} leads to no whole slot"));
    }
    let blessed = disk.bootable().any(|entry| entry.counter.is_none());
    match blessed || !node.blessed {
        true => Ok(()),
        false => Err("no blessed version is left".to_owned()),
    }
}

/// What passed its gate last is not held for what failed, whatever its entry is called.
fn check_blessed(disk: &Disk) -> Result<(), String> {
    let mut blessed = disk.record.blessed.iter();
    match blessed.find(|root| disk.record.is_quarantined(root)) {
        Some(root) => Err(format!("the blessed version {root:?} is quarantined")),
        None => Ok(()),
    }
}

/// Left alone, the machine comes to rest: in a version that works if one can boot, and else where an
/// operator reaches PID 1, if one comes that far.
fn check_rest(node: &Node, mutant: Mutant) -> Result<(), String> {
    let mut disk = node.disk.clone();
    let hopes = (disk.can_serve(), disk.can_be_reached());
    let works = disk.works();
    let mut boots: BTreeMap<Version, u32> = BTreeMap::new();
    let end = rest(&mut disk, mutant, &mut boots)?;
    if works {
        check_boots(node, &boots)?;
    }
    match (end, hopes) {
        (End::Runs { healthy: true, .. }, _) => check_quarantine(&disk),
        // Neither the loader nor stage 1 can choose another entry then.
        _ if disk.esp == Esp::ReadOnly => Ok(()),
        (End::Stays, _) if has_been_cut_often(&node.disk) => Ok(()),
        (end, (true, _)) => Err(format!(
            "a machine with a version that works ends in {end:?}"
        )),
        (End::Runs { .. }, _) | (_, (_, false)) => Ok(()),
        (end, (_, true)) => Err(format!(
            "a machine that could be reached is left for a rotten slot and ends in {end:?}"
        )),
    }
}

/// How often each version boots before the machine rests.
fn check_boots(node: &Node, boots: &BTreeMap<Version, u32>) -> Result<(), String> {
    let esp = node.disk.esp;
    let loader = node.disk.loader;
    for (version, count) in boots {
        let most = match (kind(*version), esp, loader) {
            (Kind::Good, ..) => continue,
            // Its gate fails once, and that is that.
            (Kind::Fails, Esp::Writable, _) => 1,
            (Kind::Fails, Esp::ReadOnly, _) | (_, _, Loader::Counts) => TRIES,
            (_, _, Loader::CannotCount) => LEAVE_FROM,
        };
        // A slot that the medium damaged is no version any more.
        if *count > most && !node.damaged {
            return Err(format!("version {version} boots again: {count} times"));
        }
    }
    Ok(())
}

fn rest(
    disk: &mut Disk,
    mutant: Mutant,
    boots: &mut BTreeMap<Version, u32>,
) -> Result<End, String> {
    for _ in 0..REST {
        let (version, end, _) = boot(disk, mutant, Fate::Undisturbed);
        let Some(version) = version else {
            return Err("no entry is left".to_owned());
        };
        *boots.entry(version).or_default() += 1;
        if end != End::Again {
            return Ok(end);
        }
    }
    Err(format!("the machine does not come to rest: {boots:?}"))
}

/// So many boots in a row without a verdict that stage 1 may take a sound root for a broken one.
fn has_been_cut_often(disk: &Disk) -> bool {
    let mut boots = disk.record.boots.iter();
    boots.any(|boots| boots.attempts + 1 >= STAY_FROM)
}

/// A version that spent its tries and came to nothing is not taken again unless forced.
fn check_quarantine(disk: &Disk) -> Result<(), String> {
    for entry in &disk.entries {
        let spent = entry
            .counter
            .is_some_and(|(left, done)| left == 0 && done > 0);
        let root = root(entry.version);
        let outcome = disk.record.boots_of(&root).map(|boots| boots.outcome);
        // An operator ended it, so nothing is known of it.
        let asked = matches!(outcome, Some(Outcome::Stopped | Outcome::RolledBack));
        // What is held against it is then its slot's.
        let rotten = disk.slots.contains(&Content::Corrupt(entry.version));
        if spent
            && !rotten
            && kind(entry.version) != Kind::Good
            && !asked
            && !disk.record.is_quarantined(&root)
        {
            return Err(format!("version {} is not quarantined", entry.version));
        }
    }
    Ok(())
}
