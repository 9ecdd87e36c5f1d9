//! The commands of `[validate]`: the programs of the root judge their own configuration.

use std::{fs, path::Path};

use super::{Inputs, Layer, LayerError, command, step};
use crate::definition::{Exhibit, Validation};

/// Where the commands see the files of `[validate]`, in their root.
const SHOWN: &str = "validate";

/// Runs them in the tree of `below`, unless the store has that they succeeded there; what they
/// write is thrown away.
pub(super) fn validate(inputs: &Inputs<'_>, below: &[Layer]) -> Result<(), LayerError> {
    let Some(planned) = &inputs.plan.validate else {
        return Ok(());
    };
    let done = inputs.store.realize::<LayerError>(&planned.key, |made| {
        step::fill_step(made, below, |root| run_all(inputs, root))?;
        let changes = made.join(step::UPPER);
        fs::remove_dir_all(&changes).map_err(LayerError::io("remove", &changes))
    });
    done.map(drop)
}

fn run_all(inputs: &Inputs<'_>, root: &Path) -> Result<(), LayerError> {
    let Validation { commands, files } = &inputs.definition.validation;
    show(files, &root.join(SHOWN))?;
    let done = command::run_all(root, commands, &[]);
    done.map_err(|error| match error {
        LayerError::Command { place, source } => LayerError::Unfit { place, source },
        other => other,
    })
}

fn show(files: &[Exhibit], directory: &Path) -> Result<(), LayerError> {
    fs::create_dir(directory).map_err(LayerError::io("make the directory", directory))?;
    for file in files {
        let path = directory.join(&file.name);
        fs::write(&path, &file.content).map_err(LayerError::io("write", &path))?;
    }
    Ok(())
}
