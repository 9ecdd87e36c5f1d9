//! Every image on every profile: built, weighed, searched for secrets, and booted when asked.

mod layout;
mod scan;
mod table;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    bedplate,
    systems::{self, Figures},
};

pub use layout::Layer;
pub use scan::{Finding, search};
pub use table::Table;

/// The shipped profiles.
pub const PROFILES: [&str; 3] = ["min", "recommended", "gpu-high-performance"];

/// One image on one profile.
#[derive(Debug)]
pub struct Pair {
    /// Directory of the image, relative to the workspace.
    pub image: String,
    /// Profile.
    pub profile: &'static str,
    /// How long the build took, with what the store had.
    pub build: Duration,
    /// Bytes of the root image.
    pub root_bytes: u64,
    /// Layers of the OCI image, the lowest first.
    pub layers: Vec<Layer>,
    /// Packages that dpkg knows in it.
    pub packages: usize,
    /// Services of the appliance.
    pub services: usize,
    /// What a boot took, when it was booted.
    pub boot: Option<Result<Figures, String>>,
}

/// The images of the workspace: directories that hold a definition.
///
/// # Errors
/// The directory cannot be read.
pub fn all() -> Result<Vec<String>> {
    let entries = fs::read_dir(bedplate::workspace().join("images"))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let images = paths.filter(|path| path.join("image.toml").exists());
    let names = images.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let mut names: Vec<_> = names.map(|name| format!("images/{name}")).collect();
    names.sort();
    Ok(names)
}

/// Builds a pair, reads what it made, and searches the layers that `searched` does not have yet.
///
/// The output is thrown away: that of all pairs would fill many a disk.
///
/// # Errors
/// The build fails, or its output cannot be read.
pub fn build(image: &str, profile: &'static str, searched: &mut Searched) -> Result<Pair> {
    let target = bedplate::workspace().join("target");
    let out = tempfile::Builder::new()
        .prefix("image-")
        .tempdir_in(target)?;
    let begun = Instant::now();
    let mut arguments: Vec<&OsStr> = ["build", image, "--profile", profile]
        .map(OsStr::new)
        .into();
    arguments.extend(["--print", "directory", "--out"].map(OsStr::new));
    let directory = bedplate::succeed(&[&arguments[..], &[out.path().as_os_str()]].concat())?;
    let build = begun.elapsed();
    let directory = bedplate::workspace().join(directory.trim());
    let layers = layout::layers(&directory.join("oci"))?;
    searched.search(&layers)?;
    let root = directory.join("root.erofs");
    Ok(Pair {
        image: image.to_owned(),
        profile,
        build,
        root_bytes: fs::metadata(&root)
            .with_context(|| format!("looking at `{}`", root.display()))?
            .len(),
        packages: layout::packages(&layers)?,
        services: layout::services(&layers)?,
        layers,
        boot: None,
    })
}

/// Plays the scene of a pair, when its image has one; a failure is a result of its own.
pub fn boot(pair: &mut Pair) {
    let Some(system) = systems::find(&pair.image) else {
        return;
    };
    let played = (system.play)(pair.profile);
    pair.boot = Some(played.map_err(|error| format!("{error:#}")));
}

/// Secrets of the layers that were searched; one that several pairs share is searched once.
#[derive(Debug, Default)]
pub struct Searched(BTreeMap<String, Vec<Finding>>);

impl Searched {
    fn search(&mut self, layers: &[Layer]) -> Result<()> {
        for layer in layers {
            if !self.0.contains_key(&layer.digest) {
                self.0.insert(layer.digest.clone(), search(&layer.path)?);
            }
        }
        Ok(())
    }

    /// Layers that were searched.
    pub fn layers(&self) -> usize {
        self.0.len()
    }

    /// All that was found.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.0.values().flatten()
    }
}
