//! Commands that run while an image is built: of `[build]` and `[validate]`.

use super::{decode::Table, source::At, template::Scope};

/// A text for `/bin/sh -e`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The text.
    pub text: String,
    /// Where it stands: `file:line`.
    pub place: String,
}

/// `[validate]` of an image, after those of its parts: what judges the finished root.
pub(super) fn validations(root: &Table<'_>, scope: &Scope) -> Vec<Command> {
    let tables = root.everywhere("validate").into_iter();
    let tables = tables.map(|table| table.with_scope(scope));
    tables.flat_map(|table| table.decode(read)).collect()
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
