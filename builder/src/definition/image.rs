//! `[image]`, `[base]`, `[gate]`, `[network]` and `[log]`.

use std::{path::Path, path::PathBuf, sync::Arc};

use bedplate_contract::appliance::{Log, Network, NetworkMode};
use minijinja::{Value, context};

use super::{
    Base, Image, Repository,
    decode::Table,
    name,
    problem::{Problem, Problems},
    read_text,
    source::Source,
    template::Scope,
    unit,
};

/// What a distribution calls its parts.
struct Distribution {
    name: &'static str,
    security_archive: &'static str,
    keyring: &'static str,
}

const DISTRIBUTIONS: [Distribution; 2] = [
    Distribution {
        name: "debian",
        security_archive: "debian-security",
        keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
    },
    Distribution {
        name: "ubuntu",
        security_archive: "ubuntu",
        keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    },
];

/// Reads the text of `directory/image.toml`.
pub(super) fn load(directory: &Path, problems: &Problems) -> Option<Arc<Source>> {
    let path = directory.join("image.toml");
    match read_text(&path) {
        Ok(source) => Some(source),
        Err(error) => {
            problems.add(unknown(directory, &error));
            None
        }
    }
}

fn unknown(directory: &Path, error: &std::io::Error) -> Problem {
    let path = directory.display();
    let problem = Problem::error(format!("cannot read `{path}/image.toml`: {error}"));
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return problem;
    };
    let siblings = siblings(parent);
    let names = siblings.iter().map(String::as_str);
    match name::nearest(&name.to_string_lossy(), names) {
        Some(near) => problem.help(format!("did you mean `{}`?", parent.join(near).display())),
        None => problem.help("expected a directory that holds `image.toml`"),
    }
}

/// Names of the images in a directory; empty when it cannot be read, for they only help.
fn siblings(parent: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let images = entries.filter(|entry| entry.path().join("image.toml").is_file());
    let mut names: Vec<_> = images
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// `[image]`; `version` stands in place of its own.
pub(super) fn read(root: &Table<'_>, version: Option<String>) -> Image {
    root.require("image");
    let version = version.and_then(|version| given_version(&version, root.problems()));
    let read = |table: &Table<'_>| Image {
        name: table.required("name", name::plain).value,
        version: {
            let own = table.required("version", name::version).value;
            version.unwrap_or(own)
        },
        summary: table.string("summary").map(|s| s.value).unwrap_or_default(),
    };
    root.table("image")
        .map(|table| table.decode(read))
        .unwrap_or_else(|| Image {
            name: String::new(),
            version: String::new(),
            summary: String::new(),
        })
}

/// A version that somebody gave on the command line.
fn given_version(text: &str, problems: &Problems) -> Option<String> {
    let report = |expected: String| {
        let title = format!("invalid version `{text}` for the image");
        problems.add(Problem::error(title).help(expected));
    };
    name::version(text).map_err(report).ok()
}

/// What templates see as `image`.
pub(super) fn values(image: &Image) -> Value {
    context! {
        name => image.name.as_str(),
        version => image.version.as_str(),
        summary => image.summary.as_str(),
    }
}

/// `[base]`, without the packages of profile and parts; the distribution's repositories have the
/// components `extra` too.
pub(super) fn read_base(root: &Table<'_>, extra: &[String]) -> Base {
    root.require("base");
    let read = |table: &Table<'_>| Base {
        repositories: repositories(table, extra),
        essential: table.boolean("essential").unwrap_or(true),
        packages: packages(table),
    };
    root.table("base")
        .map(|table| table.decode(read))
        .unwrap_or_else(|| Base {
            repositories: Vec::new(),
            essential: true,
            packages: Vec::new(),
        })
}

pub(super) fn packages(table: &Table<'_>) -> Vec<String> {
    let names = table.strings("packages").into_iter();
    let check = |p: super::source::At<String>| {
        table
            .problems()
            .keep(&p, "invalid package name", name::package(&p.value))
    };
    names.filter_map(check).collect()
}

/// The suite, its pockets, then the vendors' repositories.
fn repositories(table: &Table<'_>, extra: &[String]) -> Vec<Repository> {
    let names = DISTRIBUTIONS.each_ref().map(|d| (d.name, d));
    let distribution = table
        .choice("distribution", &names)
        .unwrap_or(&DISTRIBUTIONS[0]);
    let keyring = table.parsed("keyring", name::absolute);
    let main = Repository {
        archive: distribution.name.to_owned(),
        suite: table.required("suite", suite).value,
        components: with(components(table), extra),
        keyring: keyring.map_or_else(|| distribution.keyring.into(), |path| path.value.into()),
        url: None,
    };
    let pockets = pockets(table, distribution, &main);
    let vendors = table
        .tables("repository")
        .into_iter()
        .map(|t| t.decode(vendor));
    std::iter::once(main.clone())
        .chain(pockets)
        .chain(vendors)
        .collect()
}

fn pockets(table: &Table<'_>, distribution: &Distribution, main: &Repository) -> Vec<Repository> {
    let archives = [
        ("updates", distribution.name),
        ("security", distribution.security_archive),
    ];
    let listed = table.strings("pockets");
    for pocket in &listed {
        if !archives.iter().any(|(name, _)| *name == pocket.value) {
            let title = format!("unknown pocket `{}`", pocket.value);
            let problem = Problem::error(title).at(&pocket.place, "not a pocket");
            let help = name::suggestion(&pocket.value, &archives.map(|(name, _)| name));
            table.problems().add(problem.help(help));
        }
    }
    // Without the key both are used: an image without security updates is never an accident.
    let wanted = |name: &str| listed.iter().any(|pocket| pocket.value == name);
    let all = table.is_absent("pockets");
    let chosen = archives.into_iter().filter(|(name, _)| all || wanted(name));
    let pocket = |(name, archive): (&str, &str)| Repository {
        archive: archive.to_owned(),
        suite: format!("{}-{name}", main.suite),
        ..main.clone()
    };
    chosen.map(pocket).collect()
}

fn vendor(table: &Table<'_>) -> Repository {
    Repository {
        archive: table.required("archive", name::plain).value,
        suite: table.required("suite", suite).value,
        components: components(table),
        keyring: PathBuf::from(table.required("keyring", any).value),
        url: table.parsed("url", url).map(|url| url.value),
    }
}

fn components(table: &Table<'_>) -> Vec<String> {
    let listed = listed_components(table);
    match listed.is_empty() {
        true => vec!["main".to_owned()],
        false => listed,
    }
}

/// `components`, such as `main` or `updates/main`.
pub(super) fn listed_components(table: &Table<'_>) -> Vec<String> {
    let listed = table.strings("components").into_iter();
    listed.map(|component| component.value).collect()
}

/// `listed`, then those of `extra` that are not among them.
fn with(mut listed: Vec<String>, extra: &[String]) -> Vec<String> {
    for component in extra {
        if !listed.contains(component) {
            listed.push(component.clone());
        }
    }
    listed
}

fn any(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("expected a path".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn suite(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-./".contains(c);
    match !text.is_empty() && text.chars().all(fits) && !text.contains("..") {
        true => Ok(text.to_owned()),
        false => Err("expected a suite such as `trixie`".to_owned()),
    }
}

fn url(text: &str) -> Result<String, String> {
    let known = ["https://", "http://", "file://"];
    match known.iter().any(|scheme| text.starts_with(scheme)) {
        true => Ok(text.to_owned()),
        false => Err("expected an `https`, `http` or `file` URL".to_owned()),
    }
}

/// `[network]`; the image's name and DHCP by default. Addresses may come from `[values]`.
pub(super) fn read_network(root: &Table<'_>, image: &str, scope: &Scope) -> Network {
    let default = Network {
        hostname: image.to_owned(),
        mode: NetworkMode::Dhcp,
    };
    let read = |table: &Table<'_>| {
        let hostname = table.parsed("hostname", name::hostname);
        Network {
            hostname: hostname.map_or_else(|| image.to_owned(), |name| name.value),
            mode: mode(table),
        }
    };
    root.table("network")
        .map_or(default, |table| table.with_scope(scope).decode(read))
}

fn mode(table: &Table<'_>) -> NetworkMode {
    let modes = [("dhcp", "dhcp"), ("static", "static"), ("none", "none")];
    match table.choice("mode", &modes) {
        Some("static") => NetworkMode::Static {
            address: table.required("address", interface).value,
            gateway: table.parsed("gateway", address).map(|a| a.value),
            nameservers: nameservers(table),
        },
        Some("none") => NetworkMode::None,
        _ => NetworkMode::Dhcp,
    }
}

fn nameservers(table: &Table<'_>) -> Vec<String> {
    let listed = table.strings("nameservers").into_iter();
    let title = "invalid name server";
    let check = |a: super::source::At<String>| table.problems().keep(&a, title, address(&a.value));
    listed.filter_map(check).collect()
}

/// A numeric address.
pub(super) fn address(text: &str) -> Result<String, String> {
    match text.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err("expected a numeric IPv4 or IPv6 address".to_owned()),
    }
}

fn interface(text: &str) -> Result<String, String> {
    let expected = "expected an IPv4 address and prefix such as `192.0.2.7/24`";
    let (host, prefix) = text.split_once('/').ok_or(expected)?;
    let host: std::net::Ipv4Addr = host.parse().map_err(|_| expected)?;
    let prefix = prefix
        .parse::<u8>()
        .ok()
        .filter(|p| *p <= 32)
        .ok_or(expected)?;
    Ok(format!("{host}/{prefix}"))
}

/// `[log]`; 10 MiB, four old files, 1000 lines per second.
pub(super) fn read_log(root: &Table<'_>) -> Log {
    let default = Log {
        max_bytes: 10 << 20,
        keep: 4,
        lines_per_second: 1000,
    };
    let read = |table: &Table<'_>| Log {
        max_bytes: table
            .parsed("max_size", unit::size_bytes)
            .map_or(10 << 20, |s| s.value),
        keep: table.integer("keep", 0..1000).map_or(4, |n| n.value),
        lines_per_second: table
            .integer("lines_per_second", 1..1 << 20)
            .map_or(1000, |n| n.value),
    };
    root.table("log")
        .map_or(default, |table| table.decode(read))
}
