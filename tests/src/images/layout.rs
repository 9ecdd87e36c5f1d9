//! What an OCI layout holds: layers, and a few files of the topmost of them.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bedplate_contract::{Appliance, layout};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

/// dpkg's list of what is installed.
const STATUS: &str = "var/lib/dpkg/status";

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// `sha256:…` of the compressed layer.
    pub digest: String,
    /// Where it lies, as long as the output of its pair is there.
    pub path: PathBuf,
    /// Compressed bytes.
    pub bytes: u64,
}

/// The layers of the one image of a layout, the lowest first.
pub(super) fn layers(layout: &Path) -> Result<Vec<Layer>> {
    let index = json(&layout.join("index.json"))?;
    let manifests = index["manifests"].as_array().context("`manifests`")?;
    let image = manifests.iter().find(|m| m["artifactType"].is_null());
    let manifest = json(&blob(layout, &image.context("an image")?["digest"])?)?;
    let layers = manifest["layers"].as_array().context("`layers`")?;
    let read = |layer: &Value| {
        Ok(Layer {
            digest: layer["digest"].as_str().context("a digest")?.to_owned(),
            path: blob(layout, &layer["digest"])?,
            bytes: layer["size"].as_u64().context("a size")?,
        })
    };
    layers.iter().map(read).collect()
}

fn blob(layout: &Path, digest: &Value) -> Result<PathBuf> {
    let digest = digest.as_str().context("a digest")?;
    Ok(layout.join("blobs").join(digest.replace(':', "/")))
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("reading `{}`", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("parsing `{}`", path.display()))
}

/// How many packages dpkg has installed.
pub(super) fn packages(layers: &[Layer]) -> Result<usize> {
    let status = topmost(layers, STATUS)?.unwrap_or_default();
    let installed = |line: &&str| *line == "Status: install ok installed";
    Ok(status.lines().filter(installed).count())
}

/// How many services the appliance has.
pub(super) fn services(layers: &[Layer]) -> Result<usize> {
    let path = layout::APPLIANCE.trim_start_matches('/');
    let document = topmost(layers, path)?.context("no appliance in the image")?;
    Ok(Appliance::parse(&document)?.services.len())
}

/// The text of a file as the whole image has it.
fn topmost(layers: &[Layer], path: &str) -> Result<Option<String>> {
    for layer in layers.iter().rev() {
        let mut archive = open(&layer.path)?;
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry.path()?.strip_prefix("./").unwrap_or(&entry.path()?) == Path::new(path) {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                return Ok(Some(text));
            }
        }
    }
    Ok(None)
}

/// A layer as an archive.
pub(super) fn open(path: &Path) -> Result<tar::Archive<MultiGzDecoder<File>>> {
    let file = File::open(path).with_context(|| format!("opening `{}`", path.display()))?;
    Ok(tar::Archive::new(MultiGzDecoder::new(file)))
}
