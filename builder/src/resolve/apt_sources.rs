//! The host's apt sources, as a hint for which mirror is near.
//!
//! Only URLs are taken: the host may run another release than the one that is locked. An entry
//! counts as Debian's own when its suite is one of Debian's and it has the component `main`, which
//! keeps vendors' repositories apart that reuse Debian's suite names.
//!
//! Source: sources.list(5).

use std::{fs, path::Path};

use super::deb822;

/// Suites of Debian, without `-updates` and the like.
const SUITES: &[&str] = &[
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// One source as apt knows it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Source {
    urls: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: String,
}

/// Archive and URL of every usable source of the system at `root`, in apt's order.
pub fn discover(root: &Path) -> Vec<(String, String)> {
    let directory = root.join("etc/apt/sources.list.d");
    let mut paths: Vec<_> = fs::read_dir(directory)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths.insert(0, root.join("etc/apt/sources.list"));
    let sources = paths.iter().flat_map(|path| load(path));
    sources.flat_map(|source| source.archives(root)).collect()
}

fn load(path: &Path) -> Vec<Source> {
    let text = fs::read_to_string(path).unwrap_or_default();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("list") => text.lines().filter_map(parse_line).collect(),
        Some("sources") => parse_deb822(&text),
        _ => Vec::new(),
    }
}

impl Source {
    /// The archives that this source serves.
    fn archives(&self, root: &Path) -> Vec<(String, String)> {
        let urls = || self.urls.iter().filter_map(|url| follow(url, root));
        let named = self.suites.iter().filter_map(|suite| self.archive(suite));
        named
            .flat_map(|name| urls().map(move |url| (name.to_owned(), url)))
            .collect()
    }

    fn archive(&self, suite: &str) -> Option<&'static str> {
        let foreign_key = !self.signed_by.is_empty() && !self.signed_by.contains("debian-archive");
        if foreign_key || !self.components.iter().any(|name| name == "main") {
            return None;
        }
        let release = suite.split(['-', '/']).next()?;
        let security = suite.ends_with("-security") || suite.ends_with("/updates");
        let name = if security {
            "debian-security"
        } else {
            "debian"
        };
        SUITES.contains(&release).then_some(name)
    }
}

/// The URL itself, or the first one in the list that `mirror+file:` points to.
fn follow(url: &str, root: &Path) -> Option<String> {
    let is_http = |url: &&str| url.starts_with("http://") || url.starts_with("https://");
    let Some(list) = url.strip_prefix("mirror+file:") else {
        return Some(url).filter(is_http).map(str::to_owned);
    };
    let text = fs::read_to_string(root.join(list.trim_start_matches('/'))).ok()?;
    let mut first = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    first.find(is_http).map(str::to_owned)
}

fn parse_line(line: &str) -> Option<Source> {
    let mut rest = line.trim().strip_prefix("deb ")?.trim_start();
    let mut signed_by = String::new();
    if let Some(options) = rest.strip_prefix('[') {
        let (inside, behind) = options.split_once(']')?;
        let mut words = inside.split_whitespace();
        signed_by = words
            .find_map(|word| word.strip_prefix("signed-by="))
            .unwrap_or_default()
            .to_owned();
        rest = behind;
    }
    let rest = rest.split('#').next()?;
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        urls: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by,
    })
}

fn parse_deb822(text: &str) -> Vec<Source> {
    let stanzas = deb822::stanzas(text).unwrap_or_default();
    let usable = stanzas.iter().filter(|stanza| {
        let is = |name, wanted| deb822::value(stanza, name) == Some(wanted);
        deb822::value(stanza, "Types").is_some_and(|t| t.split(' ').any(|word| word == "deb"))
            && !is("Enabled", "no")
    });
    let words = |stanza, name| {
        let value = deb822::value(stanza, name).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    };
    usable
        .map(|stanza| Source {
            urls: words(stanza, "URIs"),
            suites: words(stanza, "Suites"),
            components: words(stanza, "Components"),
            signed_by: deb822::value(stanza, "Signed-By")
                .unwrap_or_default()
                .to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::discover;

    /// Name and content of each file below `etc/apt`, and what is found.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)]);

    const CASES: &[Case<'_>] = &[
        (&[], &[]),
        (
            &[(
                "sources.list",
                "# deb http://no.test/debian trixie main\n\
                 deb http://a.test/debian bookworm main contrib # near\n\
                 deb-src http://src.test/debian bookworm main\n\
                 deb [arch=amd64] http://b.test/debian bookworm main\n\
                 deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
                 https://s.test/security bookworm-security main\n",
            )],
            &[
                ("debian", "http://a.test/debian"),
                ("debian", "http://b.test/debian"),
                ("debian-security", "https://s.test/security"),
            ],
        ),
        (
            &[
                (
                    "sources.list.d/debian.sources",
                    "Types: deb deb-src\nURIs: mirror+file:///etc/apt/near.list\n\
                 Suites: trixie trixie-updates\nComponents: main\n\n\
                 Types: deb\nEnabled: no\nURIs: http://off.test\nSuites: trixie\nComponents: main\n",
                ),
                ("near.list", "http://near.test/debian priority:1\n"),
            ],
            &[
                ("debian", "http://near.test/debian"),
                ("debian", "http://near.test/debian"),
            ],
        ),
        (
            &[(
                "sources.list.d/vendor.list",
                "deb https://v.test/linux/debian bookworm stable\n\
                 deb [signed-by=/v.gpg] https://w.test/ bookworm main\n\
                 deb http://u.test/ubuntu noble main\n",
            )],
            &[],
        ),
    ];

    #[test]
    fn only_the_archives_of_debian_are_found() {
        for (files, expected) in CASES {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("etc/apt/sources.list.d")).unwrap();
            for (name, text) in *files {
                fs::write(root.path().join("etc/apt").join(name), text).unwrap();
            }
            let found = discover(root.path());
            let found: Vec<_> = found
                .iter()
                .map(|(a, u)| (a.as_str(), u.as_str()))
                .collect();
            assert_eq!(found, *expected);
        }
    }
}
