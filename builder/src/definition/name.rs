//! Which names are names: rules with their sources, and the nearest valid one.

/// Least similarity (Jaro-Winkler, 0 to 1) of a suggestion that is more than a slip away.
const SIMILAR: f64 = 0.8;

/// The candidate most like `name`, when one is like it at all: a misleading guess is worse than none.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // One letter in three may be wrong, missing or exchanged with its neighbour.
    let slips = (name.chars().count() / 3).max(1);
    let near = candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= slips || strsim::jaro_winkler(name, candidate) >= SIMILAR
        });
    near.min_by_key(|(distance, _)| *distance).map(|(_, c)| c)
}

/// Help for an unknown name: the nearest one, else all there are.
pub(crate) fn suggestion(name: &str, candidates: &[&str]) -> String {
    match nearest(name, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if candidates.is_empty() => "there is none".to_owned(),
        None => format!("expected one of {}", list(candidates)),
    }
}

/// `` `a`, `b`, `c` ``
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Names of images, profiles, volumes, secrets and archives: `[a-z0-9][a-z0-9-]*`.
///
/// # Errors
/// What was expected.
pub(super) fn plain(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match text.chars().all(fits) && !text.is_empty() && !text.starts_with('-') {
        true => Ok(text.to_owned()),
        false => Err("expected lower-case letters, digits and `-`".to_owned()),
    }
}

/// Names of services and instances (contract: `Service::name`).
///
/// # Errors
/// What was expected.
pub(super) fn service(text: &str) -> Result<String, String> {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = |c: char| first(c) || "_.-".contains(c);
    match text.chars().all(fits) && text.starts_with(first) && text.len() <= 31 {
        true => Ok(text.to_owned()),
        false => Err("expected at most 31 of lower-case letters, digits, `_`, `.`, `-`".to_owned()),
    }
}

/// Login names: `[a-z_][a-z0-9_-]*`, at most 31 (adduser(8), `NAME_REGEX`).
///
/// # Errors
/// What was expected.
pub(super) fn login(text: &str) -> Result<String, String> {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    let fits = |c: char| first(c) || c.is_ascii_digit() || c == '-';
    match text.chars().all(fits) && text.starts_with(first) && text.len() <= 31 {
        true => Ok(text.to_owned()),
        false => Err("expected at most 31 of lower-case letters, digits, `_`, `-`".to_owned()),
    }
}

/// Versions: UAPI.10 without `_` and `+`, which an entry's file name gives a meaning.
///
/// # Errors
/// What was expected.
pub(super) fn version(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".~^-".contains(c);
    match text.chars().all(fits) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected a UAPI.10 version of letters, digits, `.`, `~`, `^`, `-`".to_owned())
        }
    }
}

/// Host names: labels of letters, digits and inner hyphens (RFC 1123, 2.1).
///
/// # Errors
/// What was expected.
pub(super) fn hostname(text: &str) -> Result<String, String> {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    match text.len() <= 64 && text.split('.').all(label) {
        true => Ok(text.to_owned()),
        false => Err("expected a host name (RFC 1123) of at most 64 bytes".to_owned()),
    }
}

/// Package names (Debian Policy 5.6.1).
///
/// # Errors
/// What was expected.
pub(super) fn package(text: &str) -> Result<String, String> {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = |c: char| first(c) || "+-.".contains(c);
    match text.len() >= 2 && text.starts_with(first) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("expected a Debian package name".to_owned()),
    }
}

/// Absolute paths in the root: no empty, `.` or `..` component.
///
/// # Errors
/// What was expected.
pub(super) fn absolute(text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('/');
    let normal = |c: &str| !c.is_empty() && c != "." && c != ".." && !c.contains('\0');
    match inner.is_some_and(|inner| inner.split('/').all(normal)) {
        true => Ok(text.to_owned()),
        false => Err("expected an absolute path without `.`, `..` or a closing `/`".to_owned()),
    }
}

/// Names of environment variables: `[A-Za-z_][A-Za-z0-9_]*`.
///
/// # Errors
/// What was expected.
pub(super) fn variable(text: &str) -> Result<String, String> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    match text.starts_with(first) && text.chars().all(|c| first(c) || c.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("expected a variable name of letters, digits and `_`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rule = fn(&str) -> Result<String, String>;

    #[test]
    fn rules() {
        let table: [(Rule, &[&str], &[&str]); 8] = [
            (plain, &["a", "just-news", "0a"], &["", "-a", "A", "a_b"]),
            (service, &["a", "mcp_bus", "x.y-z"], &["", "_a", "a@b", "A"]),
            (login, &["adra", "_apt", "www-data"], &["", "0a", "a.b"]),
            (
                version,
                &["1", "4.0.1~rc1", "1-2"],
                &["", "1+2", "1_2", ".1"],
            ),
            (hostname, &["a", "a.b-c"], &["", "a.", "-a", "a_b"]),
            (package, &["nginx", "g++", "libc6"], &["", "a", "A1", "a_b"]),
            (absolute, &["/a", "/a/b"], &["", "/", "a", "/a/", "/a/../b"]),
            (variable, &["A", "_a1"], &["", "1A", "A-B"]),
        ];
        for (rule, good, bad) in table {
            good.iter()
                .for_each(|text| assert!(rule(text).is_ok(), "{text}"));
            bad.iter()
                .for_each(|text| assert!(rule(text).is_err(), "{text}"));
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["requires", "ready", "restart"];
        assert_eq!(nearest("requries", names), Some("requires"));
        assert_eq!(nearest("volume", names), None);
        assert_eq!(nearest("wbe", ["db", "web"]), Some("web"));
    }
}
