//! The images of definitions: pinned in the lock, brought into the store.

use std::{collections::BTreeMap, path::Path};

use super::{ResolveError, Sources, lock::Lock};
use crate::{
    definition::{Definition, OciSource},
    registry::{PinnedImage, Puller},
};

/// The images of `definitions`, the profiles of one image, each once, by their names.
pub(super) fn wanted(definitions: &[Definition]) -> Vec<OciSource> {
    let images = definitions.iter().flat_map(|definition| &definition.oci);
    let by_name: BTreeMap<_, _> = images.map(|image| (&image.name, image)).collect();
    by_name.into_values().cloned().collect()
}

/// Whether `lock` pins exactly the images `wanted`.
pub(super) fn is_current(lock: &Lock, wanted: &[OciSource]) -> bool {
    let pinned = lock
        .images
        .iter()
        .map(|image| (&image.name, &image.reference));
    let wanted: Vec<_> = wanted
        .iter()
        .map(|image| (&image.name, image.reference.to_string()))
        .collect();
    pinned.eq(wanted.iter().map(|(name, reference)| (*name, reference)))
}

/// Why `lock`, whose packages are current, does not do for `wanted`.
pub(super) fn stale(path: &Path, lock: &Lock, wanted: &[OciSource]) -> ResolveError {
    let is_pinned = |image: &&OciSource| pinned(lock, image).is_some();
    let unpinned: Vec<_> = wanted
        .iter()
        .filter(|image| !is_pinned(image))
        .map(|image| image.reference.to_string())
        .collect();
    let path = path.to_owned();
    match unpinned.is_empty() {
        true => ResolveError::Stale { path },
        false => ResolveError::Unpinned {
            path,
            references: unpinned.join(", "),
        },
    }
}

fn pinned<'a>(lock: &'a Lock, image: &OciSource) -> Option<&'a PinnedImage> {
    let reference = image.reference.to_string();
    let mut images = lock.images.iter();
    images.find(|pinned| pinned.name == image.name && pinned.reference == reference)
}

/// Pins `wanted`; what `known` pins stays as it is.
///
/// # Errors
/// An image that cannot be had.
pub(super) fn pin(
    wanted: &[OciSource],
    known: Option<&Lock>,
    sources: &Sources,
) -> Result<Vec<PinnedImage>, ResolveError> {
    let puller = puller(sources);
    let pin = |image: &OciSource| match known.and_then(|lock| pinned(lock, image)) {
        Some(pinned) => Ok(pinned.clone()),
        None => {
            sources.refuse_offline(Some(&image.reference.to_string()))?;
            Ok(puller.pin(image)?)
        }
    };
    wanted.iter().map(pin).collect()
}

/// Brings the images of `definition` into the store.
///
/// # Errors
/// The first one that cannot be had; offline, the first that would be needed.
pub fn fetch_images(
    lock: &Lock,
    definition: &Definition,
    sources: &Sources,
) -> Result<(), ResolveError> {
    let puller = puller(sources);
    for image in &definition.oci {
        let Some(pinned) = pinned(lock, image) else {
            continue;
        };
        if !puller.missing(pinned).is_empty() {
            sources.refuse_offline(Some(&pinned.reference))?;
        }
        puller.fetch(pinned)?;
    }
    Ok(())
}

fn puller(sources: &Sources) -> Puller<'_> {
    Puller {
        origins: &sources.images,
        downloader: &sources.downloader,
        store: &sources.store,
        progress: &sources.progress,
    }
}
