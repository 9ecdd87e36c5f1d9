//! User and password of a registry, as `docker login` and `skopeo login` keep them.
//!
//! Source: containers-auth.json(5): `{"auths": {"HOST": {"auth": base64("user:password")}}}`. Programs
//! that keep credentials elsewhere (`credHelpers`) are not asked.

use std::{
    collections::BTreeMap,
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use base64ct::{Base64, Encoding};
use serde::Deserialize;

use super::RegistryError;

/// What a registry is told of who asks: the value of `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(String);

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    auth: Option<String>,
}

impl Credentials {
    /// Those of the user for `host`; `None` when there are none.
    ///
    /// # Errors
    /// A file that is there and cannot be understood.
    pub fn of_user(host: &str) -> Result<Option<Self>, RegistryError> {
        for path in paths() {
            if let Some(found) = Self::load(&path, host)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Those for `host` in the file at `path`.
    ///
    /// # Errors
    /// As [`Self::of_user`].
    pub fn load(path: &Path, host: &str) -> Result<Option<Self>, RegistryError> {
        let failed = |what: String| RegistryError::Credentials {
            path: path.to_owned(),
            what,
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        Self::parse(&text, host).map_err(failed)
    }

    /// Those for `host` in the text of such a file.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str, host: &str) -> Result<Option<Self>, String> {
        let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let auth = file.auths.get(host).and_then(|entry| entry.auth.as_ref());
        let Some(auth) = auth else { return Ok(None) };
        let decoded = Base64::decode_vec(auth).unwrap_or_default();
        match decoded.contains(&b':') {
            true => Ok(Some(Self(format!("Basic {auth}")))),
            false => Err(format!("expected base64 of `user:password` under `{host}`")),
        }
    }

    /// The value of the header.
    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

/// A password is shown nowhere.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// In order of preference.
fn paths() -> Vec<PathBuf> {
    let set = |name| {
        let value = env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let candidates = [
        set("REGISTRY_AUTH_FILE"),
        set("XDG_RUNTIME_DIR").map(|path| path.join("containers/auth.json")),
        set("DOCKER_CONFIG").map(|path| path.join("config.json")),
        set("HOME").map(|path| path.join(".docker/config.json")),
    ];
    candidates.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_by_host() {
        let text =
            r#"{"auths":{"r.test:5000":{"auth":"dXNlcjpwYXNz"},"empty.test":{}},"credsStore":"x"}"#;
        let found = Credentials::parse(text, "r.test:5000").unwrap().unwrap();
        assert_eq!(found.header(), "Basic dXNlcjpwYXNz");
        assert_eq!(format!("{found:?}"), "Credentials(…)");
        for host in ["r.test", "empty.test"] {
            assert_eq!(Credentials::parse(text, host), Ok(None));
        }
        for text in ["", "{\"auths\":1}", r#"{"auths":{"h":{"auth":"!"}}}"#] {
            assert!(Credentials::parse(text, "h").is_err(), "{text}");
        }
    }
}
