//! The verb `upgrade`: a source → a bundle that this machine takes → the inactive slot → a reboot.

mod choice;
mod ground;
mod lock;
mod report;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use bedplate_contract::{
    BundleManifest, EntryName,
    control::{Reply, Request, SlotState, Status, UpgradeStep},
    layout,
    trust::Trust,
};
use bedplate_init::esp::{self, EspError, Purpose};
use bedplate_sys::mount;

pub use choice::{ChoiceError, choose};
pub use ground::{Ground, GroundError};
pub use lock::LockError;
pub use report::{Report, Staged};

use crate::{
    admission::{self, Facts, Quarantine, Refusal},
    client::{self, ClientError},
    progress::Progress,
    source::{self, Source, SourceError},
    stage::{self, StageError, Tally},
};

/// Where the machine keeps what an upgrade asks.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Control socket of init.
    pub socket: PathBuf,
    /// Whom it trusts.
    pub trust: PathBuf,
    /// Lock of whoever writes slot or ESP.
    pub lock: PathBuf,
}

impl Machine {
    /// This machine, with init at `socket`.
    pub fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            trust: layout::TRUST.into(),
            lock: layout::UPGRADE_LOCK.into(),
        }
    }
}

/// What the operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Directory, file, block device or URL; absent: what `trust.json` names.
    pub source: Option<String>,
    /// How far it goes.
    pub step: UpgradeStep,
    /// Whether a quarantined version is taken.
    pub quarantine: Quarantine,
}

/// An upgrade that was refused, or did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Another upgrade.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Init.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Init says no.
    #[error("init refused: {0}")]
    Init(String),
    /// Init answered something else.
    #[error("init answered another question than was asked: is `bedplatectl` of this image?")]
    Answer,
    /// Mounts of one's own.
    #[error("making mounts that nobody else sees: only root may upgrade")]
    Mounts(#[source] io::Error),
    /// What the machine stands on.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// No source.
    #[error("no source: name one, or build the image with `[update] source`")]
    NoSource,
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No bundle, or none that is taken.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// The machine takes no bundle now.
    #[error("no bundle is taken now: {0}")]
    Refused(#[from] Refusal),
    /// Writing it.
    #[error("the bundle is not staged; run it again to go on where it ended")]
    Stage(#[from] StageError),
    /// The ESP.
    #[error(transparent)]
    Esp(#[from] EspError),
    /// Nothing to reboot into.
    #[error("nothing is staged: stage a bundle with `bedplatectl upgrade --stage`")]
    NothingStaged,
}

/// Does what `order` says, but for the reboot; `out` gets lines on how far it is.
///
/// # Errors
/// Any [`UpgradeError`].
pub fn run(order: &Order, machine: &Machine, out: &mut dyn Write) -> Result<Report, UpgradeError> {
    let _lock = lock::take(&machine.lock)?;
    match order.step {
        UpgradeStep::All | UpgradeStep::Stage => stage_bundle(order, machine, out),
        UpgradeStep::Apply => check_staged(machine),
        UpgradeStep::Cancel => cancel(machine, out),
    }
}

fn stage_bundle(
    order: &Order,
    machine: &Machine,
    out: &mut dyn Write,
) -> Result<Report, UpgradeError> {
    let began = Instant::now();
    let status = status(machine)?;
    // Before anything is mounted: PID 1 may be about to bless.
    admission::check_settled(status.boot)?;
    let trust = ground::trust(&machine.trust)?;
    let ground = Ground::find(&status)?;
    own_mounts()?;
    let facts = ground.facts(&status)?;
    let mut source = open_source(order, &trust)?;
    let mut progress = Progress::new(out);
    let manifest = choice::choose(
        &mut *source,
        &trust,
        &facts,
        order.quarantine,
        &mut progress,
    )?;
    forgive(&manifest, &facts, machine)?;
    let tally = write(&manifest, &ground, &mut *source, &mut progress)?;
    rescan(machine, &mut progress);
    let staged = Staged::new(&manifest, &facts, tally, began.elapsed());
    Ok(Report::Staged(staged))
}

/// What is mounted from here on is unmounted when this program ends, were it killed.
fn own_mounts() -> Result<(), UpgradeError> {
    mount::own_namespace().map_err(UpgradeError::Mounts)?;
    // A mount that PID 1 happened to have would be kept in use by the copy of it; mostly none is.
    let _ = mount::detach(Path::new(esp::MOUNT_POINT));
    Ok(())
}

fn open_source(order: &Order, trust: &Trust) -> Result<Box<dyn Source>, UpgradeError> {
    let named = order.source.as_deref().or(trust.source.as_deref());
    Ok(source::open(named.ok_or(UpgradeError::NoSource)?)?)
}

/// Before the first write: a version that init still holds in quarantine would be refused its boot.
fn forgive(
    manifest: &BundleManifest,
    facts: &Facts,
    machine: &Machine,
) -> Result<(), UpgradeError> {
    if !admission::is_quarantined(manifest, facts) {
        return Ok(());
    }
    let root = manifest.root_hash;
    tell(machine, &Request::Forgive { root })
}

fn write(
    manifest: &BundleManifest,
    ground: &Ground,
    source: &mut dyn Source,
    progress: &mut Progress<'_>,
) -> Result<Tally, UpgradeError> {
    let slot = ground.slot.other().letter();
    let (name, version) = (&manifest.name, &manifest.version);
    progress.say(&format!("{name} {version} is taken: writing slot {slot}"));
    let mut disk = ground.target()?;
    Ok(stage::stage(manifest, source, &mut disk, progress)?)
}

/// The bundle is staged whether or not init has looked; it looks at the next boot in any case.
fn rescan(machine: &Machine, progress: &mut Progress<'_>) {
    if let Err(error) = tell(machine, &Request::Rescan) {
        progress.say(&format!("init has not looked at the slots again: {error}"));
    }
}

/// What `--apply` asks before it reboots.
fn check_staged(machine: &Machine) -> Result<Report, UpgradeError> {
    let status = status(machine)?;
    let mut slots = status.slots.into_iter();
    let staged = slots.find(|slot| !slot.active && slot.state == SlotState::Trial);
    let staged = staged.ok_or(UpgradeError::NothingStaged)?;
    Ok(Report::Applied {
        version: staged.version,
        slot: staged.slot,
    })
}

fn cancel(machine: &Machine, out: &mut dyn Write) -> Result<Report, UpgradeError> {
    let status = status(machine)?;
    let ground = Ground::find(&status)?;
    own_mounts()?;
    let running = EntryName::fresh(&status.name, &status.version);
    let clear = |directory: &Path| esp::clear_staged(directory, &running);
    let cleared = ground.entries().with(Purpose::Write, clear)?;
    rescan(machine, &mut Progress::new(out));
    Ok(Report::Cancelled {
        entries: cleared.iter().map(EntryName::to_string).collect(),
    })
}

fn status(machine: &Machine) -> Result<Status, UpgradeError> {
    match ask(machine, &Request::Status)? {
        Reply::Status(status) => Ok(*status),
        Reply::Refused { reason } => Err(UpgradeError::Init(reason)),
        _ => Err(UpgradeError::Answer),
    }
}

/// A request that init takes or refuses.
fn tell(machine: &Machine, request: &Request) -> Result<(), UpgradeError> {
    match ask(machine, request)? {
        Reply::Done => Ok(()),
        Reply::Refused { reason } => Err(UpgradeError::Init(reason)),
        _ => Err(UpgradeError::Answer),
    }
}

fn ask(machine: &Machine, request: &Request) -> Result<Reply, ClientError> {
    let mut connection = client::connect(&machine.socket)?;
    Ok(client::exchange(&mut connection, request)?.reply)
}

/// Asks init to reboot, which ends this program soon.
///
/// # Errors
/// Any [`UpgradeError`] of init.
pub fn reboot(machine: &Machine) -> Result<(), UpgradeError> {
    tell(machine, &Request::Reboot)
}
