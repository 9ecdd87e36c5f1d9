//! A published tree: what is written there, and in which order.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use bedplate_contract::oci;
use oci_spec::image::{Descriptor, ImageManifest};

use super::{PublishError, bundles, merge::Merged};
use crate::{
    bundle::{Stored, envelope_descriptor, stored},
    oci::{self as layouts, Layout, LayoutDirectory, OciError, write_archive},
};

/// Publishes the bundles of `sources` into the tree at `path`, besides those that are there.
///
/// Everything is checked before anything is written. A crash leaves the old index and perhaps blobs
/// that no index names, which the next publishing uses or leaves.
pub(super) fn publish(
    sources: &[Layout],
    path: &Path,
    merged: &mut Merged,
) -> Result<(), PublishError> {
    let _nobody_else = lock(path)?;
    if path.join(oci::INDEX).exists() {
        for bundle in stored(&Layout::open(path)?)? {
            merged.published(bundle)?;
        }
    }
    let mut new = Vec::new();
    for source in sources {
        for bundle in bundles(source)? {
            merged.add(bundle.clone())?;
            new.push((source, bundle));
        }
    }
    let layout = LayoutDirectory::create(path)?;
    sweep(path)?;
    for (source, bundle) in &new {
        copy(source, bundle, &layout)?;
    }
    save(merged, &layout)
}

/// The tree as one file.
pub(super) fn archive(layout: &Layout, to: &Path) -> Result<(), PublishError> {
    let index = layout.index()?;
    let mut blobs = Vec::new();
    for descriptor in index.manifests() {
        let manifest: ImageManifest = layout.document("manifest", descriptor)?;
        blobs.push(descriptor.clone());
        blobs.push(manifest.config().clone());
        blobs.extend(manifest.layers().iter().cloned());
    }
    let blobs: Vec<&Descriptor> = blobs.iter().collect();
    Ok(write_archive(layout, &blobs, to)?)
}

/// Holds the tree, made when absent, against others who publish to it; readers need no lock.
fn lock(path: &Path) -> Result<File, PublishError> {
    let locked = || -> io::Result<File> {
        fs::create_dir_all(path)?;
        let directory = File::open(path)?;
        directory.lock()?;
        Ok(directory)
    };
    locked().map_err(|source| PublishError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Removes what a killed publisher left half-written: the lock says that there is no other one.
fn sweep(path: &Path) -> Result<(), PublishError> {
    for directory in [path.to_owned(), path.join(oci::BLOBS)] {
        crate::store::sweep_files(&directory).map_err(|source| PublishError::Write {
            path: directory,
            source,
        })?;
    }
    Ok(())
}

/// Copies every blob of a bundle that is not there, each checked on its way.
fn copy(from: &Layout, bundle: &Stored, to: &LayoutDirectory) -> Result<(), OciError> {
    let document = &bundle.document;
    let blobs = [&bundle.descriptor, document.config()];
    for blob in blobs.into_iter().chain(document.layers()) {
        let (digest, size) = (layouts::digest(blob)?, blob.size());
        let there = fs::metadata(to.blob(&digest));
        // A blob appears by rename, so one of the right length is the right one.
        if there.is_ok_and(|there| there.len() == size) {
            continue;
        }
        to.put_with::<OciError>(|file| {
            from.copy(&digest, size, file)?;
            Ok(digest)
        })?;
    }
    Ok(())
}

/// Writes the envelopes, then the index.
fn save(merged: &Merged, layout: &LayoutDirectory) -> Result<(), PublishError> {
    let mut manifests = Vec::new();
    for bundle in merged.bundles() {
        manifests.push(bundle.descriptor.clone());
        if !bundle.signatures.is_empty() {
            manifests.push(envelope_descriptor(bundle, layout)?);
        }
    }
    Ok(layout.save_index(manifests)?)
}
