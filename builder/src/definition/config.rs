//! `[[service.config]]`: files with secrets, which PID 1 writes before each start.
//!
//! The text is rendered here; what stays open in it is `${secret:NAME}`.

use std::collections::BTreeMap;

use bedplate_contract::{
    reference::{self, Piece},
    service::ConfigFile,
};

use super::{
    Known,
    content::{self, check_unique},
    decode::Table,
    literal, name,
    problem::{Problem, Problems},
    service::{Draft, check_secret},
    source::At,
    template::Scope,
    unit,
};

/// The files of `service`, whose templates see `scope`; each lies in one of `directories`.
pub(super) fn read(
    service: &Table<'_>,
    directories: &[String],
    (known, scope): (&Known<'_>, &Scope),
) -> Vec<ConfigFile> {
    let mut paths = Vec::new();
    let mut read = |table: &Table<'_>| {
        let path = read_path(table, directories);
        check_unique(table.problems(), "config file", &path, &mut paths);
        let mode = table.parsed("mode", mode);
        ConfigFile {
            path: path.value,
            content: read_content(table, known, scope),
            mode: mode.map_or(0o400, |mode| mode.value),
        }
    };
    let tables = service.tables("config").into_iter();
    tables.map(|table| table.decode(&mut read)).collect()
}

/// Relative to `/run`, in a runtime directory: there the service's user may look a file up.
fn read_path(table: &Table<'_>, directories: &[String]) -> At<String> {
    let path = table.required("path", |text| {
        let absolute = name::absolute(&format!("/{text}"));
        absolute.map_err(|_| "expected a path relative to `/run`".to_owned())
    });
    let relative = path.value.trim_start_matches('/').to_owned();
    let inside = |directory: &String| {
        let rest = relative.strip_prefix(directory.trim_matches('/'));
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    if !relative.is_empty() && !directories.iter().any(inside) {
        let title = format!("`{relative}` is in no directory of its service");
        let label = "expected a path below one of its `runtime_directories`";
        let problem = Problem::error(title).at(&path.place, label);
        let parent = relative
            .rsplit_once('/')
            .map_or("NAME", |(parent, _)| parent);
        let help = format!("add `runtime_directories = [\"{parent}\"]` to the service");
        table.problems().add(problem.help(help));
    }
    path.with(relative)
}

/// Others than the service's user and group have no business in it.
fn mode(text: &str) -> Result<u32, String> {
    match unit::mode(text)? {
        mode if mode & 0o7137 == 0 => Ok(mode),
        _ => Err("expected `0400`, `0440` or the like: nothing for others".to_owned()),
    }
}

fn read_content(table: &Table<'_>, known: &Known<'_>, scope: &Scope) -> String {
    let Some(text) = content::rendered(table, known.sources, scope) else {
        return String::new();
    };
    for line in literal::lines(&text) {
        check_references(table, &line, known);
    }
    text.value
}

fn check_references(table: &Table<'_>, line: &At<&str>, known: &Known<'_>) {
    match reference::pieces(line.value) {
        Ok(pieces) => {
            for piece in pieces {
                if let Piece::Secret(name) = piece {
                    check_secret(table, &line.with(name.to_owned()), known.secrets);
                }
            }
        }
        Err(_) => {
            let problem = Problem::error("a reference to a secret does not end");
            let label = "expected `${secret:NAME}` on one line";
            table.problems().add(problem.at(&line.place, label));
        }
    }
}

/// Reports files that two services would write: the second would take the first one's away.
pub(super) fn check(drafts: &[Draft], problems: &Problems) {
    let mut writers: BTreeMap<&str, &str> = BTreeMap::new();
    for draft in drafts {
        let name = draft.service.name.as_str();
        for file in &draft.service.config {
            let writer = *writers.entry(&file.path).or_insert(name);
            if writer != name && !file.path.is_empty() {
                let title = format!("`{writer}` and `{name}` both have the file `{}`", file.path);
                let problem = Problem::error(title).at(&draft.place, "writes it too");
                let help = "give each its own path; instances may use `{{ instance.name }}` in it";
                problems.add(problem.help(help));
            }
        }
    }
}

/// Reports runtime directories that lie in one another: the inner one would be the outer one's owner's to
/// move.
pub(super) fn check_directories(drafts: &[Draft], problems: &Problems) {
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    for draft in drafts {
        for directory in &draft.service.runtime_directories {
            all.entry(directory.trim_matches('/'))
                .or_insert(&draft.service.name);
        }
    }
    for draft in drafts {
        for directory in &draft.service.runtime_directories {
            let path = directory.trim_matches('/');
            let mut parents = path.match_indices('/').map(|(end, _)| &path[..end]);
            if let Some((outer, owner)) = parents.find_map(|p| all.get_key_value(p)) {
                let title = format!("runtime directory `{path}` lies in `{outer}` of `{owner}`");
                let problem = Problem::error(title).at(&draft.place, "has it");
                let help = "give it a name of its own, such as `NAME-PART` for `NAME/PART`";
                problems.add(problem.help(help));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_leave_others_out() {
        for text in ["0400", "0440", "0600", "0640"] {
            assert!(mode(text).is_ok(), "{text}");
        }
        for text in ["0444", "0644", "0700", "4400", "0460", "x"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
