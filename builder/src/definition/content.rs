//! `[[file]]` and `[[directory]]`: what the definition adds to the root.

use std::path::{Component, Path, PathBuf};

use super::{
    Directory, File, Known,
    decode::Table,
    literal, name,
    problem::{Problem, Problems},
    read_text,
    source::At,
    template::Scope,
    unit,
};

/// Directories that are a tmpfs at run time: what an image has there is never seen.
const HIDDEN: [&str; 7] = [
    "/run", "/tmp", "/var/tmp", "/var/log", "/proc", "/sys", "/dev",
];

/// The files that a definition names.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    problems: &'a Problems,
}

impl<'a> Sources<'a> {
    /// Files whose absence goes to `problems`.
    pub fn new(problems: &'a Problems) -> Self {
        Self { problems }
    }

    /// A path inside the directory of the document that names it; `None` is reported.
    pub fn existing(&self, source: &At<String>) -> Option<PathBuf> {
        let relative = Path::new(&source.value);
        let inside = relative
            .components()
            .all(|c| matches!(c, Component::Normal(_)));
        let path = source.place.source.directory().join(relative);
        let label = match (inside, path.exists()) {
            (true, true) => return Some(path),
            (false, _) => "expected a path inside the definition's directory",
            (true, false) => "there is no such file",
        };
        let title = format!("missing source `{}`", source.value);
        let problem = Problem::error(title).at(&source.place, label);
        self.problems.add(problem.help(near(source, &path)));
        None
    }
}

/// Files beside the missing one, for its help.
fn near(source: &At<String>, missing: &Path) -> String {
    let parent = missing.parent().unwrap_or(Path::new(""));
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    names.sort();
    let relative = Path::new(&source.value);
    let wanted = relative
        .file_name()
        .map(|n| n.to_string_lossy())
        .unwrap_or_default();
    match name::nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => {
            let near = relative.with_file_name(near);
            format!("did you mean `{}`?", near.display())
        }
        None => format!(
            "sources are relative to the directory of `{}`",
            source.place.source.name
        ),
    }
}

/// Reports `found` when `seen` has it; else adds it there. Empty stand-ins are passed over.
pub(super) fn check_unique(
    problems: &Problems,
    noun: &str,
    found: &At<String>,
    seen: &mut Vec<String>,
) {
    if seen.contains(&found.value) {
        let title = format!("{noun} `{}` is declared twice", found.value);
        problems.add(Problem::error(title).at(&found.place, "declared before"));
    } else if !found.value.is_empty() {
        seen.push(found.value.clone());
    }
}

/// `[[file]]`, paths each once.
pub(super) fn read_files(root: &Table<'_>, known: &Known<'_>) -> Vec<File> {
    let mut paths = Vec::new();
    let mut read = |table: &Table<'_>| {
        let path = visible_path(table, known);
        check_unique(table.problems(), "file", &path, &mut paths);
        File {
            path: path.value,
            content: content(table, known),
            mode: table
                .parsed("mode", unit::mode)
                .map_or(0o644, |mode| mode.value),
            owner: known.accounts.owner(table),
            before_configure: table.boolean("before_configure").unwrap_or(false),
        }
    };
    let tables = root.tables("file").into_iter();
    tables.map(|table| table.decode(&mut read)).collect()
}

/// `[[directory]]`, paths each once.
pub(super) fn read_directories(root: &Table<'_>, known: &Known<'_>) -> Vec<Directory> {
    let mut paths = Vec::new();
    let mut read = |table: &Table<'_>| {
        let path = visible_path(table, known);
        check_unique(table.problems(), "directory", &path, &mut paths);
        Directory {
            path: path.value,
            mode: table
                .parsed("mode", unit::mode)
                .map_or(0o755, |mode| mode.value),
            owner: known.accounts.owner(table),
        }
    };
    let tables = root.tables("directory").into_iter();
    tables.map(|table| table.decode(&mut read)).collect()
}

/// `path`, reported when a mount would hide it.
pub(super) fn visible_path(table: &Table<'_>, known: &Known<'_>) -> At<String> {
    let path = table.required("path", name::absolute);
    let volumes = known.volumes.iter().map(|volume| volume.path.as_str());
    let mut mounts = HIDDEN.into_iter().chain(volumes);
    if let Some(mount) = mounts.find(|mount| is_below(&path.value, mount)) {
        let title = format!("`{}` would never be seen", path.value);
        let label = format!("`{mount}` is mounted over when the appliance runs");
        let problem = Problem::error(title).at(&path.place, label);
        let help = "what is made at run time belongs in a service's `runtime_directories`, or in a `[[volume]]`";
        table.problems().add(problem.help(help));
    }
    path
}

/// The mount that hides `path`, which may be the mount point itself.
pub(super) fn hidden_by(path: &str) -> Option<&'static str> {
    let hides = |mount: &&str| path == *mount || is_below(path, mount);
    HIDDEN.into_iter().find(hides)
}

/// Whether `path` lies below `top`.
pub(super) fn is_below(path: &str, top: &str) -> bool {
    let rest = path.strip_prefix(top);
    !top.is_empty() && rest.is_some_and(|rest| rest.starts_with('/'))
}

/// `content` or the bytes of `source`, rendered when `template = true`.
fn content(table: &Table<'_>, known: &Known<'_>) -> Vec<u8> {
    let template = table.boolean("template").unwrap_or(false);
    let text = match origin(table, known.sources) {
        Sourced::Text(text) => text,
        Sourced::Bytes(bytes) => return bytes,
        Sourced::Missing => return Vec::new(),
    };
    literal::check_text(&text, table.problems());
    literal::check_unfilled(&text, table.problems());
    match template {
        true => render(&text, known.scope, table.problems()).into_bytes(),
        false => text.value.into_bytes(),
    }
}

/// The rendered text; a failure is shown at its line when the text is a file's.
fn render(text: &At<String>, scope: &Scope, problems: &Problems) -> String {
    scope.render(&text.value).unwrap_or_else(|failure| {
        let own_lines = text.place.source.text == text.value;
        let mut lines = text.place.source.lines();
        let line = failure.line.filter(|_| own_lines);
        let line = line.and_then(|line| lines.nth(line.saturating_sub(1)));
        let place = line.map_or(text.place.clone(), |line| line.place);
        problems.add(Problem::error("cannot render the template").at(&place, failure.what));
        String::new()
    })
}

/// The text of a table whose strings are templates: its `content`, or its `source` rendered with
/// `scope`. Literal secrets in it are reported.
pub(super) fn rendered(
    table: &Table<'_>,
    sources: &Sources<'_>,
    scope: &Scope,
) -> Option<At<String>> {
    let inline = !table.is_absent("content");
    match origin(table, sources) {
        Sourced::Missing => None,
        Sourced::Bytes(_) => {
            table.fail("a `source` that is no text", "expected UTF-8");
            None
        }
        Sourced::Text(text) => {
            literal::check_text(&text, table.problems());
            Some(match inline {
                true => text,
                false => text.with(render(&text, scope, table.problems())),
            })
        }
    }
}

/// What either `content` or `source` says.
fn origin(table: &Table<'_>, sources: &Sources<'_>) -> Sourced {
    match (table.string("content"), table.string("source")) {
        (Some(content), None) => Sourced::Text(content),
        (None, Some(source)) => sourced(&source, sources),
        _ => {
            table.fail(
                "not one origin of the content",
                "needs either `content` or `source`",
            );
            Sourced::Missing
        }
    }
}

enum Sourced {
    Text(At<String>),
    Bytes(Vec<u8>),
    Missing,
}

fn sourced(source: &At<String>, sources: &Sources<'_>) -> Sourced {
    let Some(path) = sources.existing(source) else {
        return Sourced::Missing;
    };
    if let Ok(text) = read_text(&path) {
        let first = text.text.lines().next().map_or(0, str::len);
        return Sourced::Text(text.at(text.text.clone(), 0..first));
    }
    let title = format!("cannot read `{}`", path.display());
    let bytes = std::fs::read(&path).map_err(|error| error.to_string());
    match sources.problems.keep(source, &title, bytes) {
        Some(bytes) => Sourced::Bytes(bytes),
        None => Sourced::Missing,
    }
}
