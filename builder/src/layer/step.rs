//! One layer as a step of the store: its key, and the directories it is made in.

use std::{
    fs,
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

/// What a layer is made of, on its way to a digest.
#[derive(Debug)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// Starts with the name of the step and the version of the code that makes it.
    pub(super) fn new(step: &str) -> Self {
        Self(Vec::new()).part(step.as_bytes())
    }

    /// Adds an input; its length goes first, so that inputs cannot run into each other.
    pub(super) fn part(mut self, bytes: &[u8]) -> Self {
        self.0.extend((bytes.len() as u64).to_le_bytes());
        self.0.extend(bytes);
        self
    }

    /// Adds the layer below.
    pub(super) fn below(self, layers: &[Layer]) -> Self {
        match layers.last() {
            Some(layer) => self.part(layer.key.as_bytes()),
            None => self.part(b""),
        }
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// A layer about to be made.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) name: &'static str,
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
            name: self.name,
            key: self.key,
            step,
        })
    }
}

fn fill_step(
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
        fs::remove_dir_all(&path).map_err(LayerError::io("remove", path))?;
    }
    filled
}

fn directory(step: &Path, name: &str) -> Result<PathBuf, LayerError> {
    let path = step.join(name);
    fs::create_dir(&path).map_err(LayerError::io("make the directory", &path))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_do_not_run_into_each_other() {
        let joined = Key::new("a").part(b"bc").digest();
        let split = Key::new("a").part(b"b").part(b"c").digest();
        assert_ne!(joined, split);
    }
}
