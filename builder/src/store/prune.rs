//! What of the store is no longer needed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Store, StoreError, fail};

/// Notes in the time of the directory that a step was used now.
///
/// A store that others may only read is good all the same, and not theirs to prune.
pub(super) fn note_use(step: &Path) {
    let noted = fs::File::open(step).and_then(|step| step.set_modified(SystemTime::now()));
    drop(noted);
}

impl Store {
    /// Removes the outputs of steps that no build has used for `age`, and what interrupted builds left;
    /// downloads stay. Returns how many steps went.
    ///
    /// For a store that was opened alone ([`Store::open_alone`]). A crash leaves some of them, or of one a part in `tmp/`.
    ///
    /// # Errors
    /// A directory that cannot be read, moved or removed.
    pub fn prune(&self, age: Duration) -> Result<usize, StoreError> {
        let tmp = self.root.join("tmp");
        let mut count = 0;
        for step in self.unused(age)? {
            // Half a step must never be taken for one.
            let gone = tmp.join(step.file_name().unwrap_or_default());
            fs::rename(&step, &gone).map_err(|e| fail("move", &step, e))?;
            count += 1;
        }
        for path in [tmp, self.root.join("locks")] {
            fs::remove_dir_all(&path).map_err(|e| fail("remove", &path, e))?;
            fs::create_dir_all(&path).map_err(|e| fail("make the store directory", &path, e))?;
        }
        Ok(count)
    }

    fn unused(&self, age: Duration) -> Result<Vec<PathBuf>, StoreError> {
        let steps = self.root.join("steps");
        let entries = fs::read_dir(&steps).map_err(|e| fail("read", &steps, e))?;
        let now = SystemTime::now();
        let unused = entries.map(|entry| {
            let entry = entry?;
            // A clock that went back makes it used just now.
            let since = now.duration_since(entry.metadata()?.modified()?);
            Ok((since.unwrap_or_default() >= age).then(|| entry.path()))
        });
        let unused: io::Result<Vec<_>> = unused.filter_map(Result::transpose).collect();
        unused.map_err(|e| fail("look at a step in", &steps, e))
    }
}

#[cfg(test)]
mod tests {
    use bedplate_contract::Digest;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let keys = [b"old", b"new", b"hit"].map(|name| Digest::of(name));
        for key in &keys {
            let step = store.realize::<StoreError>(key, |_| Ok(())).unwrap();
            let step = fs::File::open(step).unwrap();
            step.set_modified(SystemTime::now() - 3 * DAY).unwrap();
        }
        for key in &keys[1..] {
            let there = store.realize::<StoreError>(key, |_| unreachable!());
            assert!(there.is_ok());
        }
        assert_eq!(store.prune(2 * DAY).unwrap(), 1);
        assert_eq!(
            keys.map(|key| store.step(&key).exists()),
            [false, true, true]
        );
        assert_eq!(store.prune(Duration::ZERO).unwrap(), 2);
        assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
    }
}
