//! `[update]`: whose bundles the image takes, on which conditions, and from where.

use std::path::Path;

use bedplate_contract::{signature::PublicKey, version};
use toml::value::{Datetime, Offset};

use super::{
    Image, Update,
    content::Sources,
    decode::Table,
    name,
    problem::{Problem, Problems},
    read_text,
    source::At,
};
use crate::sign::key;

/// Reads `[update]`; the keys of the files `trusted` count besides those that it names.
pub(super) fn read(
    root: &Table<'_>,
    image: &Image,
    sources: &Sources<'_>,
    trusted: &[PublicKey],
) -> Update {
    let read = |table: &Table<'_>| {
        let mut keys = keys(table, sources);
        let own = keys.len();
        let known = |key: &&PublicKey| !keys[..own].iter().any(|k| k.id() == key.id());
        let added: Vec<_> = trusted.iter().filter(known).cloned().collect();
        keys.extend(added);
        Update {
            threshold: threshold(table, keys.len()),
            keys: keys.iter().map(PublicKey::to_pem).collect(),
            minimum_version: minimum_version(table, image),
            expires: table.parsed("expires", time).map(|time| time.value),
            source: table.parsed("source", place).map(|place| place.value),
        }
    };
    let default = || Update {
        keys: trusted.iter().map(PublicKey::to_pem).collect(),
        ..Update::default()
    };
    root.table("update")
        .map_or_else(default, |table| table.decode(read))
}

/// Reads the files of keys that are trusted besides those of the definition, each key once.
pub(super) fn read_trusted<'a>(
    paths: impl IntoIterator<Item = &'a Path>,
    problems: &Problems,
) -> Vec<PublicKey> {
    let mut keys: Vec<PublicKey> = Vec::new();
    for path in paths {
        let read = read_text(path)
            .map_err(|error| format!("cannot read it: {error}"))
            .and_then(|source| public_key(&source.text));
        match read {
            Ok(key) if keys.iter().any(|known| known.id() == key.id()) => {}
            Ok(key) => keys.push(key),
            Err(what) => {
                let title = format!("no public key in `{}`", path.display());
                problems.add(Problem::error(title).help(what));
            }
        }
    }
    keys
}

/// The keys that the definition names, each once.
fn keys(table: &Table<'_>, sources: &Sources<'_>) -> Vec<PublicKey> {
    let problems = table.problems();
    let mut keys: Vec<PublicKey> = Vec::new();
    for path in table.strings("keys") {
        let Some(found) = sources.existing(&path) else {
            continue;
        };
        let title = format!("no public key in `{}`", path.value);
        let key = read_text(&found)
            .map_err(|error| format!("cannot read it: {error}"))
            .and_then(|source| public_key(&source.text));
        match problems.keep(&path, &title, key) {
            Some(key) if keys.iter().any(|known| known.id() == key.id()) => {
                let title = format!("the key in `{}` is named twice", path.value);
                problems.add(Problem::error(title).at(&path.place, "the same key as one before"));
            }
            found => keys.extend(found),
        }
    }
    keys
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    key::public_key(text).map_err(|error| error.to_string())
}

/// How many of `count` keys must sign; without keys the image takes no bundle, whatever it says.
fn threshold(table: &Table<'_>, count: usize) -> u32 {
    let Some(threshold) = table.integer::<u32>("threshold", 1..1 << 16) else {
        return 1;
    };
    let keys = u32::try_from(count).unwrap_or(u32::MAX);
    if threshold.value > keys.max(1) {
        let title = format!("a `threshold` of {} that is never met", threshold.value);
        let label = match keys {
            1 => "there is 1 key".to_owned(),
            _ => format!("there are {keys} keys"),
        };
        let problem = Problem::error(title).at(&threshold.place, label);
        let help = "name more public keys in `keys`, or lower the threshold";
        table.problems().add(problem.help(help));
    }
    threshold.value
}

fn minimum_version(table: &Table<'_>, image: &Image) -> Option<String> {
    let least = table.parsed("minimum_version", name::version)?;
    if version::compare(&least.value, &image.version).is_gt() && !image.version.is_empty() {
        report_newer(&least, image, table.problems());
    }
    Some(least.value)
}

fn report_newer(least: &At<String>, image: &Image, problems: &Problems) {
    let title = "a `minimum_version` that is newer than the image";
    let label = format!("the image is {}", image.version);
    let problem = Problem::error(title).at(&least.place, label);
    problems.add(problem.help("it is the oldest version that a host may run to take this one"));
}

/// A day, from whose first second on nothing is taken, or a time; in UTC as the bundle has it.
fn time(text: &str) -> Result<String, String> {
    let expected = || {
        "expected a day such as `2027-06-30`, or a time such as `2027-06-30T12:00:00Z`".to_owned()
    };
    let parsed: Datetime = text.parse().map_err(|_| expected())?;
    seconds(&parsed).map(version::time).ok_or_else(expected)
}

/// Seconds from 1970 to a time that has a zone, or to the start of a day in UTC.
fn seconds(time: &Datetime) -> Option<u64> {
    let date = time.date?;
    let clock = match (time.time, time.offset) {
        (None, None) => "00:00:00".to_owned(),
        (Some(clock), Some(_)) => {
            let (hour, minute, second) = (clock.hour, clock.minute, clock.second.unwrap_or(0));
            format!("{hour:02}:{minute:02}:{second:02}")
        }
        _ => return None,
    };
    let local = version::parse_time(&format!("{date}T{clock}Z")).ok()?;
    let ahead = match time.offset {
        Some(Offset::Custom { minutes }) => i64::from(minutes) * 60,
        _ => 0,
    };
    local.checked_add_signed(-ahead)
}

/// Where upgrades come from.
fn place(text: &str) -> Result<String, String> {
    let is_url = ["https://", "http://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    match is_url || name::absolute(text).is_ok() {
        true => Ok(text.to_owned()),
        false => Err("expected an absolute path, or an `https` or `http` URL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_stored_in_utc() {
        for (text, expected) in [
            ("2027-06-30", Some("2027-06-30T00:00:00Z")),
            ("2027-06-30T12:00:00Z", Some("2027-06-30T12:00:00Z")),
            ("2027-06-30T01:30:00+02:00", Some("2027-06-29T23:30:00Z")),
            ("2027-12-31T23:00:00-01:30", Some("2028-01-01T00:30:00Z")),
            ("2027-06-30T12:00:00", None),
            ("12:00:00", None),
            ("2027-02-30", None),
            ("June", None),
            ("", None),
        ] {
            assert_eq!(time(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn places_are_paths_or_urls() {
        for text in ["/media/usb", "https://example.org/b", "http://[::1]:80/"] {
            assert_eq!(place(text).as_deref(), Ok(text));
        }
        for text in ["", "bundles", "https://", "ftp://example.org", "/a/../b"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
