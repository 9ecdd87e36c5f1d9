//! Finds literal passwords and private keys in what would be baked into an image.
//!
//! An image is copied to registries and laptops; a secret in it is public and never changes. Only
//! assignments whose key says so are found (`POSTGRES_PASSWORD=…`, `requirepass …`), besides PEM
//! private keys: guessing from entropy would refuse checksums.

use std::path::Path;

use bedplate_contract::reference;

use super::{
    problem::{Problem, Problems},
    read_text,
    source::{At, Place},
};

/// Last word of a key whose value is a secret.
const WORDS: [&str; 7] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "requirepass",
    "masterauth",
];
/// Last two words of such a key.
const PAIRS: [&str; 4] = ["api key", "private key", "access key", "secret key"];
/// Values that are no secret: switches, and what names a secret instead of holding it.
const HARMLESS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "none", "null"];
/// What to do about a reference that nobody fills in.
const UNFILLED: &str = "write the file with `[[service.config]]`, or give the service the secret \
     with `secret_environment` or `secrets`";
/// Trees hold programs and assets too; a key or an env file is never this large.
const LARGEST: u64 = 1 << 20;

/// Reports an environment variable that holds a literal secret.
pub(super) fn check_variable(name: &str, value: &At<String>, problems: &Problems) {
    if is_secret_key(name) && is_literal(&value.value) {
        problems.add(literal(&format!("`{name}`"), &value.place));
    } else if has_url_password(&value.value) {
        problems.add(literal("a URL", &value.place));
    }
    if has_private_key(&value.value) {
        problems.add(private_key(&value.place));
    }
    check_unfilled(value, problems);
}

/// Reports every literal secret of a file's text, each at its line when the text is a file's.
pub(super) fn check_text(text: &At<String>, problems: &Problems) {
    for line in lines(text) {
        if let Some(key) = assigned_secret(line.value) {
            problems.add(literal(&format!("`{key}`"), &line.place));
        } else if has_url_password(line.value) {
            problems.add(literal("a URL", &line.place));
        }
        if has_private_key(line.value) {
            problems.add(private_key(&line.place));
        }
    }
}

/// The lines of a text, each at its own place when the text is a file's.
pub(super) fn lines(text: &At<String>) -> Vec<At<&str>> {
    match text.place.source.text == text.value {
        true => text.place.source.lines().collect(),
        false => text.value.lines().map(|line| text.with(line)).collect(),
    }
}

/// Reports references to secrets in a text that nobody puts values into.
pub(super) fn check_unfilled(text: &At<String>, problems: &Problems) {
    for line in lines(text) {
        if reference::names(line.value).next().is_some() {
            let problem = Problem::error("a reference to a secret would stay as it is");
            let label = "is filled in by `[[service.config]]` alone";
            problems.add(problem.at(&line.place, label).help(UNFILLED));
        }
    }
}

/// Reports private keys of a tree's files, and literal secrets of its `*.env` files.
pub(super) fn check_tree(path: &Path, source: &At<String>, problems: &Problems) {
    let files = files_below(path).map_err(|error| error.to_string());
    let title = format!("cannot read the tree `{}`", path.display());
    for file in problems.keep(source, &title, files).unwrap_or_default() {
        // What is not text holds no PEM block.
        let Ok(text) = read_text(&file) else { continue };
        let first = text.text.lines().next().map_or(0, str::len);
        let whole = text.at(text.text.clone(), 0..first);
        if file.extension().is_some_and(|extension| extension == "env") {
            check_text(&whole, problems);
        } else if let Some(line) = text.lines().find(|line| has_private_key(line.value)) {
            problems.add(private_key(&line.place));
        }
    }
}

/// Small regular files below `path`, links not followed, sorted.
fn files_below(path: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() && entry.metadata()?.len() <= LARGEST {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn literal(what: &str, place: &Place) -> Problem {
    Problem::error(format!("{what} holds a literal secret"))
        .at(place, "would be readable in every copy of the image")
        .help("declare a `[[secret]]`, and give it to the service with `secret_environment` or `secrets`")
}

fn private_key(place: &Place) -> Problem {
    Problem::error("a private key would be baked into the image")
        .at(place, "would be readable in every copy of the image")
        .help("declare a `[[secret]]` with `source = \"provisioned\"`, and give it to the service with `secrets`")
}

/// The key of a line that assigns a literal to a key that names a secret.
fn assigned_secret(line: &str) -> Option<&str> {
    let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.\"'".contains(c)))?;
    let (key, rest) = line.split_at(end);
    let key = key.trim_matches(['"', '\'']);
    let separated = rest.trim_start().strip_prefix(['=', ':']);
    // Redis separates by a space; a sentence that begins with `token` does too, so only its keys.
    let value = match separated {
        Some(value) => value,
        None if ["requirepass", "masterauth"].contains(&key) => rest,
        None => return None,
    };
    (is_secret_key(key) && is_literal(value)).then_some(key)
}

fn is_secret_key(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let words: Vec<_> = lower
        .split(['_', '-', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    let pair = words
        .len()
        .checked_sub(2)
        .map(|start| words[start..].join(" "));
    words.last().is_some_and(|word| WORDS.contains(word))
        || pair.is_some_and(|pair| PAIRS.contains(&pair.as_str()))
}

fn is_literal(value: &str) -> bool {
    let value = value
        .trim()
        .trim_end_matches([';', ','])
        .trim_matches(['"', '\'']);
    let refers = value.starts_with(['$', '{', '/', '<', '%']);
    !value.is_empty() && !refers && !HARMLESS.contains(&value.to_ascii_lowercase().as_str())
}

/// `scheme://user:password@host`
fn has_url_password(text: &str) -> bool {
    text.match_indices("://").any(|(start, separator)| {
        let rest = &text[start + separator.len()..];
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c));
        let authority = &rest[..end.unwrap_or(rest.len())];
        let user_info = authority.rsplit_once('@').map(|(user, _)| user);
        let password = user_info.and_then(|user| user.split_once(':'));
        password.is_some_and(|(_, password)| is_literal(password))
    })
}

fn has_private_key(text: &str) -> bool {
    let rest = text.split_once("-----BEGIN ").map(|(_, rest)| rest);
    rest.is_some_and(|rest| rest.contains("PRIVATE KEY-----"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_of_secrets_are_found() {
        for line in [
            "POSTGRES_PASSWORD=secure_password_here",
            "export API_TOKEN='abc'",
            "password: hunter2",
            "  \"db_password\": \"x\",",
            "requirepass foobared",
            "aws.secret_key = abc",
        ] {
            assert!(assigned_secret(line).is_some(), "{line}");
        }
    }

    #[test]
    fn passwords_in_urls_are_found() {
        assert!(has_url_password(
            "DATABASE_URL=postgresql://a:secret@localhost:5432/b"
        ));
        for text in [
            "http://localhost:8000",
            "redis://localhost/0?a=b:c@d",
            "postgresql://a@localhost/b",
            "postgresql://a:$PASSWORD@localhost/b",
        ] {
            assert!(!has_url_password(text), "{text}");
        }
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            "POSTGRES_USER=justnews_user",
            "POSTGRES_PASSWORD=",
            "POSTGRES_PASSWORD=$PGPASSWORD",
            "PASSWORD_FILE=/run/secret",
            "password_encryption = scram-sha-256",
            "MAX_TOKENS=4096",
            "# requirepass foobared",
            "token ring is a network",
            "use_token = true",
        ] {
            assert!(assigned_secret(line).is_none(), "{line}");
        }
    }
}
