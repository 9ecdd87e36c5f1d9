//! Commands of a definition in a root, which they see alone: no network, no clock, none of the host.

use std::path::Path;

use super::{LayerError, dpkg};
use crate::{definition::Command, tool::Tool};

/// Runs all, in their order, until one fails.
pub(super) fn run_all(
    root: &Path,
    commands: &[Command],
    environment: &[(&str, &str)],
) -> Result<(), LayerError> {
    let mut commands = commands.iter();
    commands.try_for_each(|command| run(root, command, environment))
}

fn run(root: &Path, command: &Command, environment: &[(&str, &str)]) -> Result<(), LayerError> {
    let shell = dpkg::fixed(Tool::sandboxed(dpkg::sandbox(root)?, "/bin/sh"));
    let shell = environment
        .iter()
        .fold(shell, |shell, (name, value)| shell.env(name, value));
    let done = shell.args(["-e", "-c", &command.text]).run().map(drop);
    done.map_err(|source| LayerError::Command {
        place: command.place.clone(),
        source,
    })
}
