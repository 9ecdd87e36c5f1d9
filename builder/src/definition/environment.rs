//! The environment of a service: files of the definition, then literals.
//!
//! Later wins: `environment_files` in their order, then `environment`, then the instance's
//! `environment_files` and `environment`. Files have lines `KEY=VALUE`, as systemd's
//! `EnvironmentFile=` reads them but without line continuation; nothing is expanded in them.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    content::Sources,
    decode::Table,
    literal, name,
    problem::{Problem, Problems},
    read_text,
    source::{At, Source},
};

/// Adds what `table` says to `environment`.
pub(super) fn read(
    table: &Table<'_>,
    sources: &Sources<'_>,
    environment: &mut BTreeMap<String, String>,
) {
    for path in table.strings("environment_files") {
        read_file(&path, sources, table.problems(), environment);
    }
    for (key, value) in table.map("environment") {
        let title = "invalid variable in `environment`";
        if table
            .problems()
            .keep(&key, title, name::variable(&key.value))
            .is_some()
        {
            literal::check_variable(&key.value, &value, table.problems());
            environment.insert(key.value, value.value);
        }
    }
}

fn read_file(
    path: &At<String>,
    sources: &Sources<'_>,
    problems: &Problems,
    environment: &mut BTreeMap<String, String>,
) {
    let Some(found) = sources.existing(path) else {
        return;
    };
    let title = format!("cannot read `{}`", path.value);
    let text = read_text(&found).map_err(|error| error.to_string());
    if let Some(source) = problems.keep(path, &title, text) {
        environment.extend(parse(&source, problems));
    }
}

/// The assignments of a file; every line that is none is reported.
fn parse(source: &Arc<Source>, problems: &Problems) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for line in source.lines() {
        let text = line.value.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        match assignment(text) {
            Some((key, value)) => {
                literal::check_variable(key, &line.with(value.to_owned()), problems);
                pairs.push((key.to_owned(), value.to_owned()));
            }
            None => problems.add(
                Problem::error("invalid line in an environment file")
                    .at(&line.place, "expected `KEY=VALUE`"),
            ),
        }
    }
    pairs
}

fn assignment(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("export ").unwrap_or(text);
    let (key, value) = text.split_once('=')?;
    let key = key.trim();
    name::variable(key).ok()?;
    Some((key, unquote(value.trim())))
}

fn unquote(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        for (line, expected) in [
            ("A=1", Some(("A", "1"))),
            ("A=", Some(("A", ""))),
            ("export A='b c'", Some(("A", "b c"))),
            ("A=\"x=y\"", Some(("A", "x=y"))),
            ("A=it's", Some(("A", "it's"))),
            ("A", None),
            ("1A=2", None),
            ("A B=2", None),
        ] {
            assert_eq!(assignment(line), expected, "{line}");
        }
    }
}
