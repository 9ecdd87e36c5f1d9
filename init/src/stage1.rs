//! `/init` of the initramfs: from the kernel's first process to PID 1 of a verified root.
//!
//! Trusts the command line alone, which is part of the signed UKI. A failure ends in a reboot after a
//! pause while the loader or the boot record counts, and else in leaving for another entry or in
//! staying here, as [`crate::course`] says.

mod consider;
mod error;
mod failure;

use std::{
    convert::Infallible,
    error::Error,
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use bedplate_contract::{Digest, event, layout};
use bedplate_sys::{
    clock, host,
    mount::{self, Mount, MountFlags},
};

use crate::{
    attempt::{Attempt, Identity},
    console,
    disk::{self, Source},
    modules, mounts,
    verity::{self, Verified},
    watchdog,
};
pub use consider::is_other_sound;
pub use error::Stage1Error;
use failure::{Failure, Next};

/// Event of a stage 1 that cannot go on: `error`, with its causes.
pub const FAILED: &str = "stage1.failed";
/// Event of a module that could not be loaded: `error`.
pub const MODULE_FAILED: &str = "stage1.module";

/// How long disks may take to appear: controllers and slow enclosures need some seconds.
const DISKS: Duration = Duration::from_secs(30);
/// Between two looks for them.
const POLL: Duration = Duration::from_millis(20);
/// How long what was said may delay the root's start: a serial line's buffer at 115200 baud.
const EXEC: Duration = Duration::from_millis(400);

const SYSROOT: &str = "/sysroot";

/// Whether this is the initramfs: only there is the list of stage 1's modules.
pub fn is_initramfs() -> bool {
    Path::new(layout::STAGE1_MODULES).exists()
}

/// Becomes PID 1 of the root that the command line names, or ends the machine.
///
/// Returns only where the kernel refuses the end; the caller must not end either way.
pub fn run() {
    loop {
        let mut attempt = None;
        let Err(failure) = reach_root(&mut attempt);
        if failure::follow(&failure, attempt) == Next::Over {
            return;
        }
    }
}

/// Leaves in `attempt` what it knows when it fails.
fn reach_root(attempt: &mut Option<Attempt>) -> Result<Infallible, Failure> {
    mounts::mount_kernel().map_err(Stage1Error::Mounts)?;
    // Watchdogs first: each is armed before the next driver may hang.
    let loaded = modules::load_listed_by(layout::STAGE1_MODULES, watchdog::load_module);
    if let Err(error) = loaded {
        // A driver of hardware that is not here; if it was the disk's, that shows below.
        console::emit(&console::event(MODULE_FAILED).with("error", chain(&error)));
    }
    if !watchdog::is_armed() {
        watchdog::tell(watchdog::arm(watchdog::STAGE1_SECONDS));
    }
    let identity = read_identity()?;
    let wanted = identity.root;
    let slot = wait_for_slot(&wanted)?;
    let letter = slot.slot.letter();
    console::emit(
        &console::event(event::name::SLOT)
            .with("slot", letter)
            .with("roothash", wanted.hex()),
    );
    // Before anything of the slot is read: its first bad block restarts the machine.
    let counted = Attempt::count(identity, &slot.root.disk, Some(slot.slot));
    consider::consider(attempt.insert(counted), &slot, &wanted)?;
    let mapped = verity::map(&slot, &wanted);
    let device = mapped.map_err(|source| Stage1Error::Verity {
        slot: letter,
        source,
    })?;
    mount_root(&device)?;
    remember(&slot, wanted)?;
    Ok(enter_root()?)
}

/// An error and its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn read_identity() -> Result<Identity, Stage1Error> {
    let found = fs::read_to_string("/proc/cmdline").map_err(Stage1Error::Cmdline)?;
    Identity::of(&found).ok_or_else(|| Stage1Error::NoRootHash {
        found: found.trim().to_owned(),
    })
}

fn wait_for_slot(wanted: &Digest) -> Result<Verified, Stage1Error> {
    let end = clock::since_boot().saturating_add(DISKS);
    loop {
        let partitions = disk::scan(Path::new(disk::SYS_BLOCK)).map_err(Stage1Error::Disk)?;
        if let Some(slot) = verity::find_slot(&partitions, wanted) {
            return Ok(slot);
        }
        if clock::since_boot() >= end {
            let names = partitions
                .iter()
                .map(|partition| format!("{} ({})", partition.device.display(), partition.label));
            return Err(Stage1Error::NoSlot {
                wanted: wanted.hex(),
                found: names.collect::<Vec<_>>().join(", "),
            });
        }
        console::flush();
        watchdog::pet();
        thread::sleep(POLL);
    }
}

fn mount_root(device: &Path) -> Result<(), Stage1Error> {
    let root = Mount {
        source: device,
        target: Path::new(SYSROOT),
        kind: "erofs",
        flags: MountFlags::RDONLY | MountFlags::NODEV,
        options: "",
    };
    let mounted = fs::create_dir_all(SYSROOT).and_then(|()| root.mount());
    mounted.map_err(|source| Stage1Error::Root {
        device: device.to_owned(),
        source,
    })
}

fn remember(slot: &Verified, root_hash: Digest) -> Result<(), Stage1Error> {
    let source = Source {
        slot: slot.slot,
        disk: slot.root.disk.clone(),
        root_hash,
    };
    source.save().map_err(Stage1Error::Disk)
}

/// Moves the kernel's file systems over, frees the initramfs, and runs the root's `init`.
fn enter_root() -> Result<Infallible, Stage1Error> {
    let failed = |step| move |source| Stage1Error::Switch { step, source };
    for (target, ..) in mounts::KERNEL {
        let inside = Path::new(SYSROOT).join(target.trim_start_matches('/'));
        mount::move_to(Path::new(target), &inside).map_err(failed("moving a mount"))?;
    }
    empty_initramfs();
    host::switch_root(Path::new(SYSROOT)).map_err(failed("switching the root"))?;
    // The next program starts with a queue of its own.
    console::drain(EXEC);
    let error = Command::new(layout::INIT).env_clear().exec();
    Err(failed("running `init`")(error))
}

/// Frees the memory that the initramfs takes, once nothing in it is needed.
///
/// Stays on the device of `/`, so that it cannot reach into the mounts below.
fn empty_initramfs() {
    if let Ok(root) = fs::metadata("/") {
        remove_below(Path::new("/"), root.dev());
    }
}

fn remove_below(directory: &Path, device: u64) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.dev() != device {
            continue;
        }
        // What cannot be removed costs memory and nothing else.
        let _ = if metadata.is_dir() {
            remove_below(&path, device);
            fs::remove_dir(&path)
        } else {
            fs::remove_file(&path)
        };
    }
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use super::*;
    use crate::verity::VerityError;

    #[test]
    fn causes_are_said_in_order() {
        let source = io::Error::other("no such target");
        let data = PathBuf::from("/dev/vda2");
        let error = Stage1Error::Verity {
            slot: "a",
            source: VerityError::Map {
                hashes: data.clone(),
                data,
                source,
            },
        };
        let text = chain(&error);
        assert!(
            text.starts_with("verifying slot `a`: mapping `/dev/vda2`"),
            "{text}"
        );
        assert!(text.ends_with(": no such target"), "{text}");
    }

    #[test]
    fn a_tree_is_removed_within_its_device() {
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("kept");
        fs::create_dir_all(kept.join("a/b")).unwrap();
        fs::write(kept.join("a/file"), "x").unwrap();
        let device = fs::metadata(&kept).unwrap().dev();
        remove_below(&kept, device.wrapping_add(1));
        assert!(kept.join("a/file").exists());
        remove_below(&kept, device);
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
    }
}
