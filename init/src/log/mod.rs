//! What services print: the last lines in memory, more of them on the state partition.

mod disk;
mod file;
mod ring;

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use bedplate_contract::appliance::Log as Rotation;
use bedplate_sys::pipe::Pipe;

pub use disk::Disk;
use ring::Ring;

/// Longest line in bytes; a longer one is cut.
const LINE: usize = 4096;

/// The captured output of one service.
#[derive(Debug)]
pub struct Capture {
    pipe: Pipe,
    partial: Vec<u8>,
    ring: Ring,
    rate: Rate,
    /// Lines that the current run, or the last one, has left in the ring.
    of_run: usize,
}

/// A line limit per second.
#[derive(Debug)]
struct Rate {
    limit: u32,
    second: u64,
    taken: u32,
    dropped: u64,
}

impl Capture {
    /// A capture that has taken nothing yet.
    pub fn new(rotation: &Rotation) -> Self {
        Self {
            pipe: Pipe::default(),
            partial: Vec::new(),
            ring: Ring::default(),
            rate: Rate {
                limit: rotation.lines_per_second,
                second: 0,
                taken: 0,
                dropped: 0,
            },
            of_run: 0,
        }
    }

    /// A fresh pipe for the next run; returns the end that the process writes to.
    ///
    /// What an earlier run's leftovers still print is lost with the old pipe.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn open(&mut self) -> io::Result<OwnedFd> {
        let (pipe, writer) = Pipe::open()?;
        self.pipe = pipe;
        self.of_run = 0;
        Ok(writer)
    }

    /// The descriptor to wait for.
    pub fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.watch()
    }

    /// As [`Self::drain`], of all that a process which has ended has printed.
    pub fn drain_all(&mut self, now: u64) -> Vec<String> {
        let turns = 0..self.pipe.turns_left().max(1);
        turns.flat_map(|_| self.drain(now)).collect()
    }

    /// Takes what was printed and returns the lines that the rate limit lets through.
    pub fn drain(&mut self, now: u64) -> Vec<String> {
        let bytes = self.pipe.read_turn();
        let mut lines = self.split(&bytes);
        if !self.pipe.is_open() && !self.partial.is_empty() {
            lines.push(text(&std::mem::take(&mut self.partial)));
        }
        self.keep(lines, now)
    }

    /// At most `count` of the last lines, oldest first.
    pub fn last(&self, count: usize) -> Vec<String> {
        self.ring.last(count)
    }

    /// As [`Self::last`], of what was printed since the last [`Self::open`].
    pub fn last_of_run(&self, count: usize) -> Vec<String> {
        self.last(count.min(self.of_run))
    }

    fn split(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte == b'\n' || self.partial.len() >= LINE {
                lines.push(text(&std::mem::take(&mut self.partial)));
            }
            if *byte != b'\n' {
                self.partial.push(*byte);
            }
        }
        lines
    }

    fn keep(&mut self, lines: Vec<String>, now: u64) -> Vec<String> {
        let mut kept = Vec::new();
        for line in lines {
            kept.extend(self.rate.pass(line, now / 1000));
        }
        for line in &kept {
            self.ring.push(line);
            self.of_run = self.of_run.saturating_add(1);
        }
        kept
    }
}

impl Rate {
    /// The line if there is room for it, after a note of those that there was none for.
    fn pass(&mut self, line: String, second: u64) -> Vec<String> {
        let mut passed = Vec::new();
        if second != self.second {
            (self.second, self.taken) = (second, 0);
            if self.dropped > 0 {
                passed.push(format!("[{} lines dropped]", self.dropped));
                self.dropped = 0;
            }
        }
        if self.taken < self.limit {
            self.taken += 1;
            passed.push(line);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        passed
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, io::Write};

    fn capture(limit: u32) -> Capture {
        let rotation = Rotation {
            max_bytes: 1 << 20,
            keep: 1,
            lines_per_second: limit,
        };
        Capture::new(&rotation)
    }

    #[test]
    fn lines_are_put_together_and_the_last_one_is_not_lost() {
        let mut capture = capture(100);
        let mut writer = File::from(capture.open().unwrap());
        writer.write_all(b"one\r\ntw").unwrap();
        assert_eq!(capture.drain(0), ["one"]);
        writer.write_all(b"o\nthree").unwrap();
        drop(writer);
        assert_eq!(capture.drain(0), ["two", "three"]);
        assert!(capture.watch().is_none());
        capture.open().unwrap();
        assert_eq!(capture.last_of_run(2), [""; 0]);
        assert_eq!(capture.last(2), ["two", "three"]);
    }

    #[test]
    fn lines_past_the_rate_are_counted() {
        let mut capture = capture(2);
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect();
        assert_eq!(capture.keep(lines("a b c d"), 0), ["a", "b"]);
        assert_eq!(capture.keep(lines("e"), 1000), ["[2 lines dropped]", "e"]);
    }

    #[test]
    fn endless_lines_are_cut() {
        let mut capture = capture(100);
        let lines = capture.split(&[b'x'; LINE * 2 + 1]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), LINE);
    }
}
