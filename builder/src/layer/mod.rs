//! Packages, files and host programs → the layers of the root.
//!
//! A layer is a step of the store: the upper directory of an overlay over the layers below. Its key
//! comes from the plan. Cut so that versions and profiles share them: `base`, `packages`,
//! `kernel`, one per `[build]`, `app`, `config`, one per image of a registry, `init`. Everything in a layer is normalised
//! ([`normalise`]): nothing depends on time, host or order. Not here: archives (`image`), file
//! systems (`disk`).

// Packages and commands made what is in a root: it is read and written by [`tree`] alone.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod accounts;
mod appliance;
mod build;
mod command;
mod config;
pub mod deb;
mod dpkg;
mod driver;
mod error;
pub mod extract;
mod firewall;
mod host;
mod images;
mod kernel;
mod libraries;
pub mod normalise;
mod packages;
mod step;
pub mod tree;
pub mod unpack;
mod validate;
pub mod version;

use std::path::{Path, PathBuf};

use bedplate_contract::Digest;
use bedplate_sys::overlay::{self, Mounted};

pub use driver::{Driver, DriverError, driver};
pub use error::LayerError;
use images::Images;
pub use images::{Budget, ImageUnpackError, apply};
pub use kernel::KernelTree;

use crate::{
    definition::{Definition, SourceTree},
    host::HostPrograms,
    plan::Plan,
    resolve::lock::Lock,
    store::{Scratch, Store},
    tool::Tools,
};

/// The time of everything that a build makes: 2025-01-01T00:00:00Z.
///
/// Later times are set back to it, earlier ones, those of files in packages, are kept. All that
/// counts is that it never changes.
pub const EPOCH: i64 = 1_735_689_600;

/// What layers are made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The keys.
    pub plan: &'a Plan,
    /// What is asked for.
    pub definition: &'a Definition,
    /// Its trees, those that were planned.
    pub trees: &'a [SourceTree],
    /// Its packages, all fetched: blobs are read by digest.
    pub lock: &'a Lock,
    /// The programs of the appliance.
    pub host: HostPrograms<'a>,
    /// The set `tools`: source of the state tools.
    pub tools: &'a Tools,
    /// Where layers are kept.
    pub store: &'a Store,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    name: String,
    key: Digest,
    step: PathBuf,
}

impl Layer {
    /// `base`, `packages`, `kernel`, `build/<origin>`, `app`, `config`, `oci/<image>` or `init`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Digest of all it is made of.
    pub fn key(&self) -> &Digest {
        &self.key
    }

    /// Its files: an overlay's upper directory, with `user.overlay.opaque` and whiteouts.
    pub fn directory(&self) -> PathBuf {
        self.step.join(step::UPPER)
    }
}

/// The root of an appliance.
#[derive(Debug, Clone)]
pub struct Rootfs {
    layers: Vec<Layer>,
    kernel: KernelTree,
    store: Store,
}

/// A root, mounted as one tree; unmounted when dropped.
#[derive(Debug)]
pub struct MountedRoot {
    // Dropped first: the mount point cannot be removed while it is in use.
    tree: Mounted,
    _mount_point: Scratch,
}

impl MountedRoot {
    /// The top of the tree.
    pub fn path(&self) -> &Path {
        self.tree.path()
    }
}

impl Rootfs {
    /// The layers, the lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The kernel and its modules.
    pub fn kernel(&self) -> &KernelTree {
        &self.kernel
    }

    /// Mounts all layers as one read-only tree.
    ///
    /// # Errors
    /// Overlays cannot be mounted here.
    pub fn mount(&self) -> Result<MountedRoot, LayerError> {
        let mount_point = self.store.scratch()?;
        let directories: Vec<PathBuf> = self.layers.iter().rev().map(Layer::directory).collect();
        let lowers: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
        let tree = overlay::mount(&lowers, None, mount_point.path())?;
        Ok(MountedRoot {
            tree,
            _mount_point: mount_point,
        })
    }
}

/// Builds every layer that is not in the store.
///
/// # Errors
/// The first layer that cannot be made.
pub fn build(inputs: &Inputs<'_>) -> Result<Rootfs, LayerError> {
    let mut layers = vec![packages::base(inputs)?];
    layers.push(packages::packages(inputs, &layers)?);
    let (layer, kernel) = kernel::kernel(inputs)?;
    layers.push(layer);
    layers.extend(build::builds(inputs, &layers, &kernel)?);
    let images = Images::unpack(inputs)?;
    layers.push(config::app(inputs, &layers, &images)?);
    layers.push(config::config(inputs, &layers)?);
    validate::validate(inputs, &layers)?;
    layers.extend(images.layers());
    layers.push(host::init(inputs, &layers, &images)?);
    Ok(Rootfs {
        layers,
        kernel,
        store: inputs.store.clone(),
    })
}
