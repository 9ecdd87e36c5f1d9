//! Figures of upgrades, for `cargo xtask bench`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bedplate_contract::{
    EntryName,
    control::{Reply, UpgradeStep},
    event::{Event, name},
};
use bedplate_update::{
    progress::Progress,
    source,
    stage::{self, Disk, Entries},
};

use crate::{
    machine::Machine,
    release::{self, BETTER, GOOD, NEVER_READY, Recipe, Release, forge::read_manifest},
    vm::Vm,
    web::Web,
};

/// For all boots that a figure takes.
const BOOTS: Duration = Duration::from_secs(600);

/// What an upgrade of a machine costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Staging, as `bedplatectl` measures itself in the machine.
    pub staging: Staging,
    /// A version that fails its gate, from the last word of the old version to its next `healthy`.
    pub rescue: Rescue,
}

/// One staging.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Staging {
    /// From the first question to the last write.
    pub seconds: f64,
    /// Megabytes (10^6) of root image, tree and UKI per second.
    pub mb_per_s: f64,
    /// Most memory that the updater had in use, in MiB.
    pub peak_mib: f64,
}

/// One way to a bad version and back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rescue {
    /// How often the machine booted.
    pub reboots: usize,
    /// How long its service was away.
    pub seconds: f64,
}

/// Measures a machine that runs `lab`.
///
/// # Errors
/// It does not do as it should: there are no figures then.
pub fn measure() -> Result<Figures> {
    let shelf = tempfile::tempdir()?;
    let server = Web::start(shelf.path())?;
    let offer = |version: &str| {
        let release = release::lab(version)?;
        let target = format!("dir:{}", shelf.path().join(version).display());
        release::publish(&[&*release], &target)?;
        anyhow::Ok(format!("http://10.0.2.2:{}/{version}", server.port()))
    };
    let (better, bad) = (offer(BETTER)?, offer(NEVER_READY)?);
    let vm = Vm::of(&*release::lab(GOOD)?)?;
    let mut machine = Machine::healthy(&vm, 8080, BOOTS)?;
    let figures = Figures {
        staging: staging(&mut machine, &better)?,
        rescue: rescue(&mut machine, &bad)?,
    };
    machine.power_off()?;
    Ok(figures)
}

fn staging(machine: &mut Machine, url: &str) -> Result<Staging> {
    let reply = machine.upgrade(url, UpgradeStep::Stage, false)?;
    ensure!(reply == Reply::Done, "{reply:?}");
    let mut found = None;
    machine.until(BOOTS, |event| event.name == name::UPGRADE_ENDED)?;
    let boot = machine.story.boots.last().context("a boot")?;
    for event in boot
        .events
        .iter()
        .filter(|event| event.name == name::UPGRADE)
    {
        found = event.field("text").and_then(read_staging).or(found);
    }
    found.with_context(|| format!("no figures in\n{}", machine.story.tail()))
}

/// `… 2.5 s, 40.0 MB/s, 2.0 MiB resident at most`.
fn read_staging(text: &str) -> Option<Staging> {
    let figure = |unit: &str| {
        let mut parts = text.split(", ").filter_map(|part| part.strip_suffix(unit));
        parts.next()?.parse().ok()
    };
    Some(Staging {
        seconds: figure(" s")?,
        mb_per_s: figure(" MB/s")?,
        peak_mib: figure(" MiB resident at most")?,
    })
}

fn rescue(machine: &mut Machine, url: &str) -> Result<Rescue> {
    machine.upgrade(url, UpgradeStep::All, false)?;
    machine.until(BOOTS, |event: &Event| event.name == name::SHUTDOWN)?;
    let (before, start) = (machine.story.boots.len(), Instant::now());
    machine.healthy_as(GOOD, BOOTS)?;
    Ok(Rescue {
        seconds: start.elapsed().as_secs_f64(),
        reboots: machine.story.boots.len() - before,
    })
}

/// Staging on this host, without a machine around it, beside a plain copy of the same bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Native {
    /// Bytes of root image, tree and UKI.
    pub bytes: u64,
    /// Seconds of staging.
    pub staging: f64,
    /// Seconds of `dd conv=fsync`.
    pub copy: f64,
}

/// An image that is large enough for its bytes to count.
///
/// # Errors
/// It cannot be built.
pub fn large() -> Result<Arc<Release>> {
    Release::make(Recipe {
        image: "images/justnews",
        version: "4.0.1",
        edits: &[],
    })
}

/// Stages `release` to plain files, as the updater does to a slot, and copies the same bytes to the
/// same file system.
///
/// # Errors
/// Either fails.
pub fn native(release: &Release) -> Result<Native> {
    let scratch = tempfile::tempdir_in(crate::bedplate::workspace().join("target"))?;
    let parts = [
        release.directory.join("root.erofs"),
        release.directory.join("root.verity"),
        release.uki()?,
    ];
    let sizes = parts.iter().map(|part| Ok(part.metadata()?.len()));
    let bytes = sizes.sum::<Result<u64>>()?;
    let copy = timed(|| copy(&parts, scratch.path()))?;
    let staging = timed(|| stage_to_files(release, scratch.path()))?;
    Ok(Native {
        bytes,
        staging,
        copy,
    })
}

fn stage_to_files(release: &Release, directory: &Path) -> Result<()> {
    let manifest = read_manifest(&release.bundle())?;
    let mut source = source::open(&release.bundle().display().to_string())?;
    let esp = directory.join("esp");
    fs::create_dir(&esp)?;
    let mut disk = Disk::new(
        empty(&directory.join("root"), manifest.root.image.size)?,
        empty(&directory.join("tree"), manifest.verity.size)?,
        None,
        Entries::Directory(esp),
        EntryName::fresh(&manifest.name, "0"),
    );
    let mut lines = io::sink();
    let mut progress = Progress::new(&mut lines);
    stage::stage(&manifest, &mut *source, &mut disk, &mut progress)?;
    Ok(())
}

/// A file of `size` zeros, as an empty slot is.
fn empty(path: &Path, size: u64) -> Result<File> {
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).open(path)?;
    file.set_len(size)?;
    Ok(file)
}

fn copy(parts: &[PathBuf], directory: &Path) -> Result<()> {
    for (number, part) in parts.iter().enumerate() {
        let to = directory.join(format!("copy-{number}"));
        let status = Command::new("dd")
            .arg(format!("if={}", part.display()))
            .arg(format!("of={}", to.display()))
            .args(["bs=1M", "conv=fsync"])
            .stderr(Stdio::null())
            .status()?;
        ensure!(
            status.success(),
            "dd of `{}` ended with {status}",
            part.display()
        );
    }
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_bedplatectl() -> Result<()> {
        let text = "lab 1.0.1 is staged in slot b: fetched 19.4 MiB, wrote 42.8 MiB, 0 of 30 \
                    pieces were there, 2.5 s, 17.9 MB/s, 22.0 MiB resident at most";
        let expected = Staging {
            seconds: 2.5,
            mb_per_s: 17.9,
            peak_mib: 22.0,
        };
        ensure!(
            read_staging(text) == Some(expected),
            "{:?}",
            read_staging(text)
        );
        ensure!(read_staging("root: 10 %, 2.0 MiB of 29.9 MiB, 3.1 MB/s").is_none());
        Ok(())
    }
}
