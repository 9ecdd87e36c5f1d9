//! The configuration of an image: what runs in it when nothing else is said.
//!
//! Source: image-spec 1.1, config.

use std::collections::BTreeMap;

use bedplate_contract::Digest;
use serde::Deserialize;

/// Longest value of a variable: the kernel takes none longer (execve(2), `MAX_ARG_STRLEN`).
const MAX_WORD: usize = 128 << 10;

/// What the configuration of an image says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Entry point, then command; empty when the image names neither.
    pub run: Vec<String>,
    /// Absolute directory.
    pub working_directory: Option<String>,
    /// Digests of its layers as plain tar, the lowest first.
    pub diff_ids: Vec<Digest>,
}

#[derive(Debug, Deserialize)]
struct Raw {
    architecture: String,
    os: String,
    config: Option<RawConfig>,
    rootfs: RawRoot,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawConfig {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RawRoot {
    diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Other JSON, another platform, words that no process can have.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| format!("expected the configuration of an image: {error}"))?;
        if (raw.os.as_str(), raw.architecture.as_str()) != ("linux", "amd64") {
            let (os, architecture) = (raw.os, raw.architecture);
            return Err(format!(
                "expected an image for linux/amd64, found {os}/{architecture}"
            ));
        }
        let config = raw.config.unwrap_or_default();
        let run = [config.entrypoint, config.cmd].into_iter().flatten();
        let run: Vec<_> = run.flatten().collect();
        let environment = config.env.unwrap_or_default();
        let words = run.iter().chain(&environment);
        words.map(String::as_str).try_for_each(check_word)?;
        Ok(Self {
            environment: environment
                .iter()
                .filter_map(|entry| assignment(entry))
                .collect(),
            run,
            working_directory: working_directory(config.working_dir)?,
            diff_ids: raw.rootfs.diff_ids,
        })
    }
}

fn check_word(word: &str) -> Result<(), String> {
    match word.len() < MAX_WORD && !word.contains('\0') {
        true => Ok(()),
        false => {
            Err("expected words without NUL of at most 128 KiB in its configuration".to_owned())
        }
    }
}

/// Entries without a name, or without `=`, set nothing.
fn assignment(entry: &str) -> Option<(String, String)> {
    let (name, value) = entry.split_once('=')?;
    (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

fn working_directory(found: Option<String>) -> Result<Option<String>, String> {
    let Some(path) = found.filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let inside = !path.split('/').any(|part| part == "..") && !path.contains('\0');
    match path.starts_with('/') && inside {
        true => Ok(Some(path)),
        false => Err(format!(
            "expected an absolute working directory, found `{path}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(config: &str) -> String {
        format!(
            r#"{{"os":"linux","architecture":"amd64","config":{config},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        )
    }

    #[test]
    fn entry_point_and_command_are_one_line() {
        let config = r#"{"Env":["PATH=/bin","A=b=c","=x","none"],"Entrypoint":["/run.sh"],"Cmd":["-a"],"WorkingDir":"/data","User":"472"}"#;
        let found = ImageConfig::parse(text(config).as_bytes()).unwrap();
        assert_eq!(found.run, ["/run.sh", "-a"]);
        let environment: Vec<_> = found
            .environment
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(environment, ["A=b=c", "PATH=/bin"]);
        assert_eq!(found.working_directory.as_deref(), Some("/data"));
        let none =
            ImageConfig::parse(text(r#"{"Env":null,"Cmd":null,"WorkingDir":""}"#).as_bytes());
        assert_eq!(none, Ok(ImageConfig::default()));
    }

    #[test]
    fn other_configurations_are_refused() {
        for (text, expected) in [
            (String::new(), "expected the configuration"),
            (text("{}").replace("amd64", "arm64"), "found linux/arm64"),
            (
                text(r#"{"WorkingDir":"data"}"#),
                "absolute working directory",
            ),
            (
                text(r#"{"WorkingDir":"/a/../b"}"#),
                "absolute working directory",
            ),
            (text(r#"{"Cmd":["a\u0000b"]}"#), "without NUL"),
        ] {
            let error = ImageConfig::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
