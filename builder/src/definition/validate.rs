//! `[validate]`: what judges the finished root.

use super::{
    Known,
    command::{self, Command},
    content::{self, Sources},
    decode::Table,
    source::At,
};

/// Commands that must succeed in the finished root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validation {
    /// What runs, in this order.
    pub commands: Vec<Command>,
    /// What they see besides the root.
    pub files: Vec<Exhibit>,
}

/// A file that the image does not have, such as the tests of its alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhibit {
    /// File name; unique.
    pub name: String,
    /// Content.
    pub content: Vec<u8>,
}

/// `[validate]` of an image, after those of its parts.
pub(super) fn read(root: &Table<'_>, known: &Known<'_>) -> Validation {
    let mut all = Validation::default();
    let mut names = Vec::new();
    for table in root.everywhere("validate") {
        table.with_scope(known.scope).decode(|table| {
            all.commands.extend(command::read(table));
            for source in table.strings("files") {
                all.files
                    .extend(exhibit(&source, known.sources, table, &mut names));
            }
        });
    }
    all
}

fn exhibit(
    source: &At<String>,
    sources: &Sources<'_>,
    table: &Table<'_>,
    names: &mut Vec<String>,
) -> Option<Exhibit> {
    let path = sources.existing(source)?;
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    let title = format!("cannot read `{}`", source.value);
    let content = table.problems().keep(source, &title, read)?;
    let name = source.with(path.file_name()?.to_string_lossy().into_owned());
    content::check_unique(table.problems(), "file", &name, names);
    Some(Exhibit {
        name: name.value,
        content,
    })
}
