//! A new entry, written so that it is none until its last write.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bedplate_contract::EntryName;
use bedplate_sys::file;

use super::EspError;
use crate::durable;

/// Bytes at the start of an entry that are written last: one sector, which every medium writes
/// whole or not at all. `MZ` and all that it says of the file come or stay away together.
pub const HEAD: usize = 512;

/// An entry that is being written under its final name.
///
/// A FAT rename is no commit: it can leave two names of one file. So the file has its name from
/// the start and zeros for its [`HEAD`]; [`Install::commit`] writes the head.
#[derive(Debug)]
pub struct Install {
    file: File,
    path: PathBuf,
    name: EntryName,
}

impl Install {
    /// Makes the empty file. A crash after it leaves a file without `MZ`: no entry.
    ///
    /// # Errors
    /// [`EspError::Entry`].
    pub fn begin(directory: &Path, name: &EntryName) -> Result<Self, EspError> {
        let path = directory.join(name.to_string());
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let opened = options.open(&path);
        let file = opened.map_err(|source| failed("creating", name, source))?;
        let name = name.clone();
        Ok(Self { file, path, name })
    }

    /// Writes `bytes` at `at`; the head must come as zeros. A crash leaves no entry.
    ///
    /// # Errors
    /// [`EspError::Entry`]; `StorageFull` for an ESP without room.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<(), EspError> {
        let written = self.file.write_all_at(bytes, at);
        written.map_err(|source| self.failed("writing", source))
    }

    /// Fills `buffer` from `at`.
    ///
    /// # Errors
    /// [`EspError::Entry`].
    pub fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), EspError> {
        let read = self.file.read_exact_at(buffer, at);
        read.map_err(|source| self.failed("reading", source))
    }

    /// Waits until file and name are on the medium, and makes the next [`Install::read`] ask it.
    ///
    /// # Errors
    /// [`EspError::Entry`].
    pub fn flush(&self) -> Result<(), EspError> {
        let flushed = self.file.sync_all();
        let named = flushed.and_then(|()| durable::sync_parent(&self.path));
        let forgotten = named.and_then(|()| file::forget(&self.file));
        forgotten.map_err(|source| self.failed("writing", source))
    }

    /// Writes the head: the commit. A crash before or within it leaves no entry, for the head is
    /// one sector; a crash after it leaves the whole entry, for all else was flushed before.
    ///
    /// # Errors
    /// [`EspError::Entry`]; whether the head is on the medium is not known then.
    pub fn commit(&self, head: &[u8; HEAD]) -> Result<(), EspError> {
        let written = self.file.write_all_at(head, 0);
        let durable = written.and_then(|()| self.file.sync_all());
        durable.map_err(|source| self.failed("writing", source))
    }

    fn failed(&self, what: &'static str, source: io::Error) -> EspError {
        failed(what, &self.name, source)
    }
}

fn failed(what: &'static str, entry: &EntryName, source: io::Error) -> EspError {
    EspError::Entry {
        what,
        entry: entry.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esp::list;

    #[test]
    fn an_entry_appears_with_its_last_write() {
        let directory = tempfile::tempdir().unwrap();
        let name = EntryName::fresh("a", "2");
        let install = Install::begin(directory.path(), &name).unwrap();
        let mut body = vec![0; HEAD];
        body.extend([7; 5000]);
        install.write(0, &body).unwrap();
        install.flush().unwrap();
        assert_eq!(list(directory.path()).unwrap(), []);
        let mut head = [1; HEAD];
        head[..2].copy_from_slice(b"MZ");
        install.commit(&head).unwrap();
        let listed = list(directory.path()).unwrap();
        assert_eq!(listed, std::slice::from_ref(&name));
        body[..HEAD].copy_from_slice(&head);
        let file = directory.path().join(name.to_string());
        assert_eq!(std::fs::read(file).unwrap(), body);
    }

    #[test]
    fn the_entry_is_named() {
        let name = EntryName::fresh("a", "2");
        let error = Install::begin(Path::new("/no/such"), &name).unwrap_err();
        assert_eq!(error.to_string(), "creating the entry `a_2+3.efi`");
    }
}
