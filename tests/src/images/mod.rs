//! Every image on every profile: built, weighed, searched for secrets, and booted when asked.

mod layout;
mod scan;
mod table;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
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

/// Builds a pair and reads what it made.
///
/// # Errors
/// The build fails, or its output cannot be read.
pub fn build(image: &str, profile: &'static str) -> Result<Pair> {
    let begun = Instant::now();
    let arguments = ["build", image, "--profile", profile, "--print", "directory"];
    let directory = bedplate::succeed(&arguments)?;
    let build = begun.elapsed();
    let directory = bedplate::workspace().join(directory.trim());
    let layers = layout::layers(&directory.join("oci"))?;
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

/// Every secret in any of the pairs; layers that several share are searched once.
///
/// # Errors
/// A layer cannot be read.
pub fn secrets(pairs: &[Pair]) -> Result<Vec<Finding>> {
    let layers = pairs.iter().flat_map(|pair| &pair.layers);
    let unique: BTreeMap<&str, &PathBuf> = layers
        .map(|layer| (layer.digest.as_str(), &layer.path))
        .collect();
    let mut findings = Vec::new();
    for path in unique.into_values() {
        findings.extend(search(path)?);
    }
    Ok(findings)
}
