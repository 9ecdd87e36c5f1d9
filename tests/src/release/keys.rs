//! Keys that sign nothing but test images.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result};

use crate::bedplate;

/// Two keys that every release trusts, and one that none does; each with its public half beside it,
/// as `bedplate key generate` names it.
#[derive(Debug)]
pub struct Keys {
    /// A trusted private key.
    pub first: PathBuf,
    /// Another.
    pub second: PathBuf,
    /// A private key that nobody trusts.
    pub stranger: PathBuf,
}

impl Keys {
    /// The public half of a key.
    pub fn public(private: &Path) -> PathBuf {
        private.with_extension("pub")
    }
}

/// The keys; made by the first test that ever asks in this target directory, for a new key makes
/// every image anew.
///
/// # Errors
/// They cannot be made.
pub fn keys() -> Result<&'static Keys> {
    static KEYS: OnceLock<Result<Keys, String>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    keys.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn make() -> Result<Keys> {
    let directory = bedplate::workspace().join("target/test-keys");
    fs::create_dir_all(&directory)?;
    let key = |name| key(&directory, name);
    Ok(Keys {
        first: key("first")?,
        second: key("second")?,
        stranger: key("stranger")?,
    })
}

fn key(directory: &Path, name: &str) -> Result<PathBuf> {
    let path = directory.join(format!("{name}.key"));
    if !path.exists() {
        let scratch = tempfile::tempdir_in(directory)?;
        let new = scratch.path().join(name);
        let new = new.to_str().context("a path in UTF-8")?;
        bedplate::succeed(&["key", "generate", new])?;
        // The private half last: it says that both are there.
        for extension in ["pub", "key"] {
            let file = format!("{name}.{extension}");
            fs::rename(scratch.path().join(&file), directory.join(&file))?;
        }
    }
    Ok(path)
}
