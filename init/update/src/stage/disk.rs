//! The partitions of the machine's disk as a target; plain files do as well.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bedplate_contract::EntryName;
use bedplate_init::esp::{self, EspError, HEAD, Install, Mounted, Purpose};
use bedplate_sys::file;

use super::{Part, Target, TargetError};

/// Bytes after which what was written is pushed to the medium. Two of them are under way at most:
/// that bounds what a slow medium has to catch up with when something else waits for the disk.
const WINDOW: u64 = 8 << 20;

/// Where the ESP is mounted while it is written: another place than PID 1's, which may look at the
/// same time.
const MOUNT_POINT: &str = "/run/bedplate/esp-upgrade";

/// Where the entries are.
#[derive(Debug, Clone)]
pub enum Entries {
    /// On the ESP of the disk with this kernel name, which is mounted for as long as it is used.
    Esp(String),
    /// In this directory.
    Directory(PathBuf),
}

impl Entries {
    /// Runs `work` on the directory of the entries.
    ///
    /// # Errors
    /// What `work` says; mounting and unmounting.
    pub fn with<T>(
        &self,
        purpose: Purpose,
        work: impl FnOnce(&Path) -> Result<T, EspError>,
    ) -> Result<T, EspError> {
        match self {
            Self::Directory(directory) => work(directory),
            Self::Esp(disk) => {
                let mounted = Mounted::for_upgrade(disk, Path::new(MOUNT_POINT), purpose)?;
                let result = work(mounted.directory());
                let unmounted = mounted.unmount();
                result.and_then(|value| unmounted.map(|()| value))
            }
        }
    }
}

/// A slot and the place of the entries.
#[derive(Debug)]
pub struct Disk {
    root: Slotted,
    tree: Slotted,
    active: Option<File>,
    entries: Entries,
    running: EntryName,
    entry: Option<Entry>,
}

#[derive(Debug)]
struct Entry {
    install: Install,
    mounted: Option<Mounted>,
}

impl Disk {
    /// The slot in `root` and `tree`, which are open for reading and writing, beside the running
    /// root in `active`; the entries of `running` are never touched.
    pub fn new(
        root: File,
        tree: File,
        active: Option<File>,
        entries: Entries,
        running: EntryName,
    ) -> Self {
        Self {
            root: Slotted::new(root),
            tree: Slotted::new(tree),
            active,
            entries,
            running,
            entry: None,
        }
    }

    fn slot(&mut self, part: Part) -> Option<&mut Slotted> {
        match part {
            Part::Root => Some(&mut self.root),
            Part::Tree => Some(&mut self.tree),
            Part::Entry => None,
        }
    }

    fn install(&self) -> Result<&Install, TargetError> {
        let entry = self.entry.as_ref().ok_or(TargetError::NoEntry)?;
        Ok(&entry.install)
    }
}

impl Target for Disk {
    fn clear_entries(&mut self) -> Result<(), TargetError> {
        let running = &self.running;
        let work = |directory: &Path| esp::clear_others(directory, running);
        self.entries.with(Purpose::Write, work)?;
        Ok(())
    }

    fn read(&mut self, part: Part, at: u64, buffer: &mut [u8]) -> Result<(), TargetError> {
        match self.slot(part) {
            None => Ok(self.install()?.read(at, buffer)?),
            Some(slot) => {
                let read = slot.file.read_exact_at(buffer, at);
                read.map_err(failed("reading", part, at))
            }
        }
    }

    fn read_active(&mut self, at: u64, buffer: &mut [u8]) -> bool {
        let active = self.active.as_ref();
        active.is_some_and(|active| active.read_exact_at(buffer, at).is_ok())
    }

    fn write(&mut self, part: Part, at: u64, bytes: &[u8]) -> Result<(), TargetError> {
        match self.slot(part) {
            None => Ok(self.install()?.write(at, bytes)?),
            Some(slot) => slot.write(at, bytes).map_err(failed("writing", part, at)),
        }
    }

    fn flush(&mut self, part: Part) -> Result<(), TargetError> {
        match self.slot(part) {
            None => Ok(self.install()?.flush()?),
            Some(slot) => slot.flush().map_err(failed("flushing", part, 0)),
        }
    }

    fn begin_entry(&mut self, name: &EntryName) -> Result<(), TargetError> {
        let (mounted, directory) = match &self.entries {
            Entries::Directory(directory) => (None, directory.clone()),
            Entries::Esp(disk) => {
                let point = Path::new(MOUNT_POINT);
                let mounted = Mounted::for_upgrade(disk, point, Purpose::Write)?;
                let directory = mounted.directory().to_owned();
                (Some(mounted), directory)
            }
        };
        let install = Install::begin(&directory, name)?;
        self.entry = Some(Entry { install, mounted });
        Ok(())
    }

    fn commit_entry(&mut self, head: &[u8; HEAD]) -> Result<(), TargetError> {
        let Entry { install, mounted } = self.entry.take().ok_or(TargetError::NoEntry)?;
        install.commit(head)?;
        // The file is closed first: it would keep the file system busy.
        drop(install);
        Ok(mounted.map_or(Ok(()), Mounted::unmount)?)
    }
}

fn failed(what: &'static str, part: Part, at: u64) -> impl FnOnce(io::Error) -> TargetError {
    move |source| TargetError::Slot {
        what,
        part,
        at,
        source,
    }
}

/// A partition that is written in order, with a bounded amount of it held back by the kernel.
#[derive(Debug)]
struct Slotted {
    file: File,
    /// First byte that was not pushed yet, and the one after the last that was written.
    window: (u64, u64),
    /// What was pushed last, and is waited for before more is.
    pushed: Option<(u64, u64)>,
}

impl Slotted {
    const fn new(file: File) -> Self {
        Self {
            file,
            window: (0, 0),
            pushed: None,
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)?;
        let (start, end) = self.window;
        let next = at.saturating_add(bytes.len() as u64);
        // A gap is what the slot held already; the window spans it.
        let start = if end == 0 || at < start { at } else { start };
        self.window = (start, next);
        if next.saturating_sub(start) >= WINDOW {
            self.push(start, next)?;
        }
        Ok(())
    }

    fn push(&mut self, start: u64, end: u64) -> io::Result<()> {
        let length = end.saturating_sub(start);
        file::start_write(&self.file, start, length)?;
        if let Some((start, length)) = self.pushed.replace((start, length)) {
            file::finish_write(&self.file, start, length)?;
        }
        self.window = (end, end);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        self.window = (0, 0);
        self.pushed = None;
        file::forget(&self.file)
    }
}
