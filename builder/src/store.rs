//! The content-addressed store: the only writer of build outputs.
//!
//! `<root>/blobs/<hex>` holds downloads under their own digest, `<root>/steps/<hex>` the directory
//! that the step with that key made. Both appear by rename, complete or not at all, so concurrent
//! builds and power loss leave at worst a `tmp/` entry that nobody reads, swept when the store is
//! opened again. Partial downloads stay there: the next build goes on with them.

mod prune;
mod scratch;
mod usage;

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bedplate_contract::Digest;

use self::usage::Use;
use crate::disk::output;

pub use self::scratch::{Scratch, lock_directory, sweep};

/// What the names of scratch directories start with.
const SCRATCH: &str = ".tmp";
/// Mode of what is kept.
const READ_ONLY: u32 = 0o444;

/// An error of the store: what was being done to which path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct StoreError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl StoreError {
    /// What was being done to which path of the store, and why it failed.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        fail(action, path, source)
    }
}

/// A store on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// That nobody prunes meanwhile; gone with the last clone, or with the process.
    _used: Arc<fs::File>,
    /// Blobs that this process has hashed.
    sound: Arc<Mutex<BTreeSet<Digest>>>,
}

impl Store {
    /// Opens the store at `root`, made when absent, and sweeps what killed builds left there. Waits for
    /// who prunes it.
    ///
    /// # Errors
    /// The directories cannot be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_for(root, Use::Build)
    }

    /// Opens the store at `root` for this process alone, to prune it: waits for all builds, and builds
    /// that begin wait for it.
    ///
    /// # Errors
    /// The directories cannot be made.
    pub fn open_alone(root: &Path) -> Result<Self, StoreError> {
        Self::open_for(root, Use::Prune)
    }

    fn open_for(root: &Path, r#use: Use) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(|e| fail("make the store directory", root, e))?;
        let used = usage::lock(root, r#use).map_err(|e| fail("lock the store", root, e))?;
        for part in ["blobs", "steps", "tmp", "locks"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(|e| fail("make the store directory", &path, e))?;
        }
        let tmp = root.join("tmp");
        sweep(&tmp, SCRATCH).map_err(|e| fail("sweep", &tmp, e))?;
        Ok(Self {
            root: root.to_owned(),
            _used: Arc::new(used),
            sound: Arc::default(),
        })
    }

    /// The default root: `$BEDPLATE_STORE`, else `$XDG_CACHE_HOME/bedplate`, else `~/.cache/bedplate`.
    pub fn default_root() -> PathBuf {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        set("BEDPLATE_STORE")
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("bedplate")))
            .or_else(|| set("HOME").map(|dir| dir.join(".cache/bedplate")))
            .unwrap_or_else(|| PathBuf::from("/var/tmp/bedplate"))
    }

    /// The directory of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob lies once it is there.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.hex())
    }

    /// Where a blob lies whose bytes this process has found to have its digest: they are read once, for a
    /// disk that forgets must not end in what is signed.
    ///
    /// # Errors
    /// It cannot be read, or is damaged: it is then removed, and the next build fetches it.
    pub fn sound_blob(&self, digest: &Digest) -> Result<PathBuf, StoreError> {
        let path = self.blob(digest);
        let known = || self.sound.lock().map(|sound| sound.contains(digest));
        if known().unwrap_or(false) {
            return Ok(path);
        }
        let found = output::digest(&path).map_err(|e| fail("read", &path, e))?;
        if found != *digest {
            fs::remove_file(&path).map_err(|e| fail("remove the damaged", &path, e))?;
            let words = format!(
                "it was damaged on this disk, and is removed: its bytes had {found}; build again"
            );
            return Err(fail("use", &path, io::Error::other(words)));
        }
        if let Ok(mut sound) = self.sound.lock() {
            sound.insert(*digest);
        }
        Ok(path)
    }

    /// Where the output of a step lies once it is there.
    pub fn step(&self, key: &Digest) -> PathBuf {
        self.root.join("steps").join(key.hex())
    }

    /// A new path below `tmp/` on the file system of the store; nothing is there yet.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        let tmp = self.root.join("tmp");
        Scratch::new_in(&tmp, SCRATCH).map_err(|e| fail("make a directory in", &tmp, e))
    }

    /// The output of the step `key`: made by `make` in an empty directory unless it is there.
    ///
    /// One process makes a key at a time; others wait for it. A crash inside `make` leaves only
    /// `tmp/`; a crash after the rename leaves the whole output, synced.
    ///
    /// # Errors
    /// What `make` returns, or the store's own.
    pub fn realize<E: From<StoreError>>(
        &self,
        key: &Digest,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let target = self.step(key);
        if target.is_dir() {
            prune::note_use(&target);
            return Ok(target);
        }
        let _lock = self.lock(key)?;
        if target.is_dir() {
            return Ok(target);
        }
        let scratch = self.scratch()?;
        make(scratch.path())?;
        self.keep(scratch, &target)?;
        Ok(target)
    }

    /// The blob `digest`: written by `make` to a path of its own unless it is there.
    ///
    /// The path keeps what an earlier failed `make` left there, so that a download can go on; `make`
    /// returns only when the whole file is there and has that digest. One process makes a blob at a
    /// time; a crash leaves the partial file, never a wrong blob.
    ///
    /// # Errors
    /// What `make` returns, or the store's own.
    pub fn realize_blob<E: From<StoreError>>(
        &self,
        digest: &Digest,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let target = self.blob(digest);
        if target.is_file() && self.sound_blob(digest).is_ok() {
            return Ok(target);
        }
        let _lock = self.lock(digest)?;
        if target.is_file() && self.sound_blob(digest).is_ok() {
            return Ok(target);
        }
        let partial = self.root.join("tmp").join(digest.hex() + ".partial");
        make(&partial)?;
        self.keep_blob(&partial, &target)?;
        Ok(target)
    }

    /// Keeps `bytes` as a blob.
    ///
    /// # Errors
    /// Any of write, fsync, rename.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.realize_blob(&digest, |path| {
            fs::write(path, bytes).map_err(|e| fail("write", path, e))
        })?;
        Ok(digest)
    }

    fn keep_blob(&self, partial: &Path, target: &Path) -> Result<(), StoreError> {
        let file = fs::File::open(partial).map_err(|e| fail("open", partial, e))?;
        let read_only = fs::Permissions::from_mode(READ_ONLY);
        file.set_permissions(read_only)
            .map_err(|e| fail("set the mode of", partial, e))?;
        file.sync_all().map_err(|e| fail("sync", partial, e))?;
        fs::rename(partial, target).map_err(|e| fail("move into the store", target, e))?;
        sync_directory(&self.root.join("blobs")).map_err(|e| fail("sync", target, e))
    }

    fn keep(&self, scratch: Scratch, target: &Path) -> Result<(), StoreError> {
        sync_file_system(scratch.path()).map_err(|e| fail("sync", scratch.path(), e))?;
        let moved = scratch.move_to(target);
        moved.map_err(|e| fail("move into the store", target, e))?;
        sync_directory(&self.root.join("steps")).map_err(|e| fail("sync", target, e))
    }

    fn lock(&self, key: &Digest) -> Result<fs::File, StoreError> {
        let path = self.root.join("locks").join(key.hex());
        let file = fs::File::create(&path).map_err(|e| fail("create the lock", &path, e))?;
        file.lock().map_err(|e| fail("lock", &path, e))?;
        Ok(file)
    }
}

/// Makes all files below the directory of a step read-only: what people are given are copies.
///
/// # Errors
/// A system call fails.
pub fn seal(directory: &Path) -> Result<(), StoreError> {
    let failed = |e| fail("make read-only", directory, e);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match path.is_dir() {
            true => seal(&path)?,
            false => {
                let mode = fs::Permissions::from_mode(READ_ONLY);
                fs::set_permissions(&path, mode).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Replaces the file at `path` by `bytes`: all or nothing, also across power loss.
///
/// A crash before the rename leaves the old file, one after it the new.
///
/// # Errors
/// Any of write, fsync, rename.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        let parent = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = fresh_file(parent)?;
        io::Write::write_all(&mut file, bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_directory(parent)
    };
    write().map_err(|e| fail("write", path, e))
}

/// A new file in `parent`, removed unless it is persisted; readable by whom the umask lets, for a web
/// server may run as another user than the builder.
///
/// # Errors
/// It cannot be created.
pub fn fresh_file(parent: &Path) -> io::Result<tempfile::NamedTempFile> {
    let readable = fs::Permissions::from_mode(0o666);
    tempfile::Builder::new()
        .prefix(SCRATCH)
        .permissions(readable)
        .tempfile_in(parent)
}

/// Removes the files in `directory` that [`fresh_file`] made and a killed process left. Nobody may
/// write there meanwhile.
///
/// # Errors
/// `directory` cannot be listed, or a file not be removed.
pub fn sweep_files(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(SCRATCH.as_bytes()) && entry.path().is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

fn sync_file_system(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
}

fn fail(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_made_once_and_not_at_all_on_error() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let key = Digest::of(b"key");
        let refused = store.realize(&key, |_| {
            Err(fail("try", Path::new("x"), io::Error::other("no")))
        });
        assert!(refused.is_err());
        assert!(!store.step(&key).exists());
        let mut made = 0;
        for _ in 0..2 {
            let make = |dir: &Path| {
                made += 1;
                atomic_write(&dir.join("file"), b"bytes")
            };
            let path = store.realize::<StoreError>(&key, make).unwrap();
            assert_eq!(fs::read(path.join("file")).unwrap(), b"bytes");
        }
        assert_eq!(made, 1);
        assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_blob_goes_on_from_the_partial_file() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let digest = Digest::of(b"whole");
        let cut = store.realize_blob(&digest, |path| {
            atomic_write(path, b"who")?;
            Err(fail("try", Path::new("x"), io::Error::other("cut")))
        });
        assert!(cut.is_err());
        assert!(!store.blob(&digest).exists());
        let path = store
            .realize_blob::<StoreError>(&digest, |path| {
                assert_eq!(fs::read(path).unwrap(), b"who");
                atomic_write(path, b"whole")
            })
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o444
        );
        assert_eq!(store.put_blob(b"whole").unwrap(), digest);
        assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_blob_is_never_used() {
        let root = tempfile::tempdir().unwrap();
        let digest = Store::open(root.path())
            .unwrap()
            .put_blob(b"whole")
            .unwrap();
        let damage = |store: &Store| {
            fs::remove_file(store.blob(&digest)).unwrap();
            fs::write(store.blob(&digest), b"whale").unwrap();
        };
        // Another process, which has not hashed it yet.
        let store = Store::open(root.path()).unwrap();
        damage(&store);
        let error = std::error::Error::source(&store.sound_blob(&digest).unwrap_err())
            .unwrap()
            .to_string();
        assert!(error.contains("it was damaged on this disk"), "{error}");
        assert!(!store.blob(&digest).exists());
        fs::write(store.blob(&digest), b"whale").unwrap();
        assert_eq!(store.put_blob(b"whole").unwrap(), digest);
        assert_eq!(
            fs::read(store.sound_blob(&digest).unwrap()).unwrap(),
            b"whole"
        );
    }
}
