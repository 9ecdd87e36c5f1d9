//! The layers of `[build]`: what commands leave that run in a root made for them and thrown away.
//!
//! The root holds the Essential packages and those of `[build]`, configured as any other, and the
//! modules of the profile's kernel. The commands see no network, clock or host. Of what they make or
//! change, all at or below the outputs is kept; removals and devices are not.

use std::{iter::zip, path::Path};

use bedplate_sys::overlay;

use super::{
    EPOCH, Inputs, KernelTree, Layer, LayerError, command, normalise, packages,
    step::{self, Step, UPPER},
    tree::{Kind, Metadata, Tree},
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
    let step = Step {
        name: &planned.root.name,
        key: planned.root.key,
        store: inputs.store,
    };
    step.make(&[], |root| {
        let debs = packages::blobs(inputs, inputs.lock.set(&set))?;
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
        let (running, upper) = (step::directory(step, RUN)?, step::directory(step, UPPER)?);
        step::fill_step(&running, below, |root| run_all(root, build, release))?;
        keep_all(&running.join(UPPER), &upper, build)?;
        step::remove(&running)?;
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
    let (changes, layer) = (Tree::open(from)?, Tree::open(to)?);
    for output in &build.outputs {
        let path = Path::new(output.trim_start_matches('/'));
        // Before they are moved, for a device and a whiteout are not.
        drop_removals(&changes, path)?;
        make_parents(&layer, &changes, path)?;
        if !changes.move_to(path, &layer, path)? {
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
fn make_parents(layer: &Tree, changes: &Tree, path: &Path) -> Result<(), LayerError> {
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    let above = above.into_iter().rev();
    for directory in above.filter(|path| !path.as_os_str().is_empty()) {
        if let Some(found) = changes.look(directory)? {
            let metadata = Metadata {
                mtime: EPOCH,
                ..found.metadata
            };
            layer.directory(directory, metadata)?;
        }
    }
    Ok(())
}

/// Takes away what would hide a file of a layer below: whiteouts, which are devices, and the mark of
/// a directory that replaces another. Nothing that was not made here is kept: no link on the way is
/// followed, so `path` is then not there.
fn drop_removals(changes: &Tree, path: &Path) -> Result<(), LayerError> {
    match changes.look_without_links(path)?.map(|found| found.kind) {
        Some(Kind::Other | Kind::Channel) => Ok(changes.remove(path)?),
        Some(Kind::Directory) => {
            join_below(changes, path)?;
            let entries = changes.entries(path)?;
            let mut entries = entries.iter();
            entries.try_for_each(|(path, _)| drop_removals(changes, path))
        }
        _ => Ok(()),
    }
}

fn join_below(changes: &Tree, directory: &Path) -> Result<(), LayerError> {
    let names = changes.attributes(directory)?;
    match names.iter().any(|name| name == overlay::OPAQUE.as_bytes()) {
        true => Ok(changes.remove_attribute(directory, overlay::OPAQUE.as_bytes())?),
        false => Ok(()),
    }
}
