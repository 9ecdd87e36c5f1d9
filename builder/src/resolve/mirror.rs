//! Archive name → base URL.
//!
//! In order of preference: `--mirror`, the user's configuration, the URL a definition names, and
//! the host's own apt sources. No mirror is compiled in, and none enters a lock.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::apt_sources;
use crate::definition::{Definition, Repository};

/// Why no URL is known.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Nothing names the archive.
    #[error(
        "no mirror is known for the archive `{archive}`; name one with `--mirror {archive}=URL`, \
         or as `{archive} = \"URL\"` under `[mirror]` in `{}`",
        config.display()
    )]
    Unknown {
        /// Archive wanted.
        archive: String,
        /// Where the user's configuration would lie.
        config: PathBuf,
    },
    /// A URL that is not one.
    #[error("expected a mirror as `NAME=http(s)://…`, found `{found}`")]
    BadUrl {
        /// As given.
        found: String,
    },
    /// The configuration cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The configuration is no TOML or has unknown keys.
    #[error("cannot parse `{}`", path.display())]
    Parse {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Box<toml::de::Error>,
    },
}

/// The URLs known on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Archive → URL without trailing slash.
    urls: BTreeMap<String, String>,
    /// The same from the host's apt sources, asked last.
    hints: BTreeMap<String, String>,
}

/// `config.toml` of the user.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    mirror: BTreeMap<String, String>,
    registry: Option<String>,
}

impl Mirrors {
    /// What `overrides` (`NAME=URL`, or a bare URL for `debian`), the user's configuration and the
    /// host's apt sources name.
    ///
    /// # Errors
    /// A URL that is none, or a configuration that cannot be read. Apt sources are only a hint:
    /// what is unreadable there is passed over.
    pub fn discover(overrides: &[String]) -> Result<Self, MirrorError> {
        let mut mirrors = Self::default();
        for given in overrides {
            let (archive, url) = split_override(given);
            mirrors.add(archive, url)?;
        }
        for (archive, url) in load_config(&config_path())?.mirror {
            mirrors.add(&archive, &url)?;
        }
        for (archive, url) in apt_sources::discover(Path::new("/")) {
            mirrors.hints.entry(archive).or_insert(trimmed(&url));
        }
        Ok(mirrors)
    }

    /// Also the URLs that the repositories of `definitions` name.
    ///
    /// # Errors
    /// A URL that is none.
    pub fn with_definitions(self, definitions: &[Definition]) -> Result<Self, MirrorError> {
        self.with_repositories(definitions.iter().flat_map(|d| &d.base.repositories))
    }

    fn with_repositories<'a>(
        mut self,
        repositories: impl IntoIterator<Item = &'a Repository>,
    ) -> Result<Self, MirrorError> {
        for repository in repositories {
            let known = self.urls.contains_key(&repository.archive);
            if let Some(url) = repository.url.as_ref().filter(|_| !known) {
                self.add(&repository.archive, url)?;
            }
        }
        Ok(self)
    }

    /// Adds `url` for `archive` unless one is known already.
    ///
    /// # Errors
    /// A URL that is none.
    pub fn add(&mut self, archive: &str, url: &str) -> Result<(), MirrorError> {
        let host = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        if archive.is_empty() || host.is_none_or(str::is_empty) {
            let found = format!("{archive}={url}");
            return Err(MirrorError::BadUrl { found });
        }
        self.urls.entry(archive.to_owned()).or_insert(trimmed(url));
        Ok(())
    }

    /// The URL of `archive`, without trailing slash.
    ///
    /// # Errors
    /// None is known.
    pub fn url(&self, archive: &str) -> Result<&str, MirrorError> {
        let unknown = || MirrorError::Unknown {
            archive: archive.to_owned(),
            config: config_path(),
        };
        let known = self.urls.get(archive).or_else(|| self.hints.get(archive));
        known.map(String::as_str).ok_or_else(unknown)
    }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn split_override(given: &str) -> (&str, &str) {
    match given.split_once('=') {
        Some((archive, url)) if !archive.contains([':', '/']) => (archive, url),
        _ => ("debian", given),
    }
}

/// The registry that the user's configuration names.
///
/// # Errors
/// A configuration that cannot be read.
pub fn configured_registry() -> Result<Option<String>, MirrorError> {
    Ok(load_config(&config_path())?.registry)
}

fn config_path() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let home = || {
        set("HOME")
            .map_or(PathBuf::from("/"), PathBuf::from)
            .join(".config")
    };
    let directory = set("XDG_CONFIG_HOME").map_or_else(home, PathBuf::from);
    directory.join("bedplate/config.toml")
}

fn load_config(path: &Path) -> Result<Config, MirrorError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
        Err(source) => {
            let path = path.to_owned();
            return Err(MirrorError::Read { path, source });
        }
    };
    toml::from_str(&text).map_err(|source| MirrorError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::{Mirrors, split_override};
    use crate::definition::Repository;

    #[test]
    fn overrides_name_an_archive_or_mean_debian() {
        for (given, expected) in [
            ("http://m.test/debian", ("debian", "http://m.test/debian")),
            ("vendor=https://m.test", ("vendor", "https://m.test")),
            ("http://m.test/?a=b", ("debian", "http://m.test/?a=b")),
        ] {
            assert_eq!(split_override(given), expected);
        }
    }

    #[test]
    fn a_definition_names_a_url_that_the_user_overrides() {
        let repository = |archive: &str, url: Option<&str>| Repository {
            archive: archive.into(),
            suite: "trixie".into(),
            components: vec!["main".into()],
            keyring: "keyring.gpg".into(),
            url: url.map(Into::into),
        };
        let named = [
            repository("vendor", Some("http://v.test/deb/")),
            repository("debian", None),
        ];
        let mut mirrors = Mirrors::default();
        mirrors
            .hints
            .insert("vendor".into(), "http://hint.test".into());
        let found = mirrors.clone().with_repositories(&named).unwrap();
        assert_eq!(found.url("vendor").unwrap(), "http://v.test/deb");
        assert!(found.url("debian").is_err());
        mirrors.add("vendor", "http://user.test").unwrap();
        let found = mirrors.with_repositories(&named).unwrap();
        assert_eq!(found.url("vendor").unwrap(), "http://user.test");
        let wrong = [repository("vendor", Some("file:///srv"))];
        let error = Mirrors::default().with_repositories(&wrong).unwrap_err();
        assert!(error.to_string().contains("found `vendor=file:///srv`"));
    }

    #[test]
    fn the_first_url_of_an_archive_stays() {
        let mut mirrors = Mirrors::default();
        mirrors.add("debian", "http://a.test/debian/").unwrap();
        mirrors.add("debian", "http://b.test/debian").unwrap();
        assert_eq!(mirrors.url("debian").unwrap(), "http://a.test/debian");
        let error = mirrors.url("vendor").unwrap_err().to_string();
        assert!(error.contains("--mirror vendor=URL"), "{error}");
        assert!(mirrors.add("x", "ftp://a.test").is_err());
    }
}
