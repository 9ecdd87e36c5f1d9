//! `bedplatectl upgrade` as a child of PID 1: its lines become events, its last error the answer.
//!
//! It speaks to PID 1 over the control socket meanwhile, so nothing here waits for it.

use std::{collections::BTreeMap, fs::File, os::fd::BorrowedFd};

use bedplate_contract::{control::UpgradeStep, event::name, layout};
use bedplate_sys::{
    pipe::Pipe,
    process::{self, Ended, Identity, Launch, Limits, Net},
    seccomp::{Filter, Group},
    view::View,
};

use crate::{console, decide::Order, stage1::chain};

/// `PATH` of the program; it needs none but tools may.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// `CAP_DAC_READ_SEARCH`, for a bundle in a volume, and `CAP_SYS_ADMIN`, which mounts the ESP
/// (capabilities(7)).
const CAPABILITIES: u64 = 1 << 2 | 1 << 21;
/// How the program begins the line that says why it did not do what it was asked.
const ERROR: &str = "error: ";
/// Longest line in bytes; a longer one is cut.
const LINE: usize = 4096;

/// An upgrade that runs.
#[derive(Debug)]
pub struct Upgrade {
    pid: u32,
    pipe: Pipe,
    partial: Vec<u8>,
    error: Option<String>,
    last: Option<String>,
}

impl Upgrade {
    /// Makes the process: user 0, a session of its own, both outputs in one pipe; in `cgroup`, and with
    /// no more of root's rights and of the kernel than writing a slot takes, for it reads what strangers
    /// send.
    ///
    /// # Errors
    /// The step that failed, in words.
    pub fn start(order: &Order, cgroup: Option<File>) -> Result<Self, String> {
        Self::run(arguments(order), cgroup)
    }

    fn run(run: Vec<String>, cgroup: Option<File>) -> Result<Self, String> {
        let opened = Pipe::open().map_err(|error| format!("make a pipe: {error}"));
        let (pipe, writer) = opened?;
        let launched = process::launch(Launch {
            view: View::Parents,
            run,
            environment: BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]),
            directory: "/".into(),
            identity: Identity {
                capabilities: CAPABILITIES,
                ..Identity::default()
            },
            network: Net::Parents,
            // The ESP is mounted where nobody else sees it: in a namespace of its own.
            filter: Some(Filter::new(&[Group::Mount, Group::Namespaces])),
            limits: Limits::default(),
            cgroup,
            output: Some(writer),
        });
        let pid = launched.map_err(|error| chain(&error))?;
        Ok(Self {
            pid,
            pipe,
            partial: Vec::new(),
            error: None,
            last: None,
        })
    }

    /// Its process.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// The descriptor to wait for.
    pub fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.watch()
    }

    /// Tells what it printed.
    pub fn drain(&mut self) {
        for text in self.read_lines() {
            self.note(text);
        }
    }

    fn note(&mut self, text: String) {
        if let Some(error) = text.strip_prefix(ERROR) {
            self.error = Some(error.to_owned());
        }
        console::emit(&console::event(name::UPGRADE).with("text", &text));
        self.last = Some(text);
    }

    fn read_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in self.pipe.read_turn() {
            // A progress line that is drawn again begins with a carriage return.
            if matches!(byte, b'\n' | b'\r') || self.partial.len() >= LINE {
                lines.extend(self.take_line());
            }
            if !matches!(byte, b'\n' | b'\r') {
                self.partial.push(byte);
            }
        }
        lines
    }

    fn take_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.partial);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// Kills it and what it made; it is reaped like any child.
    pub fn kill(&self) {
        // A group that is gone is what is wanted.
        let _ = process::kill_group(self.pid);
    }

    /// Its outcome, once it was reaped.
    pub fn ended(mut self, end: Ended) -> Result<(), String> {
        for _ in 0..self.pipe.turns_left() {
            self.drain();
        }
        if let Some(text) = self.take_line() {
            self.note(text);
        }
        match end {
            Ended::Status(0) => Ok(()),
            Ended::Status(status) => Err(self.words(&format!("exit status {status}"))),
            Ended::Signal(signal) => Err(format!("the upgrade was ended by signal {signal}")),
        }
    }

    fn words(self, otherwise: &str) -> String {
        let words = self.error.or(self.last);
        words.unwrap_or_else(|| format!("the upgrade ended with {otherwise} and no word"))
    }
}

fn arguments(order: &Order) -> Vec<String> {
    let mut all = vec![layout::BEDPLATECTL.to_owned(), "upgrade".to_owned()];
    let step = match order.step {
        UpgradeStep::All => None,
        UpgradeStep::Stage => Some("--stage"),
        UpgradeStep::Apply => Some("--apply"),
        UpgradeStep::Cancel => Some("--cancel"),
    };
    all.extend(step.map(str::to_owned));
    all.extend(order.force.then(|| "--force".to_owned()));
    if let Some(source) = &order.source {
        // Whatever it begins with, it is the source.
        all.extend(["--".to_owned(), source.clone()]);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::*;

    /// An upgrade that has printed `output` and ended.
    fn finish(output: &str, end: Ended) -> Result<(), String> {
        let (pipe, writer) = Pipe::open().unwrap();
        let mut writer = File::from(writer);
        let mut upgrade = Upgrade {
            pid: 1,
            pipe,
            partial: Vec::new(),
            error: None,
            last: None,
        };
        for chunk in output.as_bytes().chunks(5) {
            writer.write_all(chunk).unwrap();
            upgrade.drain();
            assert!(upgrade.watch().is_some());
        }
        drop(writer);
        upgrade.ended(end)
    }

    #[test]
    fn the_order_becomes_arguments() {
        let order = |source: Option<&str>, step, force| {
            let source = source.map(str::to_owned);
            let order = Order {
                source,
                step,
                force,
            };
            arguments(&order).join(" ")
        };
        let program = layout::BEDPLATECTL;
        assert_eq!(
            order(Some("/dev/vdb"), UpgradeStep::Stage, true),
            format!("{program} upgrade --stage --force -- /dev/vdb")
        );
        assert_eq!(
            order(None, UpgradeStep::All, false),
            format!("{program} upgrade")
        );
    }

    #[test]
    fn its_last_error_is_the_answer() {
        assert_eq!(finish("10 %\r20 %\rwell\n", Ended::Status(0)), Ok(()));
        for (output, end, expected) in [
            ("error: too old\nmore\n", Ended::Status(1), "too old"),
            ("well\nerror: cut", Ended::Status(2), "cut"),
            ("strange\n\n", Ended::Status(3), "strange"),
            (
                "",
                Ended::Status(3),
                "the upgrade ended with exit status 3 and no word",
            ),
            (
                "error: no\n",
                Ended::Signal(9),
                "the upgrade was ended by signal 9",
            ),
        ] {
            assert_eq!(finish(output, end), Err(expected.to_owned()), "{output}");
        }
    }
}
