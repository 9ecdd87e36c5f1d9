//! The program of an exec probe, and the last line that it prints: why it failed, in its own words.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use bedplate_sys::{
    pipe::Pipe,
    process::{self, Ended},
};

/// Bytes of the output that are kept, the last; no reason is longer.
const KEPT: usize = 512;

/// What a program prints.
#[derive(Debug)]
pub struct Output {
    pipe: Pipe,
    kept: Vec<u8>,
}

/// A program that was made for a check; exit 0 is good.
#[derive(Debug)]
pub struct Program {
    /// Its process, which leads a session.
    pub pid: u32,
    /// What it prints.
    pub output: Output,
}

impl Output {
    /// A fresh pipe, and the end that the program writes to.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn open() -> io::Result<(Self, OwnedFd)> {
        let (pipe, writer) = Pipe::open()?;
        let kept = Vec::new();
        Ok((Self { pipe, kept }, writer))
    }

    /// Takes what was printed, so that a full pipe holds nobody up.
    pub(super) fn drain(&mut self) {
        self.kept.extend(self.pipe.read_turn());
        self.kept.drain(..self.kept.len().saturating_sub(KEPT));
    }

    /// Takes all that was printed by a program that has ended, or is given up.
    fn drain_all(&mut self) {
        for _ in 0..self.pipe.turns_left() {
            self.drain();
        }
    }

    /// The last line that is not empty.
    fn last_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.kept);
        let mut lines = text.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).map(str::to_owned)
    }
}

impl Program {
    pub(super) fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.output.pipe.watch()
    }

    /// What its end means.
    pub(super) fn judge(&mut self, end: Ended) -> Result<(), String> {
        let how = match end {
            Ended::Status(0) => return Ok(()),
            Ended::Status(status) => format!("exit status {status}"),
            Ended::Signal(signal) => format!("signal {signal}"),
        };
        Err(self.with_words(how))
    }

    /// How it failed, with the last line that it printed.
    pub(super) fn with_words(&mut self, how: String) -> String {
        self.output.drain_all();
        match self.output.last_line() {
            Some(line) => format!("{how}: {line}"),
            None => how,
        }
    }

    /// Kills it with all that it made, but for what began a session of its own.
    pub(super) fn end(&self) {
        // Nothing to kill means that it ended by itself and is reaped next.
        let _ = process::kill_group(self.pid);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::*;

    /// What comes of a program that prints `text` and ends with `end`.
    fn judged(text: &[u8], end: Ended) -> Result<(), String> {
        let (output, writer) = Output::open().unwrap();
        File::from(writer).write_all(text).unwrap();
        Program { pid: 1, output }.judge(end)
    }

    #[test]
    fn a_failure_has_the_program_s_last_words() {
        // Its end is known before a turn has taken the last of it.
        let long = [b"x".repeat(100 * KEPT), b"\nend".to_vec()].concat();
        for (text, end, expected) in [
            (&b"no\n"[..], Ended::Status(0), None),
            (b"", Ended::Status(1), Some("exit status 1")),
            (
                b"first\nlast\n\n",
                Ended::Status(3),
                Some("exit status 3: last"),
            ),
            (b"\xff\n", Ended::Signal(9), Some("signal 9: \u{fffd}")),
            (&long, Ended::Status(1), Some("exit status 1: end")),
        ] {
            let outcome = judged(text, end).err();
            assert_eq!(outcome.as_deref(), expected);
        }
    }

    #[test]
    fn a_late_program_is_asked_for_its_words_too() {
        let (output, writer) = Output::open().unwrap();
        let mut writer = File::from(writer);
        writer.write_all(b"waiting for the disk\n").unwrap();
        let mut program = Program { pid: 1, output };
        let why = program.with_words("no answer in time".to_owned());
        assert_eq!(why, "no answer in time: waiting for the disk");
    }

    #[test]
    fn a_pipe_is_emptied_and_no_more_is_kept_than_is_told() {
        let (mut output, writer) = Output::open().unwrap();
        let mut writer = File::from(writer);
        for _ in 0..20 {
            writer.write_all(&[b'x'; 4096]).unwrap();
            output.drain();
            assert_eq!(output.kept.len(), KEPT);
        }
        assert!(output.pipe.is_open());
        drop(writer);
        output.drain();
        assert!(!output.pipe.is_open());
    }
}
