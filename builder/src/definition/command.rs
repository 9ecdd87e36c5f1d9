//! Commands that run while an image is built: of `[build]` and `[validate]`.

use super::{decode::Table, source::At};

/// A text for `/bin/sh -e`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The text.
    pub text: String,
    /// Where it stands: `file:line`.
    pub place: String,
}

/// `run` of `table`: at least one.
pub(super) fn read(table: &Table<'_>) -> Vec<Command> {
    table.require("run");
    let texts = table.strings("run").into_iter();
    let commands: Vec<_> = texts.map(command).collect();
    if !table.is_absent("run") && commands.is_empty() {
        table.fail("no command", "`run` needs at least one");
    }
    commands
}

fn command(text: At<String>) -> Command {
    Command {
        place: text.place.to_string(),
        text: text.value,
    }
}
