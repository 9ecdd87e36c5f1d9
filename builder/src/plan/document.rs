//! A plan as a file beside what was built by it: `plan.json`.
//!
//! Read by `bedplate plan` alone, to tell what is another since. The same plan gives the same bytes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_contract::SchemaVersion;
use serde::{Deserialize, Serialize};

use super::{Plan, Step};
use crate::{
    definition::Definition,
    store::{self, StoreError},
};

/// File name of the document.
const NAME: &str = "plan.json";

/// A plan that could not be written, or not be read back.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("cannot read the plan `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// It cannot be written as JSON.
    #[error("cannot encode the plan")]
    Encode(#[source] serde_json::Error),
    /// The file cannot be written.
    #[error("cannot save the plan")]
    Write(#[from] StoreError),
}

/// What was planned for which image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// Name of the image.
    pub image: String,
    /// Version of the image.
    pub version: String,
    /// Profile.
    pub profile: String,
    /// Steps in the order in which they run.
    pub steps: Vec<Step>,
}

impl Document {
    /// The document of a plan.
    pub fn new(definition: &Definition, plan: &Plan) -> Self {
        Self {
            schema: SchemaVersion,
            image: definition.image.name.clone(),
            version: definition.image.version.clone(),
            profile: definition.profile.name.clone(),
            steps: plan.steps().cloned().collect(),
        }
    }

    /// The step `name`.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// As JSON with a newline at the end.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn encode(&self) -> Result<String, PlanError> {
        let text = serde_json::to_string_pretty(self);
        Ok(text.map_err(PlanError::Encode)? + "\n")
    }

    /// Writes it to `directory`, all or nothing.
    ///
    /// # Errors
    /// Any of write, fsync, rename.
    pub fn save(&self, directory: &Path) -> Result<(), PlanError> {
        let text = self.encode()?;
        Ok(store::atomic_write(&directory.join(NAME), text.as_bytes())?)
    }

    /// The document of an earlier build in `directory`; `None` without one, or with one of another
    /// version of the builder: there is nothing to compare with then.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn load(directory: &Path) -> Result<Option<Self>, PlanError> {
        let path = directory.join(NAME);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(PlanError::Read { path, source }),
        }
    }
}
