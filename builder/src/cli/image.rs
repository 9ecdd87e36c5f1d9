//! Which image and profiles a verb works on.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::registry::{self, RegistryArguments};
use crate::{
    definition::{self, Definition, Overrides},
    registry::Origins,
};

/// The image and where its profiles are.
#[derive(Debug, Clone, clap::Args)]
pub struct ImageArguments {
    /// Directory with `image.toml`.
    image: PathBuf,
    /// Directory of profiles; by default the nearest `profiles` beside or above the image.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Build this version, in place of the definition's.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Trust the bundles of this public key too, besides those that `[update]` names.
    #[arg(long, value_name = "KEY.pub")]
    trust: Vec<PathBuf>,
    #[command(flatten)]
    registry: RegistryArguments,
}

/// What stands for every profile.
const ALL: &str = "all";
/// Name of the lock beside `image.toml`.
const LOCK: &str = "bedplate.lock";

/// The definitions of an image, those that were asked for first.
#[derive(Debug)]
pub struct Profiles {
    all: Vec<Definition>,
    wanted_count: usize,
}

impl Profiles {
    /// For every profile.
    pub fn all(&self) -> &[Definition] {
        &self.all
    }

    /// For the profiles that were asked for.
    pub fn wanted(&self) -> &[Definition] {
        &self.all[..self.wanted_count]
    }
}

impl ImageArguments {
    /// Where the image's lock is, or will be.
    pub fn lock(&self) -> PathBuf {
        self.image.join(LOCK)
    }

    /// Where its images of registries come from.
    pub fn origins(&self) -> Result<Origins> {
        self.registry.origins()
    }

    /// The definitions for every profile, which is what a lock covers, each once.
    ///
    /// Problems of the definition for `profile` are reported first, so that an unknown profile is
    /// called one.
    ///
    /// Images of registries that the lock pins can be had without one.
    pub fn load(&self, profile: &str) -> Result<Profiles> {
        self.load_with(profile, Some(&self.lock()))
    }

    /// As [`Self::load`] for a lock that is made anew: what it pins does not count.
    pub fn load_anew(&self, profile: &str) -> Result<Profiles> {
        self.load_with(profile, None)
    }

    fn load_with(&self, profile: &str, lock: Option<&Path>) -> Result<Profiles> {
        let directory = self.profiles_directory()?;
        let mut names = definition::profile_names(&directory)
            .with_context(|| format!("reading the profiles in `{}`", directory.display()))?;
        let overrides = Overrides {
            version: self.version.clone(),
            trust: self.trust.clone(),
            images: registry::available(&self.origins()?, lock),
        };
        let load = |name: &str| definition::load_with(&self.image, name, &directory, &overrides);
        let wanted = if profile == ALL {
            Vec::new()
        } else {
            vec![load(profile)?]
        };
        names.retain(|name| wanted.is_empty() || name != profile);
        let others = names
            .iter()
            .map(|name| load(name))
            .collect::<Result<Vec<_>, _>>()?;
        for warning in wanted.iter().chain(&others).flat_map(|d| &d.warnings) {
            eprintln!("{warning}");
        }
        report_left_out(wanted.iter().chain(&others));
        let all: Vec<_> = wanted.into_iter().chain(others).collect();
        self.registry.check(&all)?;
        let wanted_count = if profile == ALL { all.len() } else { 1 };
        Ok(Profiles { all, wanted_count })
    }

    fn profiles_directory(&self) -> Result<PathBuf> {
        if let Some(directory) = &self.profiles {
            return Ok(directory.clone());
        }
        let image = self.image.canonicalize();
        let image = image.with_context(|| format!("no image at `{}`", self.image.display()))?;
        let candidates = image
            .ancestors()
            .map(|directory| directory.join("profiles"));
        let found = candidates.into_iter().find(|directory| directory.is_dir());
        found.with_context(|| {
            format!(
                "no `profiles` beside or above `{}`; name one with --profiles",
                image.display()
            )
        })
    }
}

/// Says which services are not in the image, whatever the profile.
fn report_left_out<'a>(definitions: impl Iterator<Item = &'a Definition>) {
    let services: BTreeSet<&str> = definitions
        .flat_map(|definition| definition.left_out.iter().map(String::as_str))
        .collect();
    if !services.is_empty() {
        let services: Vec<_> = services.into_iter().collect();
        let services = services.join(", ");
        eprintln!("left out: {services} (no registry named; --registry)");
    }
}
