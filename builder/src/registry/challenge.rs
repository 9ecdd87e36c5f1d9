//! `WWW-Authenticate`: how a registry wants to be asked.
//!
//! Source: RFC 9110, 11.6.1; the parameters of `Bearer` are those of the distribution project's token
//! authentication.

/// What an answer of 401 asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A token of a server.
    Bearer {
        /// URL of the server.
        realm: String,
        /// What the token is for.
        service: Option<String>,
        /// What it shall allow.
        scope: Option<String>,
    },
    /// User and password.
    Basic,
}

impl Challenge {
    /// Reads the header; of several challenges the first one that is known.
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let find = |name: &str| {
            let found = parameters
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        Some(Self::Bearer {
            realm: find("realm")?,
            service: find("service"),
            scope: find("scope"),
        })
    }

    /// The URL that a token comes from, for a repository that is to be pulled.
    pub fn token_url(&self, repository: &str) -> Option<String> {
        let Self::Bearer {
            realm,
            service,
            scope,
        } = self
        else {
            return None;
        };
        let pull = format!("repository:{repository}:pull");
        let scope = encode(scope.as_ref().unwrap_or(&pull));
        let mut url = format!(
            "{realm}{}scope={scope}",
            if realm.contains('?') { '&' } else { '?' }
        );
        if let Some(service) = service {
            url += &format!("&service={}", encode(service));
        }
        Some(url)
    }
}

/// `key="value", key=value`; a comma within quotes belongs to the value.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        found.push((key.trim().trim_start_matches(',').trim().to_owned(), value));
        rest = after.trim_start().trim_start_matches(',');
    }
    found
}

/// The value up to the closing quote, and what comes after it.
fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

/// Percent-encoding of a query's value (RFC 3986, 2.1 and 2.3).
fn encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.to_owned(),
                service: service.map(str::to_owned),
                scope: scope.map(str::to_owned),
            })
        };
        for (header, expected) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            ("Digest realm=\"x\"", None),
            ("Bearer service=\"x\"", None),
            ("", None),
            (
                "Bearer realm=\"https://a.test/token\",service=\"r.test\",scope=\"repository:a/b:pull,push\"",
                bearer(
                    "https://a.test/token",
                    Some("r.test"),
                    Some("repository:a/b:pull,push"),
                ),
            ),
            (
                "bearer  Realm=\"a\\\"b\" , service=x",
                bearer("a\"b", Some("x"), None),
            ),
            ("Bearer realm=\"open", bearer("open", None, None)),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn a_token_is_asked_for_what_is_pulled() {
        let challenge =
            Challenge::parse("Bearer realm=\"https://a.test/t\",service=\"my r\"").unwrap();
        let url = challenge.token_url("a/b").unwrap();
        assert_eq!(
            url,
            "https://a.test/t?scope=repository%3Aa%2Fb%3Apull&service=my%20r"
        );
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(header in "\\PC{0,80}") {
            let _ = Challenge::parse(&header);
            let _ = Challenge::parse(&format!("Bearer {header}"));
        }
    }
}
