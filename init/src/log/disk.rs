//! Logs on their way to the state partition: written by a thread of their own.
//!
//! A disk that stalls holds that thread up, and nothing else: PID 1 goes on reaping, probing and
//! answering, and keeps the last lines in memory.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use bedplate_contract::{appliance::Log as Rotation, service::Service};
use bedplate_sys::clock;

use super::file::LogFile;
use crate::watchdog;

/// Bytes that may wait for the disk.
const WAITING: usize = 1 << 20;
/// How long the end of the machine waits for what is not written yet.
const LIMIT: Duration = Duration::from_secs(2);
/// Between two looks.
const POLL: Duration = Duration::from_millis(5);

/// Lines of one service, with the moment at which they were read.
type Batch = (usize, Vec<String>, u64);

/// The logs of all services, by their places. Dropping it waits two seconds for what is on its way.
#[derive(Debug)]
pub struct Disk {
    batches: Option<Sender<Batch>>,
    waiting: Arc<AtomicUsize>,
    writer: Option<JoinHandle<()>>,
    /// Lines that found no room.
    lost: usize,
}

impl Disk {
    /// Begins to write below `directory`; without memory for a thread nothing is written.
    pub fn start(directory: &Path, services: &[Service], rotation: &Rotation) -> Self {
        let file = |service: &Service| {
            let path = directory.join(format!("{}.log", service.name));
            LogFile::new(path, service.gid, rotation)
        };
        let files: Vec<_> = services.iter().map(file).collect();
        let (batches, received) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        let write = move || write_all(files, &received, &left);
        Self {
            batches: Some(batches),
            waiting,
            writer: thread::Builder::new().spawn(write).ok(),
            lost: 0,
        }
    }

    /// Hands over lines of the service at this place; those that find no room are counted.
    pub fn append(&mut self, at: usize, lines: &[String], now: u64) {
        if lines.is_empty() || self.writer.is_none() {
            return;
        }
        if self
            .waiting
            .load(Ordering::Acquire)
            .saturating_add(size(lines))
            > WAITING
        {
            self.lost += lines.len();
            return;
        }
        let lost = (self.lost > 0).then(|| format!("[{} lines of all services lost]", self.lost));
        let lines: Vec<_> = lost.into_iter().chain(lines.iter().cloned()).collect();
        self.waiting.fetch_add(size(&lines), Ordering::AcqRel);
        let sent = self.batches.as_ref().map(|to| to.send((at, lines, now)));
        // The writer ends after the sender alone, unless it has panicked.
        if let Some(Ok(())) = sent {
            self.lost = 0;
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.batches = None;
        let end = clock::since_boot().saturating_add(LIMIT);
        let runs = |writer: &JoinHandle<()>| !writer.is_finished();
        while self.writer.as_ref().is_some_and(runs) && clock::since_boot() < end {
            watchdog::pet();
            thread::sleep(POLL);
        }
    }
}

fn write_all(mut files: Vec<LogFile>, batches: &Receiver<Batch>, waiting: &AtomicUsize) {
    for (at, lines, now) in batches {
        if let Some(file) = files.get_mut(at) {
            file.append(&lines, now);
        }
        waiting.fetch_sub(size(&lines), Ordering::AcqRel);
    }
}

/// Bytes of `lines` in a log.
fn size(lines: &[String]) -> usize {
    lines.iter().map(|line| line.len() + 1).sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::decide::fixture;

    fn disk(directory: &Path) -> Disk {
        let rotation = Rotation {
            max_bytes: 1 << 30,
            keep: 1,
            lines_per_second: 1,
        };
        let mut service = fixture::service("a");
        // Its group is the one of whoever runs the test.
        service.gid = std::os::unix::fs::MetadataExt::gid(&fs::metadata(directory).unwrap());
        Disk::start(directory, &[service], &rotation)
    }

    #[test]
    fn what_was_handed_over_is_written_before_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = disk(directory.path());
        for number in 0..100 {
            disk.append(0, &[number.to_string()], 0);
        }
        disk.append(1, &["nobody's".to_owned()], 0);
        drop(disk);
        let text = fs::read_to_string(directory.path().join("a.log")).unwrap();
        assert_eq!(text.lines().count(), 100);
        assert_eq!(text.lines().last(), Some("99"));
    }

    #[test]
    fn a_disk_that_stalls_costs_lines_and_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = disk(directory.path());
        // As many bytes as a writer that has not come back yet leaves.
        disk.waiting.store(WAITING, Ordering::Release);
        disk.append(0, &["one".to_owned(), "two".to_owned()], 0);
        assert_eq!(disk.lost, 2);
        disk.waiting.store(0, Ordering::Release);
        disk.append(0, &["three".to_owned()], 0);
        drop(disk);
        let text = fs::read_to_string(directory.path().join("a.log")).unwrap();
        assert_eq!(text, "[2 lines of all services lost]\nthree\n");
    }
}
