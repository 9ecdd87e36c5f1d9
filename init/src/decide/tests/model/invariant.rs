//! What holds of every machine, whatever happened to it.

use std::collections::BTreeMap;

use bedplate_contract::{entry::TRIES, meta::Outcome};

use super::{
    boot::{End, Fate, Mutant, boot},
    machine::{Content, Disk, Kind, Version, kind, root},
    node::{At, Node},
};
use crate::course::STAY_FROM;

/// Boots within which a machine that is left alone comes to rest: the tries of a version on trial,
/// then a whole row of boots without a verdict of each slot.
const REST: usize = (TRIES + 2 * STAY_FROM) as usize;

/// Checks a node and, where it is about to boot, what becomes of it when nobody interferes.
///
/// # Errors
/// The invariant that does not hold, in words.
pub fn check(node: &Node, mutant: Mutant) -> Result<(), String> {
    check_entries(node)?;
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

/// Left alone, the machine comes to rest; in a blessed version that works, if there is one.
fn check_rest(node: &Node, mutant: Mutant) -> Result<(), String> {
    let mut disk = node.disk.clone();
    let works = disk.works();
    let mut boots: BTreeMap<Version, u32> = BTreeMap::new();
    let end = rest(&mut disk, mutant, &mut boots)?;
    if !works {
        return Ok(());
    }
    for (version, count) in boots {
        let most = match kind(version) {
            Kind::Good => continue,
            // Its gate fails once, and that is that.
            Kind::Fails => 1,
            Kind::Panics | Kind::PanicsEarly => TRIES,
        };
        // A slot that the medium damaged is no version any more.
        if count > most && !node.damaged {
            return Err(format!("version {version} boots again: {count} times"));
        }
    }
    match end {
        End::Runs { healthy: true, .. } => check_quarantine(&disk),
        End::Stays if has_been_cut_often(&node.disk) => Ok(()),
        end => Err(format!(
            "a machine with a version that works ends in {end:?}"
        )),
    }
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
        if spent
            && kind(entry.version) != Kind::Good
            && !asked
            && !disk.record.is_quarantined(&root)
        {
            return Err(format!("version {} is not quarantined", entry.version));
        }
    }
    Ok(())
}
