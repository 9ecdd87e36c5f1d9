//! Real machines whose writes are recorded.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use bedplate::sparse;
use bedplate_contract::{
    control::UpgradeStep,
    event::{Event, name},
};
use tempfile::TempDir;

use super::judge::{Promise, Verdict};
use crate::{
    machine::Machine,
    release::{self, BETTER, GOOD, NEVER_READY, Release},
    vm::Vm,
    web::Web,
};

/// For the boots of one recording.
const BOOTS: Duration = Duration::from_secs(600);

/// A record of writes, and the disk that they were made to.
#[derive(Debug)]
pub struct Recording {
    /// The disk before the first write.
    pub base: PathBuf,
    /// The record.
    pub log: PathBuf,
    /// What the disk promises at any time.
    pub promise: Promise,
    /// The UKIs that may be on it.
    pub built: Vec<PathBuf>,
    image: Image,
    _directory: TempDir,
}

/// What the sample boots as.
#[derive(Debug)]
enum Image {
    Path(String),
    Release(Arc<Release>),
}

impl Image {
    fn vm(&self) -> Result<Vm> {
        match self {
            Self::Path(path) => Vm::new(path),
            Self::Release(release) => Vm::of(release),
        }
    }
}

impl Recording {
    /// The first boot of a fresh disk, up to its blessing, and its way down.
    ///
    /// # Errors
    /// The image cannot be built, or does not boot.
    pub fn first_boot(image: &str) -> Result<Self> {
        let artifacts = crate::artifacts::Artifacts::build(image)?;
        let directory = tempfile::tempdir()?;
        let base = directory.path().join("base.raw");
        let log = directory.path().join("log");
        let image = Image::Path(image.to_owned());
        let vm = image.vm()?;
        // As `bedplate run` makes a new disk of an artifact; the copy is what is recorded.
        grown(&vm.artifact()?, &base)?;
        sparse::copy(&base, &vm.disk())?;
        let mut machine = record(&vm, &log)?;
        machine.wait_for(name::HEALTHY, BOOTS)?;
        machine.power_off()?;
        Ok(Self {
            base,
            log,
            promise: Promise::Fresh,
            built: vec![artifacts.directory.join(artifacts.uki)],
            image,
            _directory: directory,
        })
    }

    /// An upgrade of a blessed machine to a good version and, where `and_back`, to a bad one that
    /// fails its gate: staged, tried, blessed or marked bad, down.
    ///
    /// # Errors
    /// The releases cannot be made, or the machine does not do as it should.
    pub fn upgrade(and_back: bool) -> Result<Self> {
        let good = release::lab(GOOD)?;
        let mut offers = vec![release::lab(BETTER)?];
        if and_back {
            offers.push(release::lab(NEVER_READY)?);
        }
        let directory = tempfile::tempdir()?;
        let base = directory.path().join("base.raw");
        let log = directory.path().join("log");
        let image = Image::Release(Arc::clone(&good));
        let vm = image.vm()?;
        Machine::healthy(&vm, 8080, BOOTS)?.power_off()?;
        sparse::copy(&vm.disk(), &base)?;
        let shelf = tempfile::tempdir()?;
        let server = Web::start(shelf.path())?;
        let mut machine = record(&vm, &log)?;
        machine.wait_for(name::HEALTHY, BOOTS)?;
        for offer in &offers {
            let target = shelf.path().join(&offer.version);
            release::publish(&[offer], &format!("dir:{}", target.display()))?;
            let url = format!("http://10.0.2.2:{}/{}", server.port(), offer.version);
            machine.upgrade(&url, UpgradeStep::All, false)?;
            machine.healthy_as(BETTER, BOOTS)?;
        }
        machine.power_off()?;
        let ukis = [&good]
            .into_iter()
            .chain(&offers)
            .map(|release| release.uki());
        Ok(Self {
            base,
            log,
            promise: Promise::Blessed,
            built: ukis.collect::<Result<_>>()?,
            image,
            _directory: directory,
        })
    }
}

fn record(vm: &Vm, log: &Path) -> Result<Machine> {
    Machine::start_with(vm, 8080, &["--record-writes".as_ref(), log.as_os_str()])
}

/// Free space that a new disk has beyond the artifact: what state grows into.
const GROWTH: u64 = 1 << 30;

fn grown(artifact: &Path, to: &Path) -> Result<()> {
    sparse::copy(artifact, to).with_context(|| format!("copying `{}`", artifact.display()))?;
    let file = fs::File::options().write(true).open(to)?;
    Ok(file.set_len(file.metadata()?.len() + GROWTH)?)
}

/// Whether a disk comes to a healthy version, for real: at once, or after it has left a bad one.
///
/// # Errors
/// The machine cannot be started or stopped.
pub fn boots(recording: &Recording, disk: &Path) -> Result<Verdict> {
    let vm = recording.image.vm()?;
    fs::rename(disk, vm.disk()).or_else(|_| sparse::copy(disk, &vm.disk()))?;
    let mut machine = Machine::start(&vm, 8080)?;
    let ends = |event: &Event| matches!(&*event.name, name::HEALTHY | name::DEGRADED);
    match machine.until(BOOTS, ends) {
        Ok(event) if event.name == name::HEALTHY => machine.power_off().map(Ok),
        Ok(event) => Ok(Err(format!("{event}\n{}", machine.story.tail()))),
        Err(error) => Ok(Err(format!("{error:#}"))),
    }
}
