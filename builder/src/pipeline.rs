//! The one function that joins all stages; nothing but calls.

use std::{
    fs, io, iter,
    path::{Path, PathBuf},
};

use crate::{
    bundle::{self, BundleError, BundleRequest},
    definition::{Definition, SourceTree, TreeReadError},
    disk::{self, Artifacts, DiskError, DiskRequest},
    host,
    image::{self, ImageError, ImageFacts, ImageLayer, LayerTree, OciImage},
    layer::{self, Driver, Inputs, LayerError, Rootfs},
    plan::{self, Document, Plan, PlanError, Step},
    resolve::{self, Lock, ResolveError, Sources, tools},
    sign::{self, BUNDLE, OCI, SignError, SignRequest},
    store::{self, Scratch, Store, StoreError},
    sums,
    tool::{ToolError, Tools},
};

/// What the names of outputs start with that are not there yet, or not any more.
const FRESH: &str = ".new-";
const OLD: &str = ".old-";

/// A build that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Trees of the definition.
    #[error(transparent)]
    Tree(#[from] TreeReadError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Packages.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Tools.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Layers.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// OCI image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Sign request, and the answers of before.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output directory.
    #[error("cannot write the output `{}`", path.display())]
    Output {
        /// The path.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// A finished build.
#[derive(Debug)]
pub struct Build {
    /// Where the artifacts are.
    pub directory: PathBuf,
    /// Disk, root, verity tree and UKI.
    pub artifacts: Artifacts,
    /// The image.
    pub image: OciImage,
    /// What is to be signed of it.
    pub request: SignRequest,
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
    /// The NVIDIA driver in it.
    pub driver: Option<Driver>,
}

/// Told of every stage when it is done.
pub type Observer<'a> = &'a dyn Fn(&str);

/// A definition with its trees, and the plan of its build.
#[derive(Debug)]
pub struct Planned<'a> {
    /// The definition.
    pub definition: &'a Definition,
    /// Its trees.
    pub trees: Vec<SourceTree>,
    /// The steps.
    pub plan: Plan,
}

impl Planned<'_> {
    /// The document beside the artifacts.
    pub fn document(&self) -> Document {
        Document::new(self.definition, &self.plan)
    }
}

/// Reads the trees of a definition and plans its build.
///
/// # Errors
/// A tree that cannot be read.
pub fn plan<'a>(definition: &'a Definition, lock: &Lock) -> Result<Planned<'a>, BuildError> {
    let trees = SourceTree::read(definition)?;
    Ok(Planned {
        plan: plan::plan(definition, lock, &host::PROGRAMS, &trees),
        definition,
        trees,
    })
}

/// Builds one profile of an image into `out`.
///
/// # Errors
/// The first stage that fails; `out` is then as it was.
pub fn build(
    definition: &Definition,
    lock: &Lock,
    sources: &Sources,
    out: &Path,
    done: Observer<'_>,
) -> Result<Build, BuildError> {
    let planned = plan(definition, lock)?;
    let profile = &definition.profile.name;
    let kernel = format!("kernel/{profile}");
    let builds: Vec<String> = definition.builds.iter().map(|b| b.set(profile)).collect();
    let sets = [profile.as_str(), &kernel, tools::BUILD.name].into_iter();
    let sets: Vec<&str> = sets.chain(builds.iter().map(String::as_str)).collect();
    resolve::fetch(lock, &sets, sources)?;
    resolve::fetch_images(lock, definition, sources)?;
    done("fetch");
    let store = &sources.store;
    let tools = Tools::assemble(lock, tools::BUILD.name, store)?;
    done("tools");
    let inputs = Inputs {
        plan: &planned.plan,
        definition,
        trees: &planned.trees,
        lock,
        host: host::PROGRAMS,
        tools: &tools,
        store,
    };
    let rootfs = layer::build(&inputs)?;
    let facts = ImageFacts {
        driver: layer::driver(&inputs, &rootfs)?,
        ..facts(definition)
    };
    done("layers");
    let layers = pack(&planned.plan, &rootfs, store)?;
    done("image");
    let disk = make_disk(&planned, &rootfs, &tools, store)?;
    done("disk");
    let bundle = make_bundle(&planned, &disk, store)?;
    done("bundle");
    let made = Made {
        disk: &disk,
        bundle: &bundle,
        layers: &layers,
        facts: &facts,
    };
    let image = publish(&made, &planned, out, done)?;
    Ok(Build {
        directory: out.to_owned(),
        artifacts: Artifacts::load(out)?,
        image,
        request: SignRequest::load(out)?,
        layers,
        driver: facts.driver,
    })
}

fn pack(plan: &Plan, rootfs: &Rootfs, store: &Store) -> Result<Vec<ImageLayer>, BuildError> {
    let pack = |(layer, archive): (&layer::Layer, &Step)| {
        let directory = layer.directory();
        let tree = LayerTree {
            name: layer.name(),
            key: archive.key,
            path: &directory,
        };
        Ok(image::pack(&tree, store)?)
    };
    iter::zip(rootfs.layers(), &plan.archives)
        .map(pack)
        .collect()
}

fn make_disk(
    planned: &Planned<'_>,
    rootfs: &Rootfs,
    tools: &Tools,
    store: &Store,
) -> Result<PathBuf, BuildError> {
    let Planned {
        definition, plan, ..
    } = planned;
    store.realize::<BuildError>(&plan.disk.key, |step| {
        let mounted = rootfs.mount()?;
        let request = DiskRequest {
            image: &definition.image,
            disk: &definition.profile.disk,
            cmdline: &definition.profile.cmdline,
            root: mounted.path(),
            root_key: &plan.init.key,
            kernel: rootfs.kernel(),
            init: host::INIT,
        };
        disk::build(&request, tools, step)?;
        Ok(store::seal(step)?)
    })
}

fn make_bundle(planned: &Planned<'_>, disk: &Path, store: &Store) -> Result<PathBuf, BuildError> {
    let key = &planned.plan.bundle.key;
    let facts = facts(planned.definition);
    let request = BundleRequest {
        facts: &facts,
        update: &planned.definition.update,
        disk,
    };
    store.realize::<BuildError>(key, |step| {
        bundle::build(&request, step)?;
        Ok(store::seal(step)?)
    })
}

/// What the definition alone says.
fn facts(definition: &Definition) -> ImageFacts {
    ImageFacts {
        name: definition.image.name.clone(),
        version: definition.image.version.clone(),
        profile: definition.profile.name.clone(),
        summary: definition.image.summary.clone(),
        driver: None,
    }
}

/// The outputs of the last steps.
struct Made<'a> {
    disk: &'a Path,
    bundle: &'a Path,
    layers: &'a [ImageLayer],
    facts: &'a ImageFacts,
}

/// Replaces `out` by copies of the artifacts: all of them or none.
///
/// Signatures of before are taken over where they still answer what is to be signed.
fn publish(
    made: &Made<'_>,
    planned: &Planned<'_>,
    out: &Path,
    done: Observer<'_>,
) -> Result<OciImage, BuildError> {
    let failed = |source| BuildError::Output {
        path: out.to_owned(),
        source,
    };
    let parent = parent(out);
    fs::create_dir_all(parent).map_err(failed)?;
    for prefix in [FRESH, OLD] {
        store::sweep(parent, prefix).map_err(failed)?;
    }
    let fresh = Scratch::new_in(parent, FRESH).map_err(failed)?;
    let image = write_layouts(made, fresh.path())?;
    planned.document().save(fresh.path())?;
    copy_all(made.disk, fresh.path()).map_err(failed)?;
    sums::save(&Artifacts::load(fresh.path())?, fresh.path())?;
    SignRequest::of(fresh.path())?.save(fresh.path())?;
    let kept = sign::keep(out, fresh.path())?;
    replace(fresh, out).map_err(failed)?;
    report(&kept, done);
    Ok(image)
}

fn write_layouts(made: &Made<'_>, to: &Path) -> Result<OciImage, BuildError> {
    let [oci, bundle] = [OCI, BUNDLE].map(|name| to.join(name));
    let failed = |source| BuildError::Output {
        path: to.to_owned(),
        source,
    };
    fs::create_dir(&oci).map_err(failed)?;
    copy_all(made.bundle, &bundle).map_err(failed)?;
    Ok(image::write_layout(made.layers, made.facts, &oci)?)
}

fn report(kept: &sign::Kept, done: Observer<'_>) {
    for name in &kept.kept {
        done(&format!("{name} kept"));
    }
    for (name, reason) in &kept.dropped {
        done(&format!("{name} dropped: {reason}"));
    }
}

/// Copies every file below `from` to the same place below `to`, which is made when absent: what people do
/// to their files is never done to the store.
fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_all(&entry.path(), &target)?,
            false => crate::sparse::copy(&entry.path(), &target)?,
        }
    }
    Ok(())
}

/// Puts the directory `fresh` in the place of `out`.
///
/// A crash between the two renames leaves the old output beside its place as `.old-…`, and the next
/// build makes the new one again from the store.
fn replace(fresh: Scratch, out: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o755))?;
    let old = Scratch::new_in(parent(out), OLD)?;
    // Of two builds of one image each puts its output there whole, one after the other.
    let _alone = store::lock_directory(parent(out))?;
    if out.exists() {
        fs::rename(out, old.path().join("output"))?;
    }
    fresh.move_to(out)
}

/// Where `out` lies.
fn parent(out: &Path) -> &Path {
    let parent = out.parent().filter(|path| !path.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn builds_of_one_image_put_their_outputs_there_one_after_the_other() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("1.0.0");
        let publish = || {
            for _ in 0..50 {
                let fresh = Scratch::new_in(place.path(), FRESH).unwrap();
                fs::write(fresh.path().join("disk.raw"), "disk").unwrap();
                replace(fresh, &out).unwrap();
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(publish);
            }
        });
        assert!(out.join("disk.raw").exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
