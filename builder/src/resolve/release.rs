//! The verified text of a `Release` file: which indexes there are, until when it counts.
//!
//! Source: Debian repository format, "Release files".

use bedplate_contract::Digest;

use super::{date, deb822};
use crate::definition::Repository;

/// Why a release does not count.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Not the format.
    #[error("cannot parse the release file of `{subject}`")]
    Syntax {
        /// Archive and suite.
        subject: String,
        /// Cause.
        #[source]
        source: deb822::SyntaxError,
    },
    /// A field is missing or unreadable.
    #[error("the release file of `{subject}` has a bad field `{field}`: `{found}`")]
    Field {
        /// Archive and suite.
        subject: String,
        /// Field name.
        field: &'static str,
        /// Value found, empty when missing.
        found: String,
    },
    /// Past its `Valid-Until`.
    #[error(
        "the release file of `{subject}` expired: it was valid until `{valid_until}`; the mirror is \
         stale or replays an old state"
    )]
    Expired {
        /// Archive and suite.
        subject: String,
        /// As written.
        valid_until: String,
    },
    /// Dated in the future.
    #[error(
        "the release file of `{subject}` is dated `{date}`, which is in the future; check the clock"
    )]
    Future {
        /// Archive and suite.
        subject: String,
        /// As written.
        date: String,
    },
    /// Another suite than the one asked for.
    #[error("expected suite `{expected}` of `{archive}`, found `{found}`")]
    WrongSuite {
        /// Archive.
        archive: String,
        /// Suite asked for.
        expected: String,
        /// Suite and code name in the file.
        found: String,
    },
    /// No index of a component.
    #[error("`{subject}` has no component `{component}` for amd64")]
    NoComponent {
        /// Archive and suite.
        subject: String,
        /// Component asked for.
        component: String,
    },
}

/// A release file that was verified.
#[derive(Debug)]
pub struct Release<'a> {
    subject: String,
    stanza: Vec<deb822::Field<'a>>,
}

/// One index file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    /// Path below `dists/<suite>/`.
    pub path: String,
    /// SHA-256.
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
    /// Whether the mirror also serves it by its digest, which no update can pull away.
    pub by_hash: bool,
}

/// A clock tolerance for `Date`: hosts are rarely wrong by more, and replay is not its concern.
const CLOCK_SKEW_SECS: u64 = 24 * 3600;

/// Compressions of an index that are understood, best first.
const COMPRESSIONS: [&str; 3] = [".xz", ".gz", ""];

impl<'a> Release<'a> {
    /// Reads the verified `text` and checks that it is what `repository` asks for at `now`.
    ///
    /// # Errors
    /// Wrong suite, expired, dated in the future, or not the format.
    pub fn parse(text: &'a str, repository: &Repository, now: u64) -> Result<Self, ReleaseError> {
        let subject = format!("{} {}", repository.archive, repository.suite);
        let mut stanzas = deb822::stanzas(text).map_err(|source| ReleaseError::Syntax {
            subject: subject.clone(),
            source,
        })?;
        let stanza = if stanzas.is_empty() {
            Vec::new()
        } else {
            stanzas.swap_remove(0)
        };
        let release = Self { subject, stanza };
        release.check_suite(repository)?;
        release.check_dates(now)?;
        Ok(release)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        deb822::value(&self.stanza, name)
    }

    fn check_suite(&self, repository: &Repository) -> Result<(), ReleaseError> {
        let names = [self.value("Suite"), self.value("Codename")];
        if names.contains(&Some(repository.suite.as_str())) {
            return Ok(());
        }
        Err(ReleaseError::WrongSuite {
            archive: repository.archive.clone(),
            expected: repository.suite.clone(),
            found: names.into_iter().flatten().collect::<Vec<_>>().join("/"),
        })
    }

    fn check_dates(&self, now: u64) -> Result<(), ReleaseError> {
        let written = self.date("Date")?;
        let subject = || self.subject.clone();
        if let Some((date, _)) = written.filter(|(_, at)| *at > now + CLOCK_SKEW_SECS) {
            let date = date.to_owned();
            return Err(ReleaseError::Future {
                subject: subject(),
                date,
            });
        }
        if let Some((until, _)) = self.date("Valid-Until")?.filter(|(_, at)| *at < now) {
            let valid_until = until.to_owned();
            return Err(ReleaseError::Expired {
                subject: subject(),
                valid_until,
            });
        }
        match written {
            Some(_) => Ok(()),
            None => Err(self.bad_field("Date", "")),
        }
    }

    fn date(&self, field: &'static str) -> Result<Option<(&'a str, u64)>, ReleaseError> {
        let Some(text) = self.value(field) else {
            return Ok(None);
        };
        let at = date::parse(text).ok_or_else(|| self.bad_field(field, text))?;
        Ok(Some((text, at)))
    }

    fn bad_field(&self, field: &'static str, found: &str) -> ReleaseError {
        ReleaseError::Field {
            subject: self.subject.clone(),
            field,
            found: found.to_owned(),
        }
    }

    /// The `Packages` files of `component` for amd64, each in its best compression.
    ///
    /// Packages for all architectures are in the amd64 index or, where the release says so, in one
    /// of their own.
    ///
    /// # Errors
    /// There is none, or the list of files is damaged.
    pub fn indexes(&self, component: &str) -> Result<Vec<IndexFile>, ReleaseError> {
        // Debian's security archive writes `updates/main` where everybody asks for `main`.
        let component = component.rsplit('/').next().unwrap_or(component);
        let separate_all = self
            .value("Architectures")
            .is_some_and(|list| list.split_whitespace().any(|name| name == "all"))
            && self.value("No-Support-for-Architecture-all") != Some("Packages");
        let mut found = Vec::new();
        found.extend(self.index(component, "amd64")?);
        if separate_all {
            found.extend(self.index(component, "all")?);
        }
        if found.is_empty() {
            return Err(ReleaseError::NoComponent {
                subject: self.subject.clone(),
                component: component.to_owned(),
            });
        }
        Ok(found)
    }

    fn index(
        &self,
        component: &str,
        architecture: &str,
    ) -> Result<Option<IndexFile>, ReleaseError> {
        let base = format!("{component}/binary-{architecture}/Packages");
        let mut best: Option<(usize, &str)> = None;
        for line in self.value("SHA256").unwrap_or_default().lines() {
            let path = line.rsplit(' ').next().unwrap_or_default();
            let Some(extension) = path.strip_prefix(base.as_str()) else {
                continue;
            };
            let rank = COMPRESSIONS.iter().position(|known| *known == extension);
            if let Some(rank) = rank.filter(|rank| best.is_none_or(|(least, _)| *rank < least)) {
                best = Some((rank, line));
            }
        }
        best.map(|(_, line)| self.index_file(line)).transpose()
    }

    fn index_file(&self, line: &str) -> Result<IndexFile, ReleaseError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let bad = || self.bad_field("SHA256", line);
        let [digest, size, path] = words[..] else {
            return Err(bad());
        };
        Ok(IndexFile {
            path: path.to_owned(),
            sha256: Digest::from_hex(digest).map_err(|_| bad())?,
            size: size.parse().map_err(|_| bad())?,
            by_hash: self.value("Acquire-By-Hash") == Some("yes"),
        })
    }
}

impl IndexFile {
    /// Where the file is fetched from, below `dists/<suite>/`.
    pub fn fetch_path(&self) -> String {
        let directory = self
            .path
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        if self.by_hash {
            format!("{directory}/by-hash/SHA256/{}", self.sha256.hex())
        } else {
            self.path.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Release, Repository};

    const NOW: u64 = 1_789_199_741;

    fn repository(suite: &str) -> Repository {
        Repository {
            archive: "debian".into(),
            suite: suite.into(),
            components: vec!["main".into()],
            keyring: "keyring.gpg".into(),
            url: None,
        }
    }

    fn text(extra: &str) -> String {
        let digest = "ab".repeat(32);
        format!(
            "Suite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n{extra}\
             Architectures: all amd64\nSHA256:\n {digest} 9 main/binary-amd64/Packages.gz\n \
             {digest} 7 main/binary-amd64/Packages.xz\n {digest} 5 main/binary-all/Packages\n"
        )
    }

    #[test]
    fn the_best_index_of_each_architecture_is_found() {
        let both = text("Acquire-By-Hash: yes\n");
        let release = Release::parse(&both, &repository("trixie"), NOW).unwrap();
        let files = release.indexes("main").unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            ["main/binary-amd64/Packages.xz", "main/binary-all/Packages"]
        );
        assert!(
            files[0]
                .fetch_path()
                .starts_with("main/binary-amd64/by-hash/SHA256/abab")
        );
        assert!(release.indexes("contrib").is_err());

        let one = text("No-Support-for-Architecture-all: Packages\n");
        let release = Release::parse(&one, &repository("stable"), NOW).unwrap();
        let files = release.indexes("main").unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].fetch_path(), files[0].path);
    }

    #[test]
    fn wrong_and_stale_releases_are_refused() {
        for (suite, extra, now, expected) in [
            ("forky", "", NOW, "expected suite `forky`"),
            (
                "trixie",
                "Valid-Until: Sun, 13 Sep 2026 07:55:41 UTC\n",
                NOW + 86_401,
                "expired",
            ),
            (
                "trixie",
                "Valid-Until: soon\n",
                NOW,
                "bad field `Valid-Until`",
            ),
            ("trixie", "", NOW - 86_401, "in the future"),
        ] {
            let text = text(extra);
            let error = Release::parse(&text, &repository(suite), now).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
