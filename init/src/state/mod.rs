//! The state partition: grown to its disk, made at first boot, repaired, mounted on `/state`.
//!
//! Data is never formatted over: the boot record notes that a state was made, before anything is kept
//! on it, and from then on it is repaired or left alone. When nothing helps, `/state` is in memory, so
//! that the machine stays reachable and can say why.

mod content;
mod grow;
mod plan;
mod tools;

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use bedplate_contract::{event::name, gpt::GptError, layout, meta::StateNote};
use bedplate_sys::mount::{self, Mount, MountFlags};

use crate::{
    attend::attend,
    console,
    disk::{self, DiskError},
    meta::{Meta, MetaError},
    stage1::chain,
};
use plan::{Known, Plan, Why};
pub use tools::ToolError;

/// `EUCLEAN` and `EBADMSG`, by which XFS says that its structures are damaged.
const DAMAGED: [i32; 2] = [117, 74];

/// Directories that every state has, with their mode.
const DIRECTORIES: [(&str, u32); 4] = [
    (layout::VOLUMES_DIR, 0o755),
    (layout::SECRETS_DIR, 0o700),
    // A service finds its own log by its name, and sees no other's.
    (layout::LOGS_DIR, 0o711),
    ("/state/schema", 0o755),
];

/// What is on `/state` now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was there.
    Kept,
    /// A new file system: the first boot.
    Made,
    /// What was there, after `xfs_repair`.
    Repaired,
    /// Memory; [`State::problem`] says why.
    Temporary,
}

/// A `/state` that can be written.
#[derive(Debug)]
pub struct State {
    /// What it is.
    pub kind: Kind,
    /// What went wrong on the way: growth for one that is kept, the cause for a temporary one.
    pub problem: Option<StateError>,
    /// What an operator must know of it, in words.
    pub warnings: Vec<String>,
}

/// What went wrong with the state partition.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The partition is not there.
    #[error("looking for the state partition")]
    Disk(#[source] DiskError),
    /// Reading what is on it.
    #[error("reading `{device}`")]
    Read {
        /// Node.
        device: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// It holds something that is not XFS.
    #[error("expected XFS or nothing on `{device}`, found something else; it is left alone")]
    Foreign {
        /// Node.
        device: PathBuf,
    },
    /// There was a state, and `xfs_repair` would find nothing of it.
    #[error(
        "the state on `{device}` was made once and is gone: neither its beginning nor a copy of its \
         superblock is left; it is left alone. To begin anew, zero the partitions `meta` and `state`"
    )]
    Lost {
        /// Node.
        device: PathBuf,
    },
    /// Nobody noted a state, and there is one whose beginning is blank.
    #[error(
        "expected XFS or nothing on `{device}`, found parts of an XFS `state` whose beginning is blank; \
         it is left alone. To begin anew, discard the whole partition"
    )]
    Remains {
        /// Node.
        device: PathBuf,
    },
    /// A new state without a record of it would not be safe.
    #[error("`{device}` is blank, and there is no boot record to note in that a state was made")]
    NoRecord {
        /// Node.
        device: PathBuf,
    },
    /// The boot record.
    #[error("noting the state of `{device}` in the boot record")]
    Note {
        /// Node.
        device: PathBuf,
        /// Cause.
        source: MetaError,
    },
    /// It is repaired, and not what it was.
    #[error(
        "`{device}` is repaired, and {lost} files or directories lost their place: see \
         `/state/lost+found`"
    )]
    LostPlaces {
        /// Node.
        device: PathBuf,
        /// How many.
        lost: usize,
    },
    /// A tool of the state-tools.
    #[error("{what} `{device}`")]
    Tool {
        /// `formatting` or `repairing`.
        what: &'static str,
        /// Node.
        device: PathBuf,
        /// Cause.
        source: ToolError,
    },
    /// Mounting.
    #[error("mounting `{source_name}` on `/state`")]
    Mount {
        /// Node or `tmpfs`.
        source_name: String,
        /// Cause.
        source: io::Error,
    },
    /// A table that must not be rewritten.
    #[error("reading the partition table of `{disk}`")]
    Table {
        /// Node of the disk.
        disk: PathBuf,
        /// Cause.
        source: GptError,
    },
    /// Growing the partition or its file system.
    #[error("growing `{what}`: {step}")]
    Grow {
        /// Node of the disk, or `/state`.
        what: PathBuf,
        /// What was being done.
        step: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// A directory that every state has.
    #[error("making `{path}`")]
    Directory {
        /// Directory.
        path: &'static str,
        /// Cause.
        source: io::Error,
    },
}

/// Mounts the state partition of `disk` on `/state`, or memory in its place; `meta` notes what is done.
///
/// # Errors
/// Not even memory could be mounted, or the result cannot be written.
pub fn open(disk: &str, meta: Option<&mut Meta>) -> Result<State, StateError> {
    let state = match open_partition(disk, meta) {
        Ok(state) => state,
        Err(problem) => {
            mount_memory()?;
            State {
                kind: Kind::Temporary,
                problem: Some(problem),
                warnings: Vec::new(),
            }
        }
    };
    make_directories()?;
    Ok(state)
}

fn open_partition(disk: &str, mut meta: Option<&mut Meta>) -> Result<State, StateError> {
    let partition = disk::find(disk, layout::STATE).map_err(StateError::Disk)?;
    // A disk that cannot be grown into still holds the data: grow first, but go on without.
    let grown = grow::grow_partition(&partition);
    let device = &partition.device;
    let plan = choose(device, meta.as_deref())?;
    if plan == Plan::Make {
        make(device, meta.as_deref_mut())?;
    }
    let noted = note_made(device, meta)?;
    let kind = match plan {
        Plan::Make => mount_made(device)?,
        Plan::Repair => repair(device, "its superblock is lost")?,
        _ => mount_or_repair(device)?,
    };
    let file_system = grow::grow_file_system(device);
    let lost = lost_and_found();
    let whole = match (kind, lost) {
        (Kind::Repaired, lost @ 1..) => Err(lost_places(device, lost)),
        _ => Ok(()),
    };
    let problem = whole.and(grown).and(noted).and(file_system).err();
    let warnings = warnings(kind, lost);
    Ok(State {
        kind,
        problem,
        warnings,
    })
}

fn choose(device: &Path, meta: Option<&Meta>) -> Result<Plan, StateError> {
    let read = |source| StateError::Read {
        device: device.to_owned(),
        source,
    };
    let was_good = meta.map_or(Ok(false), Meta::was_ever_good);
    let mut known = Known {
        note: meta.map(|meta| meta.record().state),
        was_good: was_good.map_err(note_failed(device))?,
        content: content::read(device).map_err(read)?,
        remains: None,
    };
    if plan::plan(&known) == Plan::Search {
        let remains = content::has_remains(device, layout::STATE.label);
        known.remains = Some(remains.map_err(read)?);
    }
    match plan::plan(&known) {
        Plan::Stay(why) => Err(stay(why, device)),
        plan => Ok(plan),
    }
}

fn stay(why: Why, device: &Path) -> StateError {
    let device = device.to_owned();
    match why {
        Why::Foreign => StateError::Foreign { device },
        Why::Lost => StateError::Lost { device },
        Why::Remains => StateError::Remains { device },
        Why::NoRecord => StateError::NoRecord { device },
    }
}

/// Makes the file system; nothing was ever kept here.
///
/// A crash before the note leaves a blank partition. After it, and within mkfs.xfs: what is there is
/// made again. After mkfs.xfs and before [`note_made`]: a whole file system, which is noted and mounted
/// then.
fn make(device: &Path, meta: Option<&mut Meta>) -> Result<(), StateError> {
    let no_record = || stay(Why::NoRecord, device);
    let meta = meta.ok_or_else(no_record)?;
    let begun = meta.record().state == StateNote::Making;
    let force = if begun {
        tools::Force::Yes
    } else {
        tools::Force::No
    };
    let noted = meta.note_state(StateNote::Making);
    noted.map_err(note_failed(device))?;
    tools::make_xfs(device, force).map_err(failed("formatting", device))?;
    console::emit(&console::event(name::STATE_MADE).with("device", device.display()));
    Ok(())
}

fn mount_made(device: &Path) -> Result<Kind, StateError> {
    mount_xfs(device).map_err(mount_failed(device))?;
    Ok(Kind::Made)
}

/// Notes that there is a state, before anything is kept on it: it is never made again.
///
/// One that cannot be noted is used all the same, for nothing but a blank partition is made without a
/// note; but for one that is noted as being made, which would be made again.
fn note_made(device: &Path, meta: Option<&mut Meta>) -> Result<Result<(), StateError>, StateError> {
    let Some(meta) = meta else { return Ok(Ok(())) };
    let noted = meta.note_state(StateNote::Made);
    let noted = noted.map_err(note_failed(device));
    match meta.record().state {
        StateNote::Making => noted.map(Ok),
        StateNote::Unnoted | StateNote::Made => Ok(noted),
    }
}

fn note_failed(device: &Path) -> impl FnOnce(MetaError) -> StateError {
    let device = device.to_owned();
    move |source| StateError::Note { device, source }
}

fn mount_or_repair(device: &Path) -> Result<Kind, StateError> {
    match mount_xfs(device) {
        Ok(()) => Ok(Kind::Kept),
        Err(error) if is_damaged(&error) => repair(device, &chain(&error)),
        Err(error) => Err(mount_failed(device)(error)),
    }
}

fn is_damaged(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| DAMAGED.contains(&code))
}

/// Repairs and mounts.
///
/// `xfs_repair` refuses a log that is not replayed, and so loses nothing that was promised; it has
/// restored the superblock by then, so that the mount that follows replays it.
fn repair(device: &Path, reason: &str) -> Result<Kind, StateError> {
    let line = console::event(name::STATE_REPAIR).with("device", device.display());
    console::emit(&line.with("reason", reason));
    match tools::repair_xfs(device) {
        Err(error) if error.is_log() && mount_xfs(device).is_ok() => {}
        repaired => {
            repaired.map_err(failed("repairing", device))?;
            mount_xfs(device).map_err(mount_failed(device))?;
        }
    }
    let line = console::event(name::STATE_REPAIRED).with("device", device.display());
    console::emit(&line.with("lost_found", lost_and_found()));
    Ok(Kind::Repaired)
}

fn lost_places(device: &Path, lost: usize) -> StateError {
    let device = device.to_owned();
    StateError::LostPlaces { device, lost }
}

/// What an operator must know: of a repair once, and of what lost its place as long as it is there.
fn warnings(kind: Kind, lost: usize) -> Vec<String> {
    let repaired = "the state partition was damaged, and is repaired";
    let repaired = (kind == Kind::Repaired).then(|| repaired.to_owned());
    let lost = (lost > 0).then(|| {
        format!("{lost} files or directories of the state partition are in `/state/lost+found`")
    });
    repaired.into_iter().chain(lost).collect()
}

/// How many files and directories have lost their place.
fn lost_and_found() -> usize {
    let found = fs::read_dir(Path::new(layout::STATE_DIR).join("lost+found"));
    found.map_or(0, Iterator::count)
}

fn failed(what: &'static str, device: &Path) -> impl FnOnce(ToolError) -> StateError {
    let device = device.to_owned();
    move |source| StateError::Tool {
        what,
        device,
        source,
    }
}

fn mount_failed(device: &Path) -> impl FnOnce(io::Error) -> StateError {
    let source_name = device.display().to_string();
    move |source| StateError::Mount {
        source_name,
        source,
    }
}

/// Mounts it, which replays its log: for as long as the disk gets something done. What a dead disk
/// still does later is done in memory's place, and ends with the machine.
fn mount_xfs(device: &Path) -> io::Result<()> {
    let name = device.file_name().and_then(|name| name.to_str());
    let source = device.to_owned();
    let mount = move || {
        let state = Mount {
            source: &source,
            target: Path::new(layout::STATE_DIR),
            kind: "xfs",
            flags: MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME,
            options: "",
        };
        state.mount()
    };
    attend(name, mount).unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}

fn mount_memory() -> Result<(), StateError> {
    let target = Path::new(layout::STATE_DIR);
    if matches!(mount::is_mount_point(target), Ok(true)) {
        return Ok(());
    }
    let memory = Mount {
        source: Path::new("tmpfs"),
        target,
        kind: "tmpfs",
        flags: MountFlags::NOSUID | MountFlags::NODEV,
        options: "mode=0755,size=25%",
    };
    memory.mount().map_err(mount_failed(Path::new("tmpfs")))
}

fn make_directories() -> Result<(), StateError> {
    for (path, mode) in DIRECTORIES {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(mode).create(path);
        // The mode again: an older version may have set another.
        let mode = fs::Permissions::from_mode(mode);
        let made = made.and_then(|()| fs::set_permissions(path, mode));
        made.map_err(|source| StateError::Directory { path, source })?;
    }
    Ok(())
}
