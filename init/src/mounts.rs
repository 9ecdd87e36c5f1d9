//! The file systems of the kernel and of memory that a root needs.

use std::{
    io,
    path::{Path, PathBuf},
};

use bedplate_contract::layout;
use bedplate_sys::mount::{self, Mount, MountFlags};

/// Something that could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("mounting `{kind}` on `{target}`")]
pub struct MountsError {
    kind: &'static str,
    target: PathBuf,
    source: io::Error,
}

/// Target, type, restrictions, options.
type Row = (&'static str, &'static str, MountFlags, &'static str);

const NO_DEVICES: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
const DATA_ONLY: MountFlags = NO_DEVICES.union(MountFlags::NOEXEC);

/// What stage 1 needs to find the root; it moves these into it.
pub const KERNEL: [Row; 4] = [
    ("/proc", "proc", DATA_ONLY, ""),
    ("/sys", "sysfs", DATA_ONLY, ""),
    ("/dev", "devtmpfs", MountFlags::NOSUID, "mode=0755"),
    // What services have here is theirs alone and has stricter flags of its own.
    ("/run", "tmpfs", NO_DEVICES, "mode=0755,size=25%"),
];

/// What the root needs beyond [`KERNEL`].
const ROOT: [Row; 8] = [
    // Memory of their own: secrets can be handed out whatever fills `/run`.
    (
        layout::RUN_SECRETS_DIR,
        "tmpfs",
        DATA_ONLY,
        "mode=0711,size=64m",
    ),
    ("/dev/shm", "tmpfs", NO_DEVICES, "mode=1777,size=50%"),
    // Lock files of any service (Debian Policy 9.1.4), which fill nothing but this.
    ("/run/lock", "tmpfs", DATA_ONLY, "mode=1777,size=5M"),
    (
        "/sys/fs/cgroup",
        "cgroup2",
        DATA_ONLY,
        "nsdelegate,memory_recursiveprot",
    ),
    ("/tmp", "tmpfs", NO_DEVICES, "mode=1777,size=25%"),
    ("/var/tmp", "tmpfs", NO_DEVICES, "mode=1777,size=25%"),
    ("/var/log", "tmpfs", NO_DEVICES, "mode=0755,size=10%"),
    (
        "/dev/pts",
        "devpts",
        MountFlags::NOSUID.union(MountFlags::NOEXEC),
        "gid=5,mode=620,ptmxmode=666",
    ),
];

/// Mounts [`KERNEL`] and what the root needs, leaving alone what is mounted already.
///
/// Every mount is tried, so that one failure costs no other.
///
/// # Errors
/// The first failure.
pub fn mount_essentials() -> Result<(), MountsError> {
    let kernel = mount_rows(&KERNEL);
    make_mount_points();
    let root = mount_rows(&ROOT);
    // Services have mounts of their own, in which the machine's come and go as they do here.
    let shared = mount::share_all().map_err(|source| MountsError {
        kind: "shared",
        target: PathBuf::from("/"),
        source,
    });
    kernel.and(root).and(shared)
}

/// Mounts [`KERNEL`] alone.
///
/// # Errors
/// The first failure; every mount is tried.
pub fn mount_kernel() -> Result<(), MountsError> {
    for (target, ..) in KERNEL {
        // The initramfs may lack them; the mount says so if this did not help.
        let _ = std::fs::create_dir_all(target);
    }
    mount_rows(&KERNEL)
}

/// File systems in memory have no directories of their own.
fn make_mount_points() {
    for directory in ["/dev/shm", "/dev/pts", "/run/lock", layout::RUN_SECRETS_DIR] {
        // An error shows again, with more words, in the mount that follows.
        let _ = std::fs::create_dir_all(directory);
    }
}

fn mount_rows(rows: &[Row]) -> Result<(), MountsError> {
    let results = rows.iter().map(mount_row);
    results.fold(Ok(()), Result::and)
}

fn mount_row(&(target, kind, flags, options): &Row) -> Result<(), MountsError> {
    let path = Path::new(target);
    if matches!(mount::is_mount_point(path), Ok(true)) {
        return Ok(());
    }
    let mount = Mount {
        source: Path::new(kind),
        target: path,
        kind,
        flags,
        options,
    };
    mount.mount().map_err(|source| MountsError {
        kind,
        target: path.to_owned(),
        source,
    })
}
