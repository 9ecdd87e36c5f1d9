//! The artifacts of one build.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::bedplate;

/// Where the artifacts of an image lie, and its root hash.
#[derive(Debug)]
pub struct Artifacts {
    /// The output directory.
    pub directory: PathBuf,
    /// dm-verity root hash, hex.
    pub root_hash: String,
    /// File name of the UKI.
    pub uki: String,
}

impl Artifacts {
    /// Builds an image, given relative to the workspace, for the profile `min`.
    ///
    /// # Errors
    /// The build fails, or its document is incomplete.
    pub fn build(image: &str) -> Result<Self> {
        let arguments = ["build", image, "--profile", "min", "--print", "directory"];
        Self::of(bedplate::workspace().join(bedplate::succeed(&arguments)?.trim()))
    }

    /// The artifacts in a build's output directory.
    ///
    /// # Errors
    /// Its document is missing or incomplete.
    pub fn of(directory: PathBuf) -> Result<Self> {
        let text = std::fs::read_to_string(directory.join("disk.json"))?;
        let document: serde_json::Value = serde_json::from_str(&text)?;
        let root_hash = document["root_hash"]
            .as_str()
            .and_then(|hash| hash.strip_prefix("sha256:"));
        let uki = document["uki"]["name"].as_str();
        Ok(Self {
            directory,
            root_hash: root_hash.context("a root hash")?.to_owned(),
            uki: uki.context("a UKI")?.to_owned(),
        })
    }

    /// The path of one artifact, as an argument.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn path(&self, name: &str) -> Result<String> {
        let path = self.directory.join(name);
        Ok(path.to_str().context("a path in UTF-8")?.to_owned())
    }
}
