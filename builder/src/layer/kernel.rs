//! The layer `kernel`: the modules of the profile's kernel; its image goes to the disk stage.
//!
//! The kernel packages are unpacked, not configured: an appliance has no initramfs-tools, no boot
//! loader hooks and no `modprobe`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Inputs, Layer, LayerError, normalise,
    step::UPPER,
    tree::{Metadata, Tree},
    unpack,
};

/// File of the step that holds the kernel image.
const VMLINUZ: &str = "vmlinuz";
/// Directory of all modules.
const MODULES: &str = "usr/lib/modules";

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
    let packages = inputs.lock.set(&set);
    let debs: Vec<PathBuf> = packages
        .map(|package| inputs.store.blob(&package.sha256))
        .collect();
    let key = inputs.plan.kernel.key;
    let step = inputs.store.realize::<LayerError>(&key, |step| {
        extract(&debs, &set, step)?;
        normalise::normalise(&step.join(UPPER))
    })?;
    let kernel = KernelTree {
        release: release(&step.join(UPPER), &set)?,
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
    let (unpacked, upper) = (step.join("unpacked"), step.join(UPPER));
    for path in [&unpacked, &upper] {
        fs::create_dir(path).map_err(LayerError::io("make the directory", path))?;
    }
    unpack::skeleton(&unpacked)?;
    unpack::unpack(debs, &unpacked)?;
    let tree = Tree::open(&upper)?;
    for path in ["usr", "usr/lib"] {
        tree.directory(Path::new(path), Metadata::root(0o755))?;
    }
    let modules = unpacked.join(MODULES);
    fs::rename(&modules, upper.join(MODULES)).map_err(LayerError::io("move", &modules))?;
    drop_build_links(&upper, set)?;
    let image = image(&unpacked, set)?;
    fs::rename(&image, step.join(VMLINUZ)).map_err(LayerError::io("move", &image))?;
    fs::remove_dir_all(&unpacked).map_err(LayerError::io("remove", &unpacked))
}

/// `build` and `source` lead to headers that no image has.
fn drop_build_links(upper: &Path, set: &str) -> Result<(), LayerError> {
    let directory = upper.join(MODULES).join(release(upper, set)?);
    for name in ["build", "source"] {
        let link = directory.join(name);
        if link.is_symlink() {
            fs::remove_file(&link).map_err(LayerError::io("remove", &link))?;
        }
    }
    Ok(())
}

fn release(upper: &Path, set: &str) -> Result<String, LayerError> {
    let mut names = names(&upper.join(MODULES))?;
    match (names.pop(), names.len()) {
        (Some(name), 0) => Ok(name),
        (_, others) => Err(LayerError::Kernel {
            set: set.to_owned(),
            found: others + 1,
        }),
    }
}

fn image(unpacked: &Path, set: &str) -> Result<PathBuf, LayerError> {
    let boot = unpacked.join("boot");
    let mut images = names(&boot)?;
    images.retain(|name| name.starts_with("vmlinuz-"));
    match images.as_slice() {
        [one] => Ok(boot.join(one)),
        others => Err(LayerError::Kernel {
            set: set.to_owned(),
            found: others.len(),
        }),
    }
}

/// The sorted names in a directory; none when it is not there.
fn names(directory: &Path) -> Result<Vec<String>, LayerError> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(LayerError::io("list", directory))?;
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}
