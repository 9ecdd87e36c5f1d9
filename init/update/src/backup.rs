//! `bedplatectl backup`: PID 1 does the work, the list is read from where the archives lie.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use bedplate_contract::{
    Appliance,
    backup::{Backup, BackupStep, Manifest},
    control::{Reply, Request},
};
use bedplate_init::control::names;

use crate::{archive::Shelf, progress::mib, render::table, render::text::printable};

/// Reads the document of the image.
///
/// # Errors
/// There is none, or it is of another version.
pub fn appliance(path: &Path) -> Result<Appliance> {
    let what = || format!("cannot read `{}`: is this an appliance?", path.display());
    let text = fs::read_to_string(path).with_context(what)?;
    Appliance::parse(&text).with_context(what)
}

/// The backups that a verb is about: the one called `name`, or all.
///
/// # Errors
/// There is none of that name, or none at all.
pub fn chosen<'a>(name: Option<&str>, appliance: &'a Appliance) -> Result<Vec<&'a Backup>> {
    match name {
        Some(name) => match names::backup(name, appliance) {
            Ok(backup) => Ok(vec![backup]),
            Err(Reply::Refused { reason }) => Err(anyhow!(reason)),
            Err(_) => bail!("no backup is called `{name}`"),
        },
        None if appliance.backups.is_empty() => bail!("the image has no backups"),
        None => Ok(appliance.backups.iter().collect()),
    }
}

/// The request for each backup that a step is about. A restore is never about more than one.
///
/// # Errors
/// As [`chosen`]; a restore that does not say of what.
pub fn requests(
    step: BackupStep,
    (name, archive): (Option<&str>, Option<&str>),
    appliance: &Appliance,
) -> Result<Vec<Request>> {
    let backups = chosen(name, appliance)?;
    if step == BackupStep::Restore && backups.len() > 1 {
        let names = backups.iter().map(|backup| format!("`{}`", backup.name));
        let names: Vec<_> = names.collect();
        bail!(
            "expected the backup to restore: one of {}",
            names.join(", ")
        );
    }
    let request = |backup: &&Backup| Request::Backup {
        backup: backup.name.clone(),
        step,
        archive: archive.map(str::to_owned),
    };
    Ok(backups.iter().map(request).collect())
}

/// Whole archives of `backups`, oldest first, and what is wrong with others.
///
/// # Errors
/// A directory that cannot be read.
pub fn list(backups: &[&Backup]) -> Result<(Vec<Manifest>, Vec<String>)> {
    let (mut archives, mut broken) = (Vec::new(), Vec::new());
    for backup in backups {
        let listing = Shelf::of(backup).list()?;
        archives.extend(listing.archives);
        let reasons = listing.broken.into_iter().map(anyhow::Error::from);
        broken.extend(reasons.map(|error| printable(&format!("{error:#}"))));
    }
    Ok((archives, broken))
}

/// One line per archive below a heading.
pub fn render(archives: &[Manifest]) -> String {
    let heading = ["BACKUP", "ARCHIVE", "TIME", "SIZE", "CONTENT", "VERSION"];
    let heading = heading.map(str::to_owned).to_vec();
    let row = |archive: &Manifest| {
        vec![
            printable(&archive.backup),
            printable(&archive.archive),
            archive.time.to_string(),
            mib(archive.bytes),
            mib(archive.content_bytes),
            printable(&archive.version),
        ]
    };
    let rows = archives.iter().map(row);
    table::align(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}
