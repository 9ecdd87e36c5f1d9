//! The layers `base` (the closure of the Essential packages) and `packages` (the rest).
//!
//! With `base.essential` dpkg itself unpacks and configures, so its database is the distribution's
//! own and `dpkg --audit` finds nothing; without it packages are unpacked and no script runs.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    Inputs, Layer, LayerError,
    accounts::Accounts,
    config::account,
    dpkg,
    step::Step,
    tree::{Metadata, Tree},
    unpack,
};
use crate::{
    definition::File,
    resolve::lock::{LockedPackage, Part},
};

/// Top-level directories of every root, with their modes; `sys` and `proc` are mount points.
const DIRECTORIES: [(&str, u32); 17] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("state", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/tmp", 0o1777),
];

/// The lowest layer: directories, and the Essential packages where they are asked for.
pub(super) fn base(inputs: &Inputs<'_>) -> Result<Layer, LayerError> {
    let step = Step {
        name: "base",
        key: inputs.plan.base.key,
        store: inputs.store,
    };
    step.make(&[], |root| {
        let debs = debs(inputs, Part::Base)?;
        skeleton(root)?;
        match inputs.definition.base.essential {
            true => bootstrap(root, "base", &debs),
            false => Ok(unpack::unpack(&debs, root)?),
        }
    })
}

/// All other packages, over the base.
pub(super) fn packages(inputs: &Inputs<'_>, below: &[Layer]) -> Result<Layer, LayerError> {
    let early: Vec<&File> = early_files(inputs).collect();
    let step = Step {
        name: "packages",
        key: inputs.plan.packages.key,
        store: inputs.store,
    };
    step.make(below, |root| {
        let debs = debs(inputs, Part::Rest)?;
        write_early(root, &early)?;
        match inputs.definition.base.essential {
            _ if debs.is_empty() => Ok(()),
            true => {
                add_users(root, inputs)?;
                dpkg::install(root, "packages", &debs)
            }
            false => Ok(unpack::unpack(&debs, root)?),
        }
    })
}

fn debs(inputs: &Inputs<'_>, part: Part) -> Result<Vec<PathBuf>, LayerError> {
    let packages = inputs.lock.part(&inputs.definition.profile.name, part);
    blobs(inputs, packages)
}

/// The .debs of `packages`, each with the bytes that the lock names.
pub(super) fn blobs<'a>(
    inputs: &Inputs<'_>,
    packages: impl Iterator<Item = &'a LockedPackage>,
) -> Result<Vec<PathBuf>, LayerError> {
    let blobs = packages.map(|package| inputs.store.sound_blob(&package.sha256));
    Ok(blobs.collect::<Result<_, _>>()?)
}

fn early_files<'a>(inputs: &Inputs<'a>) -> impl Iterator<Item = &'a File> {
    let files = inputs.definition.files.iter();
    files.filter(|file| file.before_configure)
}

/// The `config` layer writes them once more, with their owners, which may not exist yet.
fn write_early(root: &Path, files: &[&File]) -> Result<(), LayerError> {
    let tree = Tree::open(root)?;
    for file in files {
        let metadata = Metadata::root(file.mode);
        tree.file(
            Path::new(&file.path),
            &mut file.content.as_slice(),
            metadata,
        )?;
    }
    Ok(())
}

/// Users of the definition are there before the packages' scripts look for them, so that a user
/// that a package would make (`postgres`) has the number of the definition, in every version.
fn add_users(root: &Path, inputs: &Inputs<'_>) -> Result<(), LayerError> {
    let mut accounts = Accounts::load(root)?;
    for user in &inputs.definition.users {
        let added = accounts.add_alone(user);
        added.map_err(|e| account(format!("user `{}`", user.name), e))?;
    }
    accounts.save(root)
}

/// The directories of every root.
pub(super) fn skeleton(root: &Path) -> Result<(), LayerError> {
    let tree = Tree::open(root)?;
    for (path, mode) in DIRECTORIES {
        tree.directory(Path::new(path), Metadata::root(mode))?;
    }
    Ok(unpack::skeleton(root)?)
}

/// dpkg needs itself, a shell and a C library to run: everything is unpacked first without it, and
/// then once more by dpkg, which runs the scripts and writes its database.
pub(super) fn bootstrap(
    root: &Path,
    layer: &'static str,
    debs: &[PathBuf],
) -> Result<(), LayerError> {
    unpack::unpack(debs, root)?;
    let tree = Tree::open(root)?;
    for name in ["status", "available"] {
        let path = Path::new("var/lib/dpkg").join(name);
        tree.file(&path, &mut io::empty(), Metadata::root(0o644))?;
    }
    dpkg::install(root, layer, debs)
}
