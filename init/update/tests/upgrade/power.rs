//! Power that goes at the n-th effect, for every n: what was not flushed may be lost, in any part.

use bedplate_contract::EntryName;
use bedplate_init::esp::HEAD;
use bedplate_update::{
    source::Local,
    stage::{Disk, Part, Target, TargetError},
};

use crate::{
    faults::Fuse,
    layout::Layout,
    machine::{Machine, run},
};

/// Which of the writes that were under way reach the medium.
#[derive(Debug, Clone, Copy)]
enum Luck {
    None,
    Odd,
    Even,
    All,
}

impl Luck {
    fn takes(self, number: usize) -> bool {
        match self {
            Self::None => false,
            Self::Odd => number % 2 == 1,
            Self::Even => number.is_multiple_of(2),
            Self::All => true,
        }
    }
}

/// A write that the kernel may still hold back.
enum Pending {
    Entry(EntryName),
    Bytes(Part, u64, Vec<u8>),
}

impl Pending {
    fn part(&self) -> Part {
        match self {
            Self::Entry(_) => Part::Entry,
            Self::Bytes(part, ..) => *part,
        }
    }
}

/// What programs see, what the medium holds, and the difference.
struct Volatile {
    seen: Disk,
    medium: Disk,
    pending: Vec<Pending>,
    fuse: Fuse,
}

impl Volatile {
    fn burn(&mut self) -> Result<(), TargetError> {
        match self.fuse.burn() {
            true => Ok(()),
            false => Err(TargetError::NoEntry),
        }
    }

    fn apply(medium: &mut Disk, write: &Pending) {
        match write {
            Pending::Entry(name) => medium.begin_entry(name).unwrap(),
            // Content without the name that holds it is lost with it.
            Pending::Bytes(part, at, bytes) => drop(medium.write(*part, *at, bytes)),
        }
    }

    fn cut(mut self, luck: Luck) {
        let pending = self.pending.iter().enumerate();
        for (_, write) in pending.filter(|(number, _)| luck.takes(*number)) {
            Self::apply(&mut self.medium, write);
        }
    }
}

impl Target for Volatile {
    fn clear_entries(&mut self) -> Result<(), TargetError> {
        self.burn()?;
        self.seen.clear_entries()?;
        self.medium.clear_entries()
    }
    fn read(&mut self, part: Part, at: u64, buffer: &mut [u8]) -> Result<(), TargetError> {
        self.seen.read(part, at, buffer)
    }
    fn read_active(&mut self, at: u64, buffer: &mut [u8]) -> bool {
        self.seen.read_active(at, buffer)
    }
    fn write(&mut self, part: Part, at: u64, bytes: &[u8]) -> Result<(), TargetError> {
        self.burn()?;
        self.pending.push(Pending::Bytes(part, at, bytes.to_vec()));
        self.seen.write(part, at, bytes)
    }
    fn flush(&mut self, part: Part) -> Result<(), TargetError> {
        self.burn()?;
        for write in self.pending.extract_if(.., |write| write.part() == part) {
            Self::apply(&mut self.medium, &write);
        }
        self.seen.flush(part)
    }
    fn begin_entry(&mut self, name: &EntryName) -> Result<(), TargetError> {
        self.burn()?;
        self.pending.push(Pending::Entry(name.clone()));
        self.seen.begin_entry(name)
    }
    fn commit_entry(&mut self, head: &[u8; HEAD]) -> Result<(), TargetError> {
        // The head is one sector: there or not there, and it is flushed before this returns.
        self.burn()?;
        self.seen.commit_entry(head)?;
        // The other writes of the medium must have been flushed by now, or the entry comes too early.
        let held_back = self.pending.iter().any(|write| write.part() != Part::Entry);
        assert!(
            !held_back,
            "the entry is committed before its slot is on the medium"
        );
        self.medium.commit_entry(head)
    }
}

#[test]
fn power_may_go_at_any_effect() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::write(directory.path(), 1);
    for luck in [Luck::None, Luck::Odd, Luck::Even, Luck::All] {
        for effects in 0.. {
            let (seen, medium) = (Machine::new(), Machine::new());
            let mut target = Volatile {
                seen: seen.disk(),
                medium: medium.disk(),
                pending: Vec::new(),
                fuse: Fuse::after(effects),
            };
            let mut source = Local::open(&layout.root).unwrap();
            let ended = run(&layout.manifest, &mut source, &mut target);
            target.cut(luck);
            let when = format!("{luck:?} after {effects} effects");
            medium.assert_safe(&layout, &when);
            if ended.is_ok() {
                medium.assert_staged(&layout, &when);
                break;
            }
            let again = run(&layout.manifest, &mut source, &mut medium.disk());
            assert!(again.is_ok(), "{when}: {again:?}");
            medium.assert_staged(&layout, &when);
        }
    }
}
