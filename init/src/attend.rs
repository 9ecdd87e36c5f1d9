//! Long work of the kernel's that PID 1 waits for: a mount that replays a log, a sync, an unmount.
//!
//! It may take minutes on a slow disk, which is no hang, or for ever on a dead one, which is. So it runs
//! in a thread of its own, and the watchdog is petted for as long as the disk gets something done.

use std::{
    fs,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::Duration,
};

use bedplate_sys::clock;

use crate::{disk, watchdog};

/// How long a disk may get nothing done: a SCSI command is given up after 30 s, and tried again.
const STALL: Duration = Duration::from_secs(90);
/// Between two looks.
const POLL: Duration = Duration::from_millis(5);

/// What `work` returns; `None` when the disk has got nothing done for a minute and a half, or the work panicked.
///
/// Work that is given up stays in its thread, which ends with the machine. `disk` is a kernel name such as `vda`;
/// without one the work has that time in all.
pub fn attend<T: Send + 'static>(
    disk: Option<&str>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let counters = disk.map(|disk| Path::new(disk::SYS_BLOCK).join(disk).join("stat"));
    // No thread means no memory: nothing that could be done instead would do better.
    let running = thread::Builder::new().spawn(work).ok()?;
    wait(running, counters, STALL)
}

fn wait<T>(running: JoinHandle<T>, counters: Option<PathBuf>, stall: Duration) -> Option<T> {
    let look = || counters.as_deref().map(completed);
    let until = || clock::since_boot().saturating_add(stall);
    let (mut seen, mut end) = (look(), until());
    while !running.is_finished() {
        let now = look();
        if now != seen {
            (seen, end) = (now, until());
        }
        if clock::since_boot() >= end {
            return None;
        }
        watchdog::pet();
        thread::sleep(POLL);
    }
    running.join().ok()
}

/// Reads, writes, discards and flushes that the disk has completed.
///
/// Source: kernel Documentation/block/stat.rst.
fn completed(counters: &Path) -> Vec<u64> {
    let text = fs::read_to_string(counters).unwrap_or_default();
    let fields = text.split_ascii_whitespace().enumerate();
    let counts = fields.filter(|(at, _)| matches!(at, 0 | 4 | 11 | 15));
    counts.filter_map(|(_, text)| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn work_on_a_disk_that_gets_things_done_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let stat = directory.path().join("stat");
        fs::write(&stat, "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0").unwrap();
        let counters = stat.clone();
        let working = thread::spawn(move || {
            for writes in 0..10 {
                let line = format!("0 0 0 0 {writes} 0 0 0 0 0 0 0 0 0 0 0 0");
                fs::write(directory.path().join("stat"), line).unwrap();
                thread::sleep(Duration::from_millis(40));
            }
            7
        });
        let waited = wait(working, Some(counters), Duration::from_millis(300));
        assert_eq!(waited, Some(7));
    }

    #[test]
    fn work_on_a_dead_disk_is_given_up() {
        // Time that the disk spends waiting is no progress.
        let directory = tempfile::tempdir().unwrap();
        let stat = directory.path().join("stat");
        fs::write(&stat, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17").unwrap();
        assert_eq!(completed(&stat), [1, 5, 12, 16]);
        let (sender, receiver) = channel::<()>();
        let stuck = thread::spawn(move || receiver.recv());
        let waited = wait(stuck, Some(stat), Duration::from_millis(50));
        assert!(waited.is_none());
        drop(sender);
        assert_eq!(attend(None, || 1), Some(1));
    }
}
