//! What a service gets of the image that it runs in: the last words on its program, environment and
//! mounts, and the places that `init` mounts on.
//!
//! The root of an image is read-only at run time, so every mount point is made here. Paths that
//! `init` is given have no links in them: it mounts before it changes the root, where a link of the
//! image would lead elsewhere.

use std::path::{Path, PathBuf};

use bedplate_contract::service;

use super::{Image, Images, place};
use crate::{
    definition::{Definition, Mount, MountSource, Service},
    layer::{
        LayerError,
        tree::{Kind, Metadata, Tree},
    },
};

/// Directories that `init` mounts on in every root.
const DIRECTORIES: [&str; 6] = ["proc", "sys", "dev", "run", "tmp", "etc"];
/// Files that `init` shows in every root.
const FILES: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];
/// Where a program is looked for when nobody says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is there at run time only.
const AT_RUN_TIME: &str = "/run/";

/// One service and the image that it runs in.
struct Fitting<'a> {
    definition: &'a Definition,
    service: &'a Service,
    image: &'a Image,
    /// The appliance.
    appliance: Tree,
    /// The root of the image in it.
    root: Tree,
}

impl Images {
    /// Completes the services of `document` that run in images, in the appliance at `root`.
    pub fn fit(
        &self,
        definition: &Definition,
        document: &mut [service::Service],
        root: &Path,
    ) -> Result<(), LayerError> {
        for (service, document) in definition.services.iter().zip(document) {
            let image = service.oci.as_deref().and_then(|name| self.find(name));
            if let Some(image) = image {
                let below = root.join(place(&image.name).trim_start_matches('/'));
                let fitting = Fitting {
                    definition,
                    service,
                    image,
                    appliance: Tree::open(root)?,
                    root: Tree::open(&below)?,
                };
                fitting.fit(document)?;
            }
        }
        Ok(())
    }
}

impl Fitting<'_> {
    fn fit(&self, document: &mut service::Service) -> Result<(), LayerError> {
        let config = &self.image.config;
        let mut environment = config.environment.clone();
        environment.append(&mut document.environment);
        document.environment = environment;
        let own = self.service.working_directory.as_ref();
        let directory = own.or(config.working_directory.as_ref());
        document.working_directory = directory.map_or("/", String::as_str).to_owned();
        if document.run.is_empty() {
            document.run.clone_from(&config.run);
        }
        self.find_program(document)?;
        self.make_mount_points()?;
        document.root = Some(place(&self.image.name));
        document.mounts = self.mounts()?;
        Ok(())
    }

    /// Makes the program absolute, as execvp(3) would find it in the image.
    fn find_program(&self, document: &mut service::Service) -> Result<(), LayerError> {
        let Some(program) = document.run.first_mut() else {
            return Err(self.refuse("neither `run` nor the image names a program"));
        };
        let directory = Path::new(&document.working_directory);
        let candidates: Vec<PathBuf> = match program.contains('/') {
            true => vec![directory.join(&program)],
            false => {
                let path = document.environment.get("PATH");
                let path = path.map_or(PATH, String::as_str).split(':');
                path.map(|part| directory.join(part).join(&program))
                    .collect()
            }
        };
        let found = candidates.iter().find(|path| self.is_program(path));
        match found.and_then(|path| path.to_str()) {
            Some(found) => {
                *program = found.to_owned();
                Ok(())
            }
            None => {
                let what = format!("expected the program `{program}` in the image, found none");
                Err(self.refuse(what))
            }
        }
    }

    /// A file, or a link that may lead to one: `init` follows it in the root.
    fn is_program(&self, path: &Path) -> bool {
        let found = self.root.kind(path);
        matches!(found, Ok(Some(Kind::File | Kind::Link)))
    }

    fn make_mount_points(&self) -> Result<(), LayerError> {
        for path in DIRECTORIES.map(Path::new) {
            if self.root.kind(path)? != Some(Kind::Directory) {
                self.root.remove(path)?;
                self.root.directory(path, Metadata::root(0o755))?;
            }
        }
        FILES
            .iter()
            .try_for_each(|path| self.make_file(Path::new(path)))
    }

    fn make_file(&self, path: &Path) -> Result<(), LayerError> {
        if self.root.kind(path)? != Some(Kind::File) {
            self.root.remove(path)?;
            self.root
                .file(path, &mut std::io::empty(), Metadata::root(0o644))?;
        }
        Ok(())
    }

    /// The mounts of the service, each after what it lies in.
    fn mounts(&self) -> Result<Vec<service::Mount>, LayerError> {
        let mounts = self.service.mounts.iter().map(|mount| self.mount(mount));
        let mut mounts = mounts.collect::<Result<Vec<_>, _>>()?;
        mounts.sort_by(|a, b| a.target.cmp(&b.target));
        Ok(mounts)
    }

    fn mount(&self, mount: &Mount) -> Result<service::Mount, LayerError> {
        let target = Path::new(&mount.target);
        let (source, kind) = self.source(mount)?;
        let target = match kind {
            Kind::File => {
                let parent = target.parent().unwrap_or(Path::new("/"));
                let name = target.file_name().unwrap_or_default();
                let path = self.directory(parent)?.join(name);
                self.make_file(&path)?;
                path
            }
            _ => self.directory(target)?,
        };
        Ok(service::Mount {
            source,
            target: format!("/{}", target.display()),
            writable: mount.writable,
            executable: self.is_executable(mount),
        })
    }

    fn is_executable(&self, mount: &Mount) -> bool {
        let MountSource::Volume(name) = &mount.source else {
            return false;
        };
        let mut volumes = self.definition.volumes.iter();
        volumes.any(|volume| volume.name == *name && volume.executable)
    }

    /// What is shown, and what it is.
    fn source(&self, mount: &Mount) -> Result<(String, Kind), LayerError> {
        let volumes = &self.definition.volumes;
        let path = match &mount.source {
            MountSource::Volume(name) => {
                let volume = volumes.iter().find(|volume| volume.name == *name);
                let path = volume.map(|volume| volume.path.clone()).unwrap_or_default();
                return Ok((path, Kind::Directory));
            }
            MountSource::Path(path) => path,
        };
        let below = |volume: &crate::definition::Volume| Path::new(path).starts_with(&volume.path);
        if path.starts_with(AT_RUN_TIME) || volumes.iter().any(below) {
            return Ok((path.clone(), Kind::Directory));
        }
        match self.appliance.kind(Path::new(path))? {
            Some(kind @ (Kind::File | Kind::Directory)) => Ok((path.clone(), kind)),
            _ => {
                let what = format!("expected the file or directory `{path}` in the appliance");
                Err(self.refuse(what))
            }
        }
    }

    /// Makes the directory `path` of the image unless it is there; returns where it is, without links.
    fn directory(&self, path: &Path) -> Result<PathBuf, LayerError> {
        if self.root.resolve(path).is_err() {
            self.root.directory(path, Metadata::root(0o755))?;
        }
        Ok(self.root.resolve(path)?)
    }

    fn refuse(&self, what: impl Into<String>) -> LayerError {
        LayerError::Root {
            service: self.service.name.clone(),
            image: self.image.name.clone(),
            what: what.into(),
        }
    }
}
