//! `mounts` of a service: what of the appliance it sees in the root of its image.

use std::collections::BTreeSet;

use super::{
    Volume,
    decode::Table,
    name,
    problem::{Problem, Problems},
    source::At,
};

/// Directories that every root of an image gets from `init`.
const GIVEN: [&str; 5] = ["/proc", "/sys", "/dev", "/run/bedplate", "/run/credentials"];

/// Something that a service sees in the root of its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is shown.
    pub source: MountSource,
    /// Absolute path in the root of the image.
    pub target: String,
    /// Whether the service may write there.
    pub writable: bool,
}

/// What is shown in the root of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A volume, by its name.
    Volume(String),
    /// A file or directory of the appliance, by its absolute path.
    Path(String),
}

/// `mounts`: `"VOLUME:/path[:ro]"` or `"/path:/path"`, targets each once.
pub(super) fn read(table: &Table<'_>, volumes: &[Volume]) -> Vec<Mount> {
    let mut targets = BTreeSet::new();
    let mut mounts = Vec::new();
    for text in table.strings("mounts") {
        let parsed = parse(&text.value).and_then(|mount| {
            let target = mount.target.clone();
            match targets.insert(target) {
                true => Ok(mount),
                false => Err("something is mounted there already".to_owned()),
            }
        });
        let problems = table.problems();
        if let Some(mount) = problems.keep(&text, "invalid mount in `mounts`", parsed) {
            check_volume(&text, &mount, volumes, problems);
            mounts.push(mount);
        }
    }
    mounts
}

fn parse(text: &str) -> Result<Mount, String> {
    const EXPECTED: &str = "expected `VOLUME:/path`, `VOLUME:/path:ro` or `/path:/path`";
    let (text, read_only) = match text.strip_suffix(":ro") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (source, target) = text.split_once(':').ok_or(EXPECTED)?;
    if target.contains(':') {
        return Err(EXPECTED.to_owned());
    }
    let source = match source.starts_with('/') {
        true => MountSource::Path(name::absolute(source)?),
        false => MountSource::Volume(name::plain(source).map_err(|_| EXPECTED)?),
    };
    let target = name::absolute(target)?;
    let below = |top: &&&str| {
        let rest = target.strip_prefix(**top);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(given) = GIVEN.iter().find(below) {
        return Err(format!("`{given}` is what every service gets from init"));
    }
    let writable = matches!(source, MountSource::Volume(_)) && !read_only;
    Ok(Mount {
        source,
        target,
        writable,
    })
}

fn check_volume(text: &At<String>, mount: &Mount, volumes: &[Volume], problems: &Problems) {
    let MountSource::Volume(volume) = &mount.source else {
        return;
    };
    let names: Vec<_> = volumes.iter().map(|volume| volume.name.as_str()).collect();
    if names.contains(&volume.as_str()) {
        return;
    }
    let help = match name::nearest(volume, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "declare it with `[[volume]]`, or write the path of a file".to_owned(),
    };
    let title = format!("unknown volume `{volume}`");
    let problem = Problem::error(title).at(&text.place, "no such volume");
    problems.add(problem.help(help));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let volume = |name: &str| MountSource::Volume(name.to_owned());
        let path = |name: &str| MountSource::Path(name.to_owned());
        for (text, source, target, writable) in [
            ("data:/var/lib/x", volume("data"), "/var/lib/x", true),
            ("data:/x:ro", volume("data"), "/x", false),
            (
                "/etc/a.ini:/etc/b.ini",
                path("/etc/a.ini"),
                "/etc/b.ini",
                false,
            ),
            ("/run/db:/run/db", path("/run/db"), "/run/db", false),
        ] {
            let mount = parse(text).unwrap();
            assert_eq!((mount.source, mount.writable), (source, writable), "{text}");
            assert_eq!(mount.target, target, "{text}");
        }
        for text in [
            "",
            "data",
            "data:",
            "data:x",
            ":/x",
            "/a:/",
            "a:/../b",
            "A:/x",
            "a:/proc",
            "a:/dev/x",
            "/a/../b:/c",
            "a:/x:rw",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
