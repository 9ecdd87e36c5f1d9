//! The directory of a backup's archives.
//!
//! `<archive>.zst` with `<archive>.json` is an archive. A `.zst.part`, and a `.zst` without manifest,
//! were cut short and are swept away by the next one that is made; they are never listed.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
};

use bedplate_contract::{
    backup::{Backup, MAX_MANIFEST, Manifest},
    utc::Time,
};
use bedplate_init::durable;
use bedplate_sys::file;

use super::ArchiveError;

/// Archives of one backup.
#[derive(Debug, Clone)]
pub struct Shelf {
    backup: String,
    directory: PathBuf,
}

/// What lies in the directory.
#[derive(Debug, Default)]
pub struct Listing {
    /// Whole ones, the oldest first; their digest is not looked at.
    pub archives: Vec<Manifest>,
    /// What is wrong with the others.
    pub broken: Vec<ArchiveError>,
}

/// Held until it is dropped, or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is the open directory")] File);

impl Shelf {
    /// The archives of `backup`.
    pub fn of(backup: &Backup) -> Self {
        Self {
            backup: backup.name.clone(),
            directory: backup.directory.clone().into(),
        }
    }

    /// Keeps others away.
    ///
    /// # Errors
    /// Somebody else does; there is no such directory.
    pub fn lock(&self) -> Result<Lock, ArchiveError> {
        let failed = ArchiveError::file("locking", &self.directory);
        let directory = match File::open(&self.directory) {
            Ok(directory) => directory,
            Err(error) => return Err(failed(error)),
        };
        match directory.try_lock() {
            Ok(()) => Ok(Lock(directory)),
            Err(TryLockError::WouldBlock) => Err(ArchiveError::Busy(self.directory.clone())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The file of an archive.
    pub(super) fn data(&self, archive: &str) -> PathBuf {
        self.directory.join(format!("{archive}.zst"))
    }

    /// The file of an archive that is being written.
    pub(super) fn part(&self, archive: &str) -> PathBuf {
        self.directory.join(format!("{archive}.zst.part"))
    }

    fn manifest(&self, archive: &str) -> PathBuf {
        self.directory.join(format!("{archive}.json"))
    }

    /// Makes an archive of a whole file, by its manifest.
    ///
    /// A crash before the manifest has its name leaves a `.zst` without one, which is swept; after it
    /// the archive is whole.
    pub(super) fn finish(&self, manifest: &Manifest) -> Result<(), ArchiveError> {
        let path = self.manifest(&manifest.archive);
        durable::write(&path, manifest.encode().as_bytes(), 0o600)?;
        Ok(())
    }

    /// What there is; nothing where the directory is not made yet.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> Result<Listing, ArchiveError> {
        let mut listing = Listing::default();
        for name in self.names()? {
            let Some(archive) = name.strip_suffix(".json").filter(|n| !n.starts_with('.')) else {
                continue;
            };
            match self.read(archive) {
                Ok(manifest) => listing.archives.push(manifest),
                Err(error) => listing.broken.push(error),
            }
        }
        Ok(listing)
    }

    /// Names of the files, in order, which is that of their times.
    fn names(&self) -> Result<Vec<String>, ArchiveError> {
        let failed = ArchiveError::file("reading", &self.directory);
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.and_then(|entries| entries.collect::<io::Result<Vec<_>>>()),
        };
        let entries = entries.map_err(failed)?;
        let names = entries.into_iter().map(|entry| entry.file_name());
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    fn read(&self, archive: &str) -> Result<Manifest, ArchiveError> {
        let path = self.manifest(archive);
        let bytes = read_small(&path).map_err(ArchiveError::file("reading", &path))?;
        let manifest = Manifest::parse(&bytes);
        let manifest = manifest.map_err(|source| ArchiveError::Torn { path, source })?;
        let of = |manifest: &Manifest| (manifest.backup.clone(), manifest.archive.clone());
        let expected = (self.backup.clone(), archive.to_owned());
        if of(&manifest) != expected {
            return Err(ArchiveError::Damaged {
                archive: archive.to_owned(),
                what: "a manifest of",
                expected: format!("{}/{archive}", self.backup),
                found: format!("{}/{}", manifest.backup, manifest.archive),
            });
        }
        self.check_size(&manifest)?;
        Ok(manifest)
    }

    fn check_size(&self, manifest: &Manifest) -> Result<(), ArchiveError> {
        let path = self.data(&manifest.archive);
        let found = fs::symlink_metadata(&path);
        let found = found
            .map_err(ArchiveError::file("looking at", &path))?
            .len();
        damaged_unless(manifest, "bytes", (manifest.bytes, found))
    }

    /// The archive called `name`, or the newest.
    ///
    /// # Errors
    /// There is none, or it is not whole.
    pub fn find(&self, name: Option<&str>) -> Result<Manifest, ArchiveError> {
        let mut archives = self.list()?.archives;
        let Some(name) = name else {
            return archives
                .pop()
                .ok_or_else(|| ArchiveError::None(self.directory.clone()));
        };
        if let Some(at) = archives.iter().position(|m| m.archive == name) {
            return Ok(archives.swap_remove(at));
        }
        // A broken one says what is wrong with it.
        if self.names()?.contains(&format!("{name}.json")) {
            return self.read(name);
        }
        Err(ArchiveError::NoSuch {
            name: name.to_owned(),
            directory: self.directory.clone(),
        })
    }

    /// Removes what was cut short: parts, archives without manifest, manifests without archive.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub(super) fn sweep(&self) -> Result<(), ArchiveError> {
        let names = self.names()?;
        let has = |name: String| names.contains(&name);
        for name in &names {
            let path = Path::new(name);
            let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or(name);
            let cut_short = match path.extension().and_then(OsStr::to_str) {
                Some("part" | "new") => true,
                Some("zst") => !has(format!("{stem}.json")),
                Some("json") => !has(format!("{stem}.zst")),
                _ => false,
            };
            if cut_short {
                self.remove(&self.directory.join(name))?;
            }
        }
        Ok(())
    }

    /// Deletes the archives that are older than `keep_seconds` at `now`, but for the newest one.
    ///
    /// The manifest goes first: power cut between the two leaves a file that is swept.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn prune(&self, keep_seconds: u64, now: Time) -> Result<Vec<String>, ArchiveError> {
        let mut archives = self.list()?.archives;
        archives.pop();
        let old = |manifest: &Manifest| {
            let age = now.seconds().saturating_sub(manifest.time.seconds());
            age > keep_seconds
        };
        archives.retain(old);
        for Manifest { archive, .. } in &archives {
            self.remove(&self.manifest(archive))?;
            self.remove(&self.data(archive))?;
        }
        Ok(archives.into_iter().map(|m| m.archive).collect())
    }

    fn remove(&self, path: &Path) -> Result<(), ArchiveError> {
        let removed = fs::remove_file(path).and_then(|()| durable::sync_parent(path));
        removed.map_err(ArchiveError::file("removing", path))
    }
}

/// The error of an archive whose figures differ, as (expected, found).
pub(super) fn damaged_unless<T: PartialEq + ToString>(
    manifest: &Manifest,
    what: &'static str,
    (expected, found): (T, T),
) -> Result<(), ArchiveError> {
    if expected == found {
        return Ok(());
    }
    Err(ArchiveError::Damaged {
        archive: manifest.archive.clone(),
        what,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

/// The directory is its user's, who may put anything there: no link is followed, no pipe waited for.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = file::open_regular(path)?;
    file.take(MAX_MANIFEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
