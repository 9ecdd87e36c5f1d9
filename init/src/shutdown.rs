//! After the last service: nothing runs, nothing is mounted, everything is on the disk.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bedplate_contract::{appliance::Volume, layout};
use bedplate_sys::{
    clock, host, mount, process,
    reboot::{self, Down},
};

use crate::{attend::attend, console, watchdog};

/// Event of a mount that stays: `path`, `error`.
const STAYS: &str = "unmount.failed";

/// Event of a disk that takes no more: `disk`. What was not written is lost, and the machine goes.
const DEAD: &str = "disk.dead";

/// For how long processes that were killed are reaped, and the console may take its lines.
const LIMIT: Duration = Duration::from_secs(2);

/// Between two looks for processes.
const POLL: Duration = Duration::from_millis(10);

/// Ends the machine; never returns.
///
/// A kernel that refuses to go leaves PID 1 asleep: it must not end, for that is a panic.
pub fn end(how: Down, volumes: &[Volume], disk: Option<&str>) -> ! {
    // A reboot leaves the watchdog ticking: what follows has its whole time, and no more.
    watchdog::pet();
    end_processes();
    let paths = volumes.iter().map(|volume| PathBuf::from(&volume.path));
    let paths: Vec<_> = paths.collect();
    // What is in memory goes to the disk first: how long that takes is the disk's doing.
    let written = attend(disk, host::sync).and_then(|()| attend(disk, move || unmount(&paths)));
    if written.is_none() {
        console::emit(&console::event(DEAD).with("disk", disk.unwrap_or_default()));
    }
    if how == Down::Poweroff {
        disarm();
    }
    console::drain(LIMIT);
    loop {
        // It is refused only to a process without CAP_SYS_BOOT; then there is nothing to be told.
        let _ = reboot::go_down(how);
        thread::sleep(LIMIT);
    }
}

/// A machine that is switched off is not to be started again by its watchdog.
fn disarm() {
    watchdog::tell(watchdog::disarm());
}

/// Kills what no service owns, so that nothing holds a mount.
pub fn end_processes() {
    // ESRCH: there was nothing left.
    let _ = process::kill_all();
    let end = clock::since_boot().saturating_add(LIMIT);
    while clock::since_boot() < end {
        match process::reap_any() {
            process::Reaped::Process(..) => {}
            process::Reaped::Later => thread::sleep(POLL),
            process::Reaped::Nothing => return,
        }
    }
}

/// Unmounts the volumes, the last first, then `/state`; what is busy becomes read-only.
fn unmount(volumes: &[PathBuf]) {
    let volumes = volumes.iter().rev().map(PathBuf::as_path);
    for path in volumes.chain([Path::new(layout::STATE_DIR)]) {
        if let Err(error) = mount::unmount(path).or_else(|_| mount::remount_read_only(path)) {
            let line = console::event(STAYS).with("path", path.display());
            console::emit(&line.with("error", error));
        }
    }
}
