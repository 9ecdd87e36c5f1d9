//! The other slot read whole in a child of PID 1, which waits for no disk.
//!
//! The child is this program again with [`WORD`]: its status is the outcome, its output the reason.

use std::{
    collections::BTreeMap,
    io::{self, PipeReader, Read},
    path::Path,
};

use bedplate_contract::{Digest, layout};
use bedplate_sys::{
    process::{self, Ended, Identity, Launch, Limits, Net},
    seccomp::Filter,
    socket,
    view::View,
};

use crate::{
    decide::Soundness,
    disk::{self, DiskError},
    stage1::chain,
    verity::{self, Damage},
};

/// First argument of the child; disk and root hash follow.
pub const WORD: &str = "inspect-slot";

/// Status of a slot that is not what its hash tree says.
const ROTTEN: u8 = 1;
/// Status of a slot that could not be looked at.
const UNKNOWN: u8 = 2;
/// Bytes of a reason.
const REASON: u64 = 4096;

/// Why a slot is not sound.
#[derive(Debug, thiserror::Error)]
enum InspectError {
    #[error("expected a disk and a root hash, found {0} arguments")]
    Usage(usize),
    #[error("looking for the slot")]
    Disk(#[source] DiskError),
    #[error("no slot of the disk has root hash `{0}`")]
    NoSlot(String),
    #[error(transparent)]
    Damage(Damage),
}

impl InspectError {
    const fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Disk(_) => UNKNOWN,
            Self::NoSlot(_) | Self::Damage(_) => ROTTEN,
        }
    }
}

/// What the child does: `arguments` follow [`WORD`]. Returns its exit status.
pub fn child(arguments: &[String]) -> u8 {
    match inspect(arguments) {
        Ok(()) => 0,
        Err(error) => {
            println!("{}", chain(&error));
            error.status()
        }
    }
}

fn inspect(arguments: &[String]) -> Result<(), InspectError> {
    let usage = || InspectError::Usage(arguments.len());
    let [disk, root] = arguments else {
        return Err(usage());
    };
    let wanted = Digest::from_hex(root).map_err(|_| usage())?;
    let mut partitions = disk::scan(Path::new(disk::SYS_BLOCK)).map_err(InspectError::Disk)?;
    partitions.retain(|partition| partition.disk == *disk);
    let slot = verity::find_slot(&partitions, &wanted);
    let slot = slot.ok_or_else(|| InspectError::NoSlot(root.clone()))?;
    verity::check(&slot, &wanted, || {}).map_err(InspectError::Damage)
}

/// A child that reads.
#[derive(Debug)]
pub struct Inspection {
    pid: u32,
    output: PipeReader,
}

impl Inspection {
    /// Begins to read the slot of `disk` that has the root hash `root`.
    ///
    /// # Errors
    /// The step that failed, in words.
    pub fn start(disk: &str, root: &Digest) -> Result<Self, String> {
        Self::run(
            [layout::INIT, WORD, disk, &root.hex()]
                .map(str::to_owned)
                .to_vec(),
        )
    }

    fn run(run: Vec<String>) -> Result<Self, String> {
        let pipe = |error: io::Error| format!("make a pipe: {error}");
        let (output, writer) = io::pipe().map_err(pipe)?;
        socket::set_nonblocking(&output).map_err(pipe)?;
        let launched = process::launch(Launch {
            view: View::Parents,
            run,
            environment: BTreeMap::new(),
            directory: "/".into(),
            identity: Identity::default(),
            network: Net::Parents,
            filter: Some(Filter::new(&[])),
            limits: Limits::default(),
            cgroup: None,
            output: Some(writer.into()),
        });
        let pid = launched.map_err(|error| chain(&error))?;
        Ok(Self { pid, output })
    }

    /// Its process.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// What its end means. Its few words are in the pipe by then.
    pub fn ended(self, end: Ended) -> Soundness {
        let mut words = Vec::new();
        // What is not there is not said: the end alone decides.
        let _ = self.output.take(REASON).read_to_end(&mut words);
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        match end {
            Ended::Status(0) => Soundness::Sound,
            Ended::Status(status) if status == i32::from(ROTTEN) => Soundness::Rotten(words),
            Ended::Status(status) => Soundness::Unknown(format!("exit status {status}: {words}")),
            Ended::Signal(signal) => Soundness::Unknown(format!("signal {signal}")),
        }
    }

    /// Kills it. One that waits for a disk ends when the disk answers.
    pub fn kill(&self) {
        // ESRCH: it has ended already.
        let _ = process::kill_group(self.pid);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn ended(words: &str, end: Ended) -> Soundness {
        let (output, mut writer) = io::pipe().unwrap();
        writer.write_all(words.as_bytes()).unwrap();
        drop(writer);
        Inspection { pid: 1, output }.ended(end)
    }

    #[test]
    fn the_end_of_the_child_is_the_outcome() {
        let unknown = |words: &str| Soundness::Unknown(words.to_owned());
        for (words, end, expected) in [
            ("", Ended::Status(0), Soundness::Sound),
            (
                "block 7\n",
                Ended::Status(1),
                Soundness::Rotten("block 7".to_owned()),
            ),
            (
                "no disk\n",
                Ended::Status(2),
                unknown("exit status 2: no disk"),
            ),
            ("", Ended::Signal(9), unknown("signal 9")),
        ] {
            assert_eq!(ended(words, end), expected, "{words}");
        }
    }

    #[test]
    fn a_disk_without_the_slot_is_rotten_and_nonsense_is_not() {
        let root = Digest::of(b"root").hex();
        assert_eq!(child(&["no-such-disk".to_owned(), root.clone()]), ROTTEN);
        assert_eq!(child(&["no-such-disk".to_owned()]), UNKNOWN);
        assert_eq!(child(&["vda".to_owned(), "xyz".to_owned()]), UNKNOWN);
    }
}
