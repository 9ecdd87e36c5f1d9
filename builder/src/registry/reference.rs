//! `repository[:tag][@digest]`: what an image is called.

use std::{fmt, str::FromStr};

use bedplate_contract::Digest;

/// Longest name of a repository with its host (distribution, reference grammar: `NameTotalLengthMax`).
const LONGEST_NAME: usize = 255;
/// Longest tag (distribution-spec 1.1, "Pulling manifests").
const LONGEST_TAG: usize = 128;

/// The name of an image.
///
/// Source: distribution-spec 1.1, "Pulling manifests", and the grammar of the reference
/// implementation: a first component with `.` or `:`, or `localhost`, is the host of a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// `host[:port]`, when the reference names its registry itself.
    pub registry: Option<String>,
    /// Path of the repository, such as `grafana/grafana`.
    pub repository: String,
    /// Tag, when there is one.
    pub tag: Option<String>,
    /// Digest of the manifest or index, when there is one; it decides over the tag.
    pub digest: Option<Digest>,
}

/// A text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `repository[:tag][@sha256:…]`, found {what} in `{text}`")]
pub struct ReferenceError {
    what: &'static str,
    text: String,
}

impl Reference {
    /// What a registry is asked for: the digest, else the tag, else `latest`.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let refuse = |what| ReferenceError {
            what,
            text: text.to_owned(),
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = digest.parse().map_err(|_| refuse("another digest"))?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        let (name, tag) = split_tag(name);
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refuse("a bad tag"));
        }
        let (registry, repository) = split_registry(name);
        if registry.is_some_and(|host| !is_registry(host)) {
            return Err(refuse("a bad host"));
        }
        if name.len() > LONGEST_NAME || !repository.split('/').all(is_component) {
            return Err(refuse("a bad repository"));
        }
        Ok(Self {
            registry: registry.map(str::to_owned),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// A `:` past the last `/` begins a tag; one before it a port.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}

fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        _ => (None, name),
    }
}

/// `host[:port]`, where a host is a name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let is_host = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty()
            && label.chars().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label)
}

/// Lower-case letters and digits, in groups that are joined by `.`, `_`, `__` or any number of `-`.
pub(super) fn is_component(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let joints = text.split(plain).filter(|joint| !joint.is_empty());
    let mut joints = joints.map(|j| matches!(j, "." | "_" | "__") || j.bytes().all(|b| b == b'-'));
    text.starts_with(plain) && text.ends_with(plain) && joints.all(|fits| fits)
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(word)
        && text.len() <= LONGEST_TAG
        && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_have_parts() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, registry, repository, selector) in [
            ("redis", None, "redis", "latest"),
            ("grafana/grafana:12.0.2", None, "grafana/grafana", "12.0.2"),
            ("localhost/a:1", Some("localhost"), "a", "1"),
            (
                "localhost:5000/a/b",
                Some("localhost:5000"),
                "a/b",
                "latest",
            ),
            ("[::1]:5000/a", Some("[::1]:5000"), "a", "latest"),
            (
                "r.example.org/a__b/c-d:x",
                Some("r.example.org"),
                "a__b/c-d",
                "x",
            ),
            (&format!("a:1@{digest}"), None, "a", digest.as_str()),
        ] {
            let found: Reference = text.parse().unwrap();
            assert_eq!(found.registry.as_deref(), registry, "{text}");
            assert_eq!(found.repository, repository, "{text}");
            assert_eq!(found.selector(), selector, "{text}");
            assert_eq!(found.to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "A",
            "a/",
            "/a",
            "a//b",
            "a:",
            "a:-x",
            "a@md5:0",
            "a@",
            "a b",
            "a.",
            "a._b",
            "..",
            "a/../b",
            "x_.y/z/",
            "ex_ample.org/a",
            "localhost:0/a",
            "localhost:x/a",
            "[::x]:1/a",
            "https://a/b",
            "a:b/c:d:e",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        assert!("a/".repeat(200).parse::<Reference>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "[a-z.:/@_-]{0,24}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string(), text);
                prop_assert!(!reference.repository.contains(".."));
            }
        }
    }
}
