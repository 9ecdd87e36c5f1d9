//! What is asked, and where a redirect leads.

use std::net::SocketAddr;

/// A request without a body, after which the server closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: &'static str,
    /// Whom it asks.
    pub(super) address: SocketAddr,
    path: String,
}

/// Where a redirect leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To the host that was asked.
    Here(Request),
    /// To another one, by a name (PID 1 resolves none), or to TLS, which PID 1 does not speak.
    Elsewhere,
}

impl Request {
    /// `method` is `GET` or `POST`; `path` begins with `/`.
    pub fn new(method: &'static str, address: SocketAddr, path: &str) -> Self {
        Self {
            method,
            address,
            path: path.to_owned(),
        }
    }

    /// HTTP/1.1 (RFC 9112).
    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self {
            method,
            address,
            path,
        } = self;
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bedplate\r\nAccept: */*\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .into_bytes()
    }

    /// A `POST` is not made twice.
    pub(super) fn follows(&self) -> bool {
        self.method == "GET"
    }

    /// Where the `Location` of an answer leads (RFC 3986, 5.2, as far as servers use it).
    pub(super) fn target(&self, location: &str) -> Target {
        let (location, _) = location.split_once('#').unwrap_or((location, ""));
        if location.contains(char::is_whitespace) || location.contains(char::is_control) {
            return Target::Elsewhere;
        }
        if let Some(rest) = strip_scheme(location).or_else(|| location.strip_prefix("//")) {
            return self.absolute(rest);
        }
        let has_scheme = location
            .split(['/', '?'])
            .next()
            .is_some_and(|first| first.contains(':'));
        if has_scheme {
            return Target::Elsewhere;
        }
        let path = match location {
            path if path.starts_with('/') => path.to_owned(),
            query if query.starts_with('?') => format!("{}{query}", self.without_query()),
            relative => format!("{}{relative}", self.directory()),
        };
        Target::Here(Self {
            path,
            ..self.clone()
        })
    }

    /// `host[:port][/path]`, where the port may be another one of the same host.
    fn absolute(&self, rest: &str) -> Target {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let address = authority.parse().ok().or_else(|| {
            let host = authority.trim_start_matches('[').trim_end_matches(']');
            host.parse().ok().map(|ip| SocketAddr::new(ip, 80))
        });
        let path = match path {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        match address {
            Some(address) if address.ip() == self.address.ip() => Target::Here(Self {
                method: self.method,
                address,
                path,
            }),
            _ => Target::Elsewhere,
        }
    }

    fn without_query(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The path up to its last slash, that included.
    fn directory(&self) -> &str {
        let path = self.without_query();
        path.rfind('/')
            .and_then(|at| path.get(..=at))
            .unwrap_or("/")
    }
}

/// What follows `http://`, in whatever case.
fn strip_scheme(location: &str) -> Option<&str> {
    let (scheme, rest) = location.split_at_checked("http://".len())?;
    scheme.eq_ignore_ascii_case("http://").then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let request = Request::new("GET", address, "/a/health?q=1");
        for (location, expected) in [
            ("/b", Some("127.0.0.1:8080/b")),
            ("b#part", Some("127.0.0.1:8080/a/b")),
            ("?q=2", Some("127.0.0.1:8080/a/health?q=2")),
            ("./b:c", Some("127.0.0.1:8080/a/./b:c")),
            ("http://127.0.0.1:8080/b", Some("127.0.0.1:8080/b")),
            ("HTTP://127.0.0.1:81?x", Some("127.0.0.1:81/?x")),
            ("//127.0.0.1/b", Some("127.0.0.1:80/b")),
            ("https://127.0.0.1:8080/b", None),
            ("http://localhost:8080/b", None),
            ("http://10.0.0.1:8080/b", None),
            ("mailto:a@b", None),
            ("/b HTTP/1.1\r\nX: y", None),
        ] {
            let found = match request.target(location) {
                Target::Here(Request { address, path, .. }) => Some(format!("{address}{path}")),
                Target::Elsewhere => None,
            };
            assert_eq!(found.as_deref(), expected, "{location}");
        }
        let six = Request::new("GET", "[::1]:80".parse().unwrap(), "/");
        assert!(matches!(six.target("http://[::1]/x"), Target::Here(_)));
    }
}
