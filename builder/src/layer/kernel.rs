//! The layer `kernel`: the modules of the profile's kernel; its image goes to the disk stage.
//!
//! The kernel packages are unpacked, not configured: an appliance has no initramfs-tools, no boot
//! loader hooks and no `modprobe`.

use std::path::{Path, PathBuf};

use super::{
    Inputs, Layer, LayerError, normalise, packages,
    step::{self, UPPER},
    tree::{Kind, Metadata, Tree},
    unpack,
};

/// File of the step that holds the kernel image.
const VMLINUZ: &str = "vmlinuz";
/// Directory of all modules.
const MODULES: &str = "usr/lib/modules";
/// Directory of the kernel image in a package.
const BOOT: &str = "boot";

/// A kernel and its modules, as files of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelTree {
    /// As `uname -r` prints it.
    pub release: String,
    /// The bzImage.
    pub vmlinuz: PathBuf,
    /// Top of a tree with `usr/lib/modules/<release>`.
    pub modules: PathBuf,
}

/// The modules of the set `kernel/<profile>`, and where the kernel is.
///
/// Not made over the layers below, which it does not read.
pub(super) fn kernel(inputs: &Inputs<'_>) -> Result<(Layer, KernelTree), LayerError> {
    let set = format!("kernel/{}", inputs.definition.profile.name);
    let key = inputs.plan.kernel.key;
    let step = inputs.store.realize::<LayerError>(&key, |step| {
        let debs = packages::blobs(inputs, inputs.lock.set(&set))?;
        extract(&debs, &set, step)?;
        normalise::normalise(&step.join(UPPER))
    })?;
    let kernel = KernelTree {
        release: release(&Tree::open(&step.join(UPPER))?, &set)?,
        vmlinuz: step.join(VMLINUZ),
        modules: step.join(UPPER),
    };
    let layer = Layer {
        name: "kernel".to_owned(),
        key,
        step,
    };
    Ok((layer, kernel))
}

fn extract(debs: &[PathBuf], set: &str, step: &Path) -> Result<(), LayerError> {
    let (from, upper) = (
        step::directory(step, "unpacked")?,
        step::directory(step, UPPER)?,
    );
    unpack::skeleton(&from)?;
    unpack::unpack(debs, &from)?;
    let (unpacked, layer, step) = (Tree::open(&from)?, Tree::open(&upper)?, Tree::open(step)?);
    for path in ["usr", "usr/lib"] {
        layer.directory(Path::new(path), Metadata::root(0o755))?;
    }
    let modules = Path::new(MODULES);
    if !unpacked.move_to(modules, &layer, modules)? {
        return Err(not_one(set, 0));
    }
    drop_build_links(&layer, set)?;
    unpacked.move_to(&image(&unpacked, set)?, &step, Path::new(VMLINUZ))?;
    step::remove(&from)
}

/// `build` and `source` lead to headers that no image has.
fn drop_build_links(layer: &Tree, set: &str) -> Result<(), LayerError> {
    let directory = Path::new(MODULES).join(release(layer, set)?);
    for name in ["build", "source"] {
        let link = directory.join(name);
        if layer.kind(&link)? == Some(Kind::Link) {
            layer.remove(&link)?;
        }
    }
    Ok(())
}

fn release(layer: &Tree, set: &str) -> Result<String, LayerError> {
    let mut names = names(layer, MODULES)?;
    match (names.pop(), names.len()) {
        (Some((name, _)), 0) => Ok(name),
        (_, others) => Err(not_one(set, others + 1)),
    }
}

/// The kernel: a file, for a link would be followed by whoever reads it.
fn image(unpacked: &Tree, set: &str) -> Result<PathBuf, LayerError> {
    let mut images = names(unpacked, BOOT)?;
    images.retain(|(name, kind)| name.starts_with("vmlinuz-") && *kind == Kind::File);
    match images.as_slice() {
        [(one, _)] => Ok(Path::new(BOOT).join(one)),
        others => Err(not_one(set, others.len())),
    }
}

fn not_one(set: &str, found: usize) -> LayerError {
    LayerError::Kernel {
        set: set.to_owned(),
        found,
    }
}

/// The sorted names in a directory, and what they are; none when it is not there.
fn names(tree: &Tree, directory: &str) -> Result<Vec<(String, Kind)>, LayerError> {
    let entries = tree.entries(Path::new(directory))?.into_iter();
    let named = entries.map(|(path, kind)| {
        let name = path.file_name().unwrap_or_default();
        (name.to_string_lossy().into_owned(), kind)
    });
    Ok(named.collect())
}
