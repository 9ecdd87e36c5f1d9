//! Programs that a boot phase runs: each with a deadline, its words in memory.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Child, ExitStatus},
    thread,
    time::Duration,
};

use bedplate_sys::clock;

use crate::watchdog;

/// How long a killed program may take to vanish before it is left to the kernel.
const KILL: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);

/// The status of `child`, or `None` once it was killed for being late.
///
/// # Errors
/// As kill(2) and wait(2).
pub fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    if let Some(status) = poll(child, limit)? {
        return Ok(Some(status));
    }
    child.kill()?;
    // One in an uninterruptible sleep stays; PID 1 reaps it whenever it ends.
    poll(child, KILL).map(|_| None)
}

fn poll(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = clock::since_boot().saturating_add(limit);
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if clock::since_boot() >= end => return Ok(None),
            None => {
                watchdog::pet();
                thread::sleep(POLL);
            }
        }
    }
}

/// An empty file at `path` for what a program says, so that it never waits for a reader.
///
/// # Errors
/// As open(2).
pub fn open_log(path: &Path) -> io::Result<File> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    File::create(path)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_late_program_is_killed() {
        let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::from_millis(20)).unwrap(), None);
        assert!(child.try_wait().unwrap().is_some());
    }
}
