//! `HOST[:PORT][/prefix]`: where a registry is.

use std::{fmt, str::FromStr};

use super::reference::{is_component, is_registry};

/// A registry, and what stands before the repositories in it.
///
/// Plain HTTP on the loopback alone: there nobody listens in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    host: String,
    prefix: String,
}

impl Location {
    /// `host[:port]`, as credentials are kept under.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The URL of `path` in `repository`, such as `manifests/1.0`.
    ///
    /// Source: distribution-spec 1.1, "Endpoints".
    pub fn url(&self, repository: &str, path: &str) -> String {
        let Self { host, prefix } = self;
        let scheme = if self.is_loopback() { "http" } else { "https" };
        format!("{scheme}://{host}/v2/{prefix}{repository}/{path}")
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, prefix) = match text.split_once('/') {
            Some((host, prefix)) => (host, prefix.trim_end_matches('/')),
            None => (text, ""),
        };
        let fits = prefix.is_empty() || prefix.split('/').all(is_component);
        if !is_registry(host) || !fits {
            return Err(format!("expected `HOST[:PORT][/prefix]`, found `{text}`"));
        }
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Ok(Self {
            host: host.to_owned(),
            prefix,
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, prefix } = self;
        write!(f, "{host}/{prefix}")
    }
}

/// Whether `host`, perhaps with a port, is this machine by its very name or number (RFC 6761, 6.3).
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    let number = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || number
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_is_asked_in_the_clear() {
        for (text, url) in [
            ("localhost:5000", "http://localhost:5000/v2/a/b/tags/list"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/a/b/tags/list"),
            ("[::1]:5000", "http://[::1]:5000/v2/a/b/tags/list"),
            ("r.test", "https://r.test/v2/a/b/tags/list"),
            ("r.test:80/x/y/", "https://r.test:80/v2/x/y/a/b/tags/list"),
            (
                "localhost.evil.test",
                "https://localhost.evil.test/v2/a/b/tags/list",
            ),
        ] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.url("a/b", "tags/list"), url);
        }
        for text in [
            "",
            "http://r.test",
            "r.test/../x",
            "r.test/X",
            "user@r.test",
        ] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
