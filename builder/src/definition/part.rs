//! `include`: parts of a definition that several images share.
//!
//! A part is a directory with `part.toml` and the files that it names. It has the tables of
//! `image.toml` that are lists or maps, and they count as if they stood before the image's own.

use std::{path::PathBuf, sync::Arc};

use minijinja::{Value, context, value::ValueKind};

use super::{
    content::check_unique,
    decode::Table,
    image,
    problem::{Problem, Problems},
    read_text, schema,
    source::{At, Source},
    template::Scope,
};

/// The text of every part that the document names, in its order, each once.
pub(super) fn load(root: &Table<'_>) -> Vec<Arc<Source>> {
    let mut seen = Vec::new();
    let mut load = |path: At<String>| {
        let again = seen.contains(&path.value);
        check_unique(root.problems(), "part", &path, &mut seen);
        (!again).then(|| read(&path, root.problems()))?
    };
    let paths = root.strings("include").into_iter();
    paths.filter_map(&mut load).collect()
}

/// A part may lie beside the image's directory, unlike the sources of either.
fn read(path: &At<String>, problems: &Problems) -> Option<Arc<Source>> {
    let directory: PathBuf = path.place.source.directory().join(&path.value);
    let file = directory.join("part.toml");
    read_text(&file)
        .map_err(|error| {
            let title = format!("cannot read `{}`: {error}", file.display());
            let label = "expected a directory that holds `part.toml`";
            let problem = Problem::error(title).at(&path.place, label);
            problems
                .add(problem.help("paths of parts are relative to the directory of `image.toml`"));
        })
        .ok()
}

/// `schema`, and the packages of `[base]`: what a part has besides lists and maps.
pub(super) fn read_packages(root: &Table<'_>) -> Vec<String> {
    root.parts().iter().for_each(schema);
    let bases = root.parts().iter().filter_map(|part| part.table("base"));
    bases
        .flat_map(|base| base.decode(image::packages))
        .collect()
}

/// `[values]`: the image's over those of its parts, table by table.
pub(super) fn read_values(root: &Table<'_>, scope: &Scope) -> Value {
    let tables = root.everywhere("values").into_iter();
    let values = tables.map(|table| table.with_scope(scope).values());
    values
        .reduce(|under, over| merge(&under, &over))
        .unwrap_or_else(|| context! {})
}

fn merge(under: &Value, over: &Value) -> Value {
    if under.kind() != ValueKind::Map || over.kind() != ValueKind::Map {
        return over.clone();
    }
    let keys = |value: &Value| value.try_iter().into_iter().flatten().collect::<Vec<_>>();
    let item = |value: &Value, key: &Value| value.get_item(key).ok().filter(|v| !v.is_undefined());
    let mut merged: Vec<(Value, Value)> = Vec::new();
    for key in keys(under) {
        if item(over, &key).is_none() {
            merged.extend(item(under, &key).map(|value| (key, value)));
        }
    }
    for key in keys(over) {
        let Some(upper) = item(over, &key) else {
            continue;
        };
        let value = item(under, &key).map_or(upper.clone(), |lower| merge(&lower, &upper));
        merged.push((key, value));
    }
    Value::from_pairs(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_merged_and_lists_are_replaced() {
        let under = context! { a => 1, t => context! { x => 1, y => vec![1, 2] } };
        let over = context! { b => 2, t => context! { y => vec![3] } };
        let merged = merge(&under, &over);
        let expected = context! { a => 1, b => 2, t => context! { x => 1, y => vec![3] } };
        assert_eq!(merged, expected);
    }
}
