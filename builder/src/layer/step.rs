//! One layer as a step of the store: the directories it is made in.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bedplate_contract::Digest;
use bedplate_sys::overlay::{self, Upper};

use super::{Layer, LayerError, normalise};
use crate::store::Store;

/// Directory of a step that holds the files of the layer.
pub(super) const UPPER: &str = "upper";
/// Directories of a step that are there while it is made.
const WORK: &str = "work";
const MERGED: &str = "merged";

/// A layer about to be made.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) name: &'a str,
    pub(super) key: Digest,
    pub(super) store: &'a Store,
}

impl Step<'_> {
    /// The layer over `below`: `fill` writes into the merged tree unless the store has the layer.
    pub(super) fn make(
        self,
        below: &[Layer],
        fill: impl FnOnce(&Path) -> Result<(), LayerError>,
    ) -> Result<Layer, LayerError> {
        let step = self.store.realize::<LayerError>(&self.key, |step| {
            fill_step(step, below, fill)?;
            normalise::normalise(&step.join(UPPER))
        })?;
        Ok(Layer {
            name: self.name.to_owned(),
            key: self.key,
            step,
        })
    }
}

/// Leaves in `upper` below the directory `step` what `fill` changes of the tree of `below`.
pub(super) fn fill_step(
    step: &Path,
    below: &[Layer],
    fill: impl FnOnce(&Path) -> Result<(), LayerError>,
) -> Result<(), LayerError> {
    let upper = directory(step, UPPER)?;
    if below.is_empty() {
        return fill(&upper);
    }
    let (work, merged) = (directory(step, WORK)?, directory(step, MERGED)?);
    let directories: Vec<PathBuf> = below.iter().rev().map(Layer::directory).collect();
    let lowers: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    let changes = Upper {
        directory: &upper,
        work: &work,
    };
    let mounted = overlay::mount(&lowers, Some(changes), &merged)?;
    let filled = fill(mounted.path());
    drop(mounted);
    for path in [work, merged] {
        remove(&path)?;
    }
    filled
}

/// Makes the directory `name` of a step. Its mode is that of `/` for whoever works in it, so it is the
/// same whatever the umask of whoever builds.
#[expect(
    clippy::disallowed_methods,
    reason = "a directory of the store, in which nobody has written"
)]
pub(super) fn directory(step: &Path, name: &str) -> Result<PathBuf, LayerError> {
    let path = step.join(name);
    fs::create_dir(&path).map_err(LayerError::io("make the directory", &path))?;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, mode).map_err(LayerError::io("set the mode of", &path))?;
    Ok(path)
}

/// Removes a directory of a step and all below it; links in it are removed, not followed.
#[expect(
    clippy::disallowed_methods,
    reason = "`remove_dir_all` goes down by descriptors"
)]
pub(super) fn remove(directory: &Path) -> Result<(), LayerError> {
    fs::remove_dir_all(directory).map_err(LayerError::io("remove", directory))
}
