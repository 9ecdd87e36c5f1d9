//! Where packages come from: mirrors, lock mode, network.

use anyhow::Result;

use crate::{
    definition::Definition,
    resolve::{self, Lock, LockMode, Mirrors, Network, Sources},
    store::Store,
};

use super::image::ImageArguments;

/// Arguments of verbs that read packages.
#[derive(Debug, Clone, clap::Args)]
pub struct SourceArguments {
    /// Mirror of an archive, such as `debian=http://…`; a bare URL means `debian`.
    #[arg(long, value_name = "NAME=URL")]
    mirror: Vec<String>,
    /// Refuse a lock that is out of date (exit code 3).
    #[arg(long)]
    locked: bool,
    /// Touch no network.
    #[arg(long)]
    offline: bool,
}

impl SourceArguments {
    /// The sources on this host.
    pub fn sources(&self) -> Result<Sources> {
        let store = Store::open(&Store::default_root())?;
        let mut sources = Sources::new(Mirrors::discover(&self.mirror)?, store);
        sources.network = if self.offline {
            Network::Offline
        } else {
            Network::Online
        };
        Ok(sources)
    }

    /// The sources on this host, and those of the images that `image` names.
    fn sources_for(&self, image: &ImageArguments) -> Result<Sources> {
        Ok(Sources {
            images: image.origins()?,
            ..self.sources()?
        })
    }

    /// The same, with the repositories that `definitions` name; what the user says goes first.
    pub fn sources_of(
        &self,
        image: &ImageArguments,
        definitions: &[Definition],
    ) -> Result<Sources> {
        let sources = self.sources_for(image)?;
        Ok(Sources {
            mirrors: sources.mirrors.with_definitions(definitions)?,
            ..sources
        })
    }

    /// The image's lock: as it is when current, else made anew unless `--locked`.
    pub fn lock(
        &self,
        image: &ImageArguments,
        definitions: &[Definition],
        sources: &Sources,
    ) -> Result<Lock> {
        let mode = if self.locked {
            LockMode::Locked
        } else {
            LockMode::UseIfCurrent
        };
        Ok(resolve::ensure_lock(
            &image.lock(),
            definitions,
            mode,
            sources,
        )?)
    }

    /// The image's lock, made anew from what the archives have now.
    pub fn update(
        &self,
        image: &ImageArguments,
        definitions: &[Definition],
        sources: &Sources,
    ) -> Result<Lock> {
        Ok(resolve::ensure_lock(
            &image.lock(),
            definitions,
            LockMode::Update,
            sources,
        )?)
    }
}
