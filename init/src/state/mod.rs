//! The state partition: grown to its disk, made at first boot, repaired once, mounted on `/state`.
//!
//! Data is never formatted over. When nothing helps, `/state` is in memory, so that the machine
//! stays reachable and can say why.

mod content;
mod grow;
mod tools;

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use bedplate_contract::{gpt::GptError, layout};
use bedplate_sys::mount::{self, Mount, MountFlags};

use crate::disk::{self, DiskError, Partition};
use content::Content;
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

/// Mounts the state partition of `disk` on `/state`, or memory in its place.
///
/// # Errors
/// Not even memory could be mounted, or the result cannot be written.
pub fn open(disk: &str) -> Result<State, StateError> {
    let state = match open_partition(disk) {
        Ok(state) => state,
        Err(problem) => {
            mount_memory()?;
            State {
                kind: Kind::Temporary,
                problem: Some(problem),
            }
        }
    };
    make_directories()?;
    Ok(state)
}

fn open_partition(disk: &str) -> Result<State, StateError> {
    let partition = disk::find(disk, layout::STATE).map_err(StateError::Disk)?;
    // A disk that cannot be grown into still holds the data: grow first, but go on without.
    let grown = grow::grow_partition(&partition);
    let made = make_when_blank(&partition.device)?;
    let repaired = mount_or_repair(&partition)?;
    let file_system = grow::grow_file_system(&partition.device);
    let kind = match (made, repaired) {
        (Kind::Made, _) => Kind::Made,
        (_, kind) => kind,
    };
    let problem = grown.and(file_system).err();
    Ok(State { kind, problem })
}

fn make_when_blank(device: &Path) -> Result<Kind, StateError> {
    let content = content::read(device).map_err(|source| StateError::Read {
        device: device.to_owned(),
        source,
    })?;
    let force = match content {
        Content::Xfs => return Ok(Kind::Kept),
        Content::Foreign => {
            let device = device.to_owned();
            return Err(StateError::Foreign { device });
        }
        Content::Blank => tools::Force::No,
        // The power was cut while a first boot formatted: nothing was ever kept here.
        Content::Unfinished => tools::Force::Yes,
    };
    tools::make_xfs(device, force).map_err(failed("formatting", device))?;
    Ok(Kind::Made)
}

fn mount_or_repair(partition: &Partition) -> Result<Kind, StateError> {
    let device = &partition.device;
    match mount_xfs(device) {
        Ok(()) => Ok(Kind::Kept),
        Err(error)
            if error
                .raw_os_error()
                .is_some_and(|code| DAMAGED.contains(&code)) =>
        {
            // Refuses a log that is not replayed, and so loses nothing that was promised.
            tools::repair_xfs(device).map_err(failed("repairing", device))?;
            mount_xfs(device).map_err(mount_failed(device))?;
            Ok(Kind::Repaired)
        }
        Err(error) => Err(mount_failed(device)(error)),
    }
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

fn mount_xfs(device: &Path) -> io::Result<()> {
    let state = Mount {
        source: device,
        target: Path::new(layout::STATE_DIR),
        kind: "xfs",
        flags: MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME,
        options: "",
    };
    state.mount()
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
