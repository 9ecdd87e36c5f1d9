//! Where images of container registries come from.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::error::Usage;
use crate::{
    definition::{Available, Definition},
    registry::{Location, Origins},
    resolve::{Lock, mirror},
};

/// Names a registry when the command line does not.
const VARIABLE: &str = "BEDPLATE_REGISTRY";

/// Arguments of verbs that read a definition.
#[derive(Debug, Clone, clap::Args)]
pub struct RegistryArguments {
    /// Registry that images of `[[oci]]` come from; also `$BEDPLATE_REGISTRY`, or `registry` in the
    /// user's configuration. HTTP on the loopback, else HTTPS.
    #[arg(long, value_name = "HOST[:PORT][/PREFIX]")]
    registry: Option<String>,
    /// An image of `[[oci]]` as an OCI layout on disk, in place of any registry; may be repeated.
    #[arg(long, value_name = "NAME=DIR")]
    oci: Vec<String>,
}

impl RegistryArguments {
    /// Where images come from.
    pub fn origins(&self) -> Result<Origins> {
        let variable = std::env::var(VARIABLE).ok();
        let named = self.registry.clone().or(variable);
        let named = match named.filter(|text| !text.is_empty()) {
            Some(text) => Some(text),
            None => mirror::configured_registry()?,
        };
        Ok(Origins {
            registry: named.map(|text| parse(&text)).transpose()?,
            layouts: self.layouts()?,
        })
    }

    fn layouts(&self) -> Result<BTreeMap<String, PathBuf>, Usage> {
        let split = |given: &String| match given.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok((name.to_owned(), PathBuf::from(path)))
            }
            _ => Err(Usage(format!("expected `--oci NAME=DIR`, found `{given}`"))),
        };
        self.oci.iter().map(split).collect()
    }

    /// Refuses layouts for images that no definition has.
    pub fn check(&self, definitions: &[Definition]) -> Result<(), Usage> {
        let images = definitions.iter().flat_map(|definition| &definition.oci);
        let known: BTreeSet<&String> = images.map(|image| &image.name).collect();
        match self.layouts()?.keys().find(|name| !known.contains(name)) {
            Some(name) => Err(Usage(format!(
                "`--oci {name}=…` names no image of the definition"
            ))),
            None => Ok(()),
        }
    }
}

fn parse(text: &str) -> Result<Location, Usage> {
    text.parse()
        .map_err(|error| Usage(format!("cannot use the registry: {error}")))
}

/// What a build can have of `origins`, and of the lock at `lock` where that counts.
pub fn available(origins: &Origins, lock: Option<&Path>) -> Available {
    // A lock that cannot be read is reported by whoever uses it.
    let lock = lock.and_then(|path| Lock::load(path).ok());
    let pinned = lock.into_iter().flat_map(|lock| lock.images);
    Available {
        registry: origins.registry.is_some(),
        given: origins.layouts.keys().cloned().collect(),
        locked: pinned.map(|image| (image.name, image.reference)).collect(),
    }
}
