//! The layers of `[build]`: what commands leave that run in a root made for them and thrown away.
//!
//! The root holds the Essential packages and those of `[build]`, configured as any other, and the
//! modules of the profile's kernel. The commands see no network, clock or host. Of what they make or
//! change, all at or below the outputs is kept; removals and devices are not.

use std::{
    fs, io,
    iter::zip,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use bedplate_sys::overlay;

use super::{
    EPOCH, Inputs, KernelTree, Layer, LayerError, command, normalise, packages,
    step::{self, Step, UPPER},
    tree::{Metadata, Tree},
};
use crate::{definition::Build, plan::BuildStep};

/// Directory of a step in which the commands run.
const RUN: &str = "run";
/// Who compiled a kernel module, and where: the kernel's build asks the host otherwise
/// (kernel Documentation/kbuild/reproducible-builds.rst).
const BUILDER: &str = "bedplate";

/// One layer per `[build]`; `below` ends with the layer of `kernel`.
pub(super) fn builds(
    inputs: &Inputs<'_>,
    below: &[Layer],
    kernel: &KernelTree,
) -> Result<Vec<Layer>, LayerError> {
    let kernel_layer = below.last();
    let made = zip(&inputs.definition.builds, &inputs.plan.builds).map(|(build, planned)| {
        let root = root(inputs, build, planned)?;
        let below: Vec<Layer> = [root].into_iter().chain(kernel_layer.cloned()).collect();
        layer(inputs, (build, planned), &below, &kernel.release)
    });
    made.collect()
}

/// The root that the commands run in: a step, but no layer of an image.
fn root(inputs: &Inputs<'_>, build: &Build, planned: &BuildStep) -> Result<Layer, LayerError> {
    let set = build.set(&inputs.definition.profile.name);
    let packages = inputs.lock.set(&set);
    let debs: Vec<PathBuf> = packages
        .map(|package| inputs.store.blob(&package.sha256))
        .collect();
    let step = Step {
        name: &planned.root.name,
        key: planned.root.key,
        store: inputs.store,
    };
    step.make(&[], |root| {
        packages::skeleton(root)?;
        packages::bootstrap(root, "build", &debs)
    })
}

fn layer(
    inputs: &Inputs<'_>,
    (build, planned): (&Build, &BuildStep),
    below: &[Layer],
    release: &str,
) -> Result<Layer, LayerError> {
    let key = planned.step.key;
    let step = inputs.store.realize::<LayerError>(&key, |step| {
        let (running, upper) = (step.join(RUN), step.join(UPPER));
        for path in [&running, &upper] {
            fs::create_dir(path).map_err(LayerError::io("make the directory", path))?;
        }
        step::fill_step(&running, below, |root| run_all(root, build, release))?;
        keep_all(&running.join(UPPER), &upper, build)?;
        fs::remove_dir_all(&running).map_err(LayerError::io("remove", &running))?;
        normalise::normalise(&upper)
    })?;
    Ok(Layer {
        name: planned.step.name.clone(),
        key,
        step,
    })
}

fn run_all(root: &Path, build: &Build, release: &str) -> Result<(), LayerError> {
    let time = format!("@{EPOCH}");
    let environment = [
        ("KERNEL_RELEASE", release),
        ("KBUILD_BUILD_TIMESTAMP", &time),
        ("KBUILD_BUILD_USER", BUILDER),
        ("KBUILD_BUILD_HOST", BUILDER),
    ];
    command::run_all(root, &build.commands, &environment)
}

/// Moves every output from the changes at `from` to the layer at `to`.
fn keep_all(from: &Path, to: &Path, build: &Build) -> Result<(), LayerError> {
    let tree = Tree::open(to)?;
    for output in &build.outputs {
        let path = Path::new(output.trim_start_matches('/'));
        let changed = from.join(path);
        if fs::symlink_metadata(&changed).is_ok_and(|found| is_kept(found.file_type())) {
            make_parents(&tree, from, path)?;
            let kept = to.join(path);
            fs::rename(&changed, &kept).map_err(LayerError::io("move", changed))?;
            drop_removals(&kept)?;
        } else {
            return Err(no_output(build, output));
        }
    }
    Ok(())
}

fn no_output(build: &Build, output: &str) -> LayerError {
    let places = build.commands.iter().map(|command| command.place.as_str());
    LayerError::NoOutput {
        output: output.to_owned(),
        places: places.collect::<Vec<_>>().join("`, `"),
    }
}

/// The directories above `path`, as they are in the root of the commands.
fn make_parents(tree: &Tree, from: &Path, path: &Path) -> Result<(), LayerError> {
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    let above = above.into_iter().rev();
    for directory in above.filter(|path| !path.as_os_str().is_empty()) {
        let source = from.join(directory);
        let found = fs::symlink_metadata(&source).map_err(LayerError::io("look at", source))?;
        let metadata = Metadata {
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            mtime: EPOCH,
        };
        tree.directory(directory, metadata)?;
    }
    Ok(())
}

/// Whether an entry of the changes is something that was made.
fn is_kept(kind: fs::FileType) -> bool {
    kind.is_dir() || kind.is_file() || kind.is_symlink()
}

/// Takes away what would hide a file of a layer below: whiteouts, which are devices, and the mark of
/// a directory that replaces another.
fn drop_removals(path: &Path) -> Result<(), LayerError> {
    let found = fs::symlink_metadata(path).map_err(LayerError::io("look at", path))?;
    let kind = found.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return fs::remove_file(path).map_err(LayerError::io("remove", path));
    }
    if !kind.is_dir() {
        return Ok(());
    }
    join_below(path).map_err(LayerError::io("drop the attributes of", path))?;
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(LayerError::io("list", path))?;
    let mut entries = entries.iter();
    entries.try_for_each(|entry| drop_removals(&entry.path()))
}

fn join_below(directory: &Path) -> io::Result<()> {
    let names = normalise::attributes(directory)?;
    match names.iter().any(|name| name == overlay::OPAQUE.as_bytes()) {
        true => Ok(rustix::fs::lremovexattr(directory, overlay::OPAQUE)?),
        false => Ok(()),
    }
}
