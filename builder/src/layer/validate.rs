//! The commands of `[validate]`: the programs of the root judge their own configuration.

use std::path::Path;

use super::{
    Inputs, Layer, LayerError, command, step,
    tree::{Metadata, Tree},
};
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
        step::remove(&made.join(step::UPPER))
    });
    done.map(drop)
}

fn run_all(inputs: &Inputs<'_>, root: &Path) -> Result<(), LayerError> {
    let Validation { commands, files } = &inputs.definition.validation;
    show(files, root)?;
    let done = command::run_all(root, commands, &[]);
    done.map_err(|error| match error {
        LayerError::Command { place, source } => LayerError::Unfit { place, source },
        other => other,
    })
}

/// In place of whatever a package has there: all of it is thrown away.
fn show(files: &[Exhibit], root: &Path) -> Result<(), LayerError> {
    let (tree, directory) = (Tree::open(root)?, Path::new(SHOWN));
    tree.remove(directory)?;
    tree.directory(directory, Metadata::root(0o755))?;
    for file in files {
        let path = directory.join(&file.name);
        tree.file(&path, &mut file.content.as_slice(), Metadata::root(0o644))?;
    }
    Ok(())
}
