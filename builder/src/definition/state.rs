//! `[[volume]]` and `[[secret]]`: what lives on the state partition.

use bedplate_contract::appliance::{Secret, SecretSource};

use super::{
    Volume,
    account::Accounts,
    content::check_unique,
    decode::Table,
    name,
    problem::{Problem, Problems},
    source::At,
    unit,
};

/// Characters of a generated secret: 32 of 62 kinds are 190 bits.
const SECRET_LENGTH: u32 = 32;

/// `[[volume]]`, names and paths each once.
pub(super) fn read_volumes(root: &Table<'_>, accounts: &Accounts) -> Vec<Volume> {
    let mut names = Vec::new();
    let mut paths = Vec::new();
    let read = |table: &Table<'_>| {
        let name = table.required("name", name::plain);
        let path = table.required("path", name::absolute);
        check_unique(table.problems(), "volume", &name, &mut names);
        check_unique(table.problems(), "volume path", &path, &mut paths);
        check_apart(table.problems(), &path, &paths);
        Volume {
            name: name.value,
            path: path.value,
            owner: accounts.owner(table),
            mode: table
                .parsed("mode", unit::mode)
                .map_or(0o750, |mode| mode.value),
            data_schema: table.integer("schema", 1..1 << 32).map_or(1, |n| n.value),
            executable: table.boolean("executable") == Some(true),
        }
    };
    decode_all(root, "volume", read)
}

/// Reports a volume in another one: its mount point would be the other's owner's to move.
fn check_apart(problems: &Problems, path: &At<String>, others: &[String]) {
    let around = |one: &str, other: &str| {
        let rest = other.strip_prefix(one);
        !one.is_empty() && rest.is_some_and(|rest| rest.starts_with('/'))
    };
    for other in others {
        if around(other, &path.value) || around(&path.value, other) {
            let title = format!("volumes `{other}` and `{}` lie in one another", path.value);
            let label = "expected a path that is in no other volume and around none";
            problems.add(Problem::error(title).at(&path.place, label));
        }
    }
}

/// `[[secret]]`, each once; never with a value.
pub(super) fn read_secrets(root: &Table<'_>) -> Vec<Secret> {
    let mut names = Vec::new();
    let read = |table: &Table<'_>| {
        let name = table.required("name", name::plain);
        check_unique(table.problems(), "secret", &name, &mut names);
        let source = read_source(table);
        Secret {
            name: name.value,
            source,
            replace: read_replace(table, source),
        }
    };
    decode_all(root, "secret", read)
}

fn read_replace(table: &Table<'_>, source: SecretSource) -> bool {
    let replace = table.boolean("replace") == Some(true);
    if replace && !source.is_brought() {
        table.fail(
            "`replace` of a secret that is generated",
            "only one with `source = \"provisioned\"` is brought by a medium",
        );
    }
    replace
}

fn read_source(table: &Table<'_>) -> SecretSource {
    let sources = [("generated", true), ("provisioned", false)];
    let source = table.choice("source", &sources);
    let optional = table.boolean("optional") == Some(true);
    match source {
        Some(false) if optional => SecretSource::Optional,
        Some(false) => SecretSource::Provisioned,
        _ => {
            if optional {
                table.fail(
                    "an optional secret that is generated",
                    "only one with `source = \"provisioned\"` may be missing",
                );
            }
            let length = table.integer("length", 16..1025);
            SecretSource::Generated(length.map_or(SECRET_LENGTH, |n| n.value))
        }
    }
}

fn decode_all<T>(
    root: &Table<'_>,
    key: &'static str,
    mut read: impl FnMut(&Table<'_>) -> T,
) -> Vec<T> {
    let tables = root.tables(key).into_iter();
    tables.map(|table| table.decode(&mut read)).collect()
}
