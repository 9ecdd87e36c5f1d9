//! Signed versions of images, as a release engineer makes them: edited, built, signed twice.
//!
//! All trust the same two keys and want both. Every version is made once per test process; since
//! the keys stay in the target directory, the store knows most of it from the last time.

mod copy;
mod keys;

pub mod forge;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use anyhow::{Context, Result};

use crate::{artifacts::Artifacts, bedplate};

pub use copy::{Edit, copy_tree};
pub use keys::{Keys, keys};

use copy::ImageCopy;

/// What a version is made of.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    /// The image's directory, relative to the workspace.
    pub image: &'a str,
    /// Version.
    pub version: &'a str,
    /// What is changed.
    pub edits: &'a [Edit<'a>],
}

/// One version of an image for the profile `min`, signed by both keys.
#[derive(Debug)]
pub struct Release {
    /// Version.
    pub version: String,
    /// The build's output directory.
    pub directory: PathBuf,
    /// dm-verity root hash, hex.
    pub root_hash: String,
    image: ImageCopy,
}

/// Version 1.0.0 of `lab`: what machines are provisioned with.
pub const GOOD: &str = "1.0.0";
/// A good version.
pub const BETTER: &str = "1.0.1";
/// A version with a service that never gets ready.
pub const NEVER_READY: &str = "1.0.2";
/// A version whose kernel panics while its services start.
pub const PANICS: &str = "1.0.3";
/// A version whose PID 1 hangs while its services start.
pub const HANGS: &str = "1.0.4";
/// A version that is never ready, and leaves data with which no version is.
pub const SPOILS: &str = "1.0.5";

/// Long enough for two machines at once on two cores, short enough to be waited for.
const DEADLINE: Edit<'_> = Edit::Replace {
    file: "image.toml",
    from: "deadline = \"2m\"",
    to: "deadline = \"45s\"",
};

/// A good version that has much which no other has.
pub const LARGER: &str = "1.0.6";
/// Bytes of that: several times what the updater keeps back from the medium, and still in a slot.
const MUCH: usize = 24 << 20;

/// A version of `lab`; what is wrong with it follows from its number.
///
/// # Errors
/// It cannot be built or signed.
pub fn lab(version: &str) -> Result<Arc<Release>> {
    let variant = match version {
        NEVER_READY => Some("never-ready"),
        PANICS => Some("panics"),
        HANGS => Some("hangs"),
        SPOILS => Some("spoils"),
        _ => None,
    };
    let path = variant.map(|name| format!("tests/images/lab/variants/{name}.toml"));
    let mut edits = vec![DEADLINE];
    edits.extend(path.as_deref().map(Edit::AppendFile));
    if version == LARGER {
        edits.push(Edit::Ballast(MUCH));
    }
    Release::make(Recipe {
        image: "tests/images/lab",
        version,
        edits: &edits,
    })
}

impl Release {
    /// The version that `recipe` says, made by the first who asks.
    ///
    /// # Errors
    /// It cannot be built or signed.
    pub fn make(recipe: Recipe<'_>) -> Result<Arc<Self>> {
        let made = slot(&format!("{} {}", recipe.image, recipe.version));
        let made = made.get_or_init(|| match Self::build(recipe) {
            Ok(release) => Ok(Arc::new(release)),
            Err(error) => Err(format!("{error:#}")),
        });
        made.clone().map_err(|error| anyhow::anyhow!(error))
    }

    fn build(recipe: Recipe<'_>) -> Result<Self> {
        let keys = keys()?;
        let image = ImageCopy::new(recipe.image, recipe.edits, keys)?;
        let mut release = Self {
            version: recipe.version.to_owned(),
            directory: PathBuf::new(),
            root_hash: String::new(),
            image,
        };
        let mut build = vec![OsString::from("build")];
        build.extend(release.arguments());
        build.extend(["--print", "directory"].map(OsString::from));
        let directory = bedplate::succeed(&build)?;
        let artifacts = Artifacts::of(bedplate::workspace().join(directory.trim()))?;
        release.directory = artifacts.directory;
        release.root_hash = artifacts.root_hash;
        for key in [&keys.first, &keys.second] {
            release.sign(key)?;
        }
        Ok(release)
    }

    fn sign(&self, key: &Path) -> Result<()> {
        let sign = [OsString::from("sign"), self.directory.clone().into()];
        let with = [
            OsString::from("--key"),
            key.into(),
            OsString::from("--attach"),
        ];
        bedplate::succeed(&[sign.as_slice(), &with].concat())?;
        Ok(())
    }

    /// Image and options, as every verb takes them.
    pub fn arguments(&self) -> Vec<OsString> {
        let image = OsString::from(self.image.path());
        let options = ["--profile", "min", "--version", &self.version, "--out"];
        let options = options.map(OsString::from);
        let out = OsString::from(bedplate::workspace().join("target/test-out"));
        [&[image], options.as_slice(), &[out]].concat()
    }

    /// The UKI.
    ///
    /// # Errors
    /// The build's document does not name it.
    pub fn uki(&self) -> Result<PathBuf> {
        let artifacts = Artifacts::of(self.directory.clone())?;
        Ok(self.directory.join(artifacts.uki))
    }

    /// The bundle's OCI layout.
    pub fn bundle(&self) -> PathBuf {
        self.directory.join("bundle")
    }

    /// The bundle as one file, for a machine's second disk.
    ///
    /// # Errors
    /// It cannot be published.
    pub fn publish_file(&self, to: &Path) -> Result<()> {
        publish(&[self], &format!("file:{}", to.display()))
    }
}

/// Publishes releases.
///
/// # Errors
/// `bedplate publish` fails.
pub fn publish(releases: &[&Release], target: &str) -> Result<()> {
    let mut arguments = vec![OsString::from("publish")];
    arguments.extend(
        releases
            .iter()
            .map(|release| release.directory.clone().into()),
    );
    arguments.push(target.into());
    bedplate::succeed(&arguments).with_context(|| format!("publishing to `{target}`"))?;
    Ok(())
}

type Made = Arc<OnceLock<Result<Arc<Release>, String>>>;

/// Where the release of that name is, or will be.
fn slot(name: &str) -> Made {
    static RELEASES: Mutex<BTreeMap<String, Made>> = Mutex::new(BTreeMap::new());
    // Nothing in here is left half changed by a test that fails.
    let mut releases = RELEASES.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(releases.entry(name.to_owned()).or_default())
}
