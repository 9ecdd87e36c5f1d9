//! Debian's `docker-registry` on a port of the loopback, and images to put into it.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use bedplate_contract::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{bedplate, toolbox};

/// How long the registry may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A running registry; it ends with this value.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    port: u16,
    _directory: TempDir,
}

/// What an image says of itself.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// `amd64`, or another.
    pub architecture: &'a str,
    /// `config` of its configuration.
    pub config: Value,
    /// Plain tars, the lowest first.
    pub layers: &'a [Vec<u8>],
}

impl Registry {
    /// Starts an empty one.
    ///
    /// # Errors
    /// The tools cannot be had, or it does not answer.
    pub fn start() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("bedplate-registry-")
            .tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let file = directory.path().join("config.yml");
        let root = directory.path().join("content");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n",
            root.display()
        );
        fs::write(&file, text)?;
        let child = bedplate::command()?
            .args(["tool", "docker-registry", "serve"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .context("starting docker-registry")?;
        let mut registry = Self {
            child,
            port,
            _directory: directory,
        };
        registry.wait()?;
        Ok(registry)
    }

    /// `HOST:PORT`.
    pub fn location(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Copies the image `tag` of the layout `from`, every platform of it, to `reference`: skopeo reads
    /// and verifies every blob.
    ///
    /// # Errors
    /// What skopeo says.
    pub fn push(&self, from: &Path, tag: &str, reference: &str) -> Result<()> {
        let from = format!("oci:{}:{tag}", from.display());
        let to = format!("docker://{}/{reference}", self.location());
        let words = [
            "skopeo",
            "copy",
            "--all",
            "--insecure-policy",
            "--dest-tls-verify=false",
        ];
        toolbox::succeed(&[&words[..], &[&from, &to]].concat())?;
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.answers() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("docker-registry ended with {status}");
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("docker-registry did not answer")
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.write_all(b"GET /v2/ HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains(" 200 "))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // The registry itself ends with the `bedplate tool` that started it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a layout with one index, `tag`, of `images` into the new directory `to`.
///
/// # Errors
/// A file that cannot be written.
pub fn write_layout(images: &[Facts<'_>], tag: &str, to: &Path) -> Result<()> {
    fs::create_dir_all(to.join("blobs/sha256"))?;
    fs::write(to.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let manifests = images.iter().map(|image| write_image(image, to));
    let manifests = manifests.collect::<Result<Vec<_>>>()?;
    let index = json!({"schemaVersion": 2, "manifests": manifests,
        "mediaType": "application/vnd.oci.image.index.v1+json"});
    let mut top = write_blob(
        to,
        "application/vnd.oci.image.index.v1+json",
        &encode(&index),
    )?;
    top["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    let index = json!({"schemaVersion": 2, "manifests": [top]});
    Ok(fs::write(to.join("index.json"), encode(&index))?)
}

/// Writes the blobs of an image; returns the descriptor of its manifest, with its platform.
fn write_image(image: &Facts<'_>, to: &Path) -> Result<Value> {
    let diff_ids: Vec<_> = image.layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = json!({"os": "linux", "architecture": image.architecture, "config": image.config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = write_blob(
        to,
        "application/vnd.oci.image.config.v1+json",
        &encode(&config),
    )?;
    let layer = |bytes: &Vec<u8>| write_blob(to, "application/vnd.oci.image.layer.v1.tar", bytes);
    let layers = image.layers.iter().map(layer).collect::<Result<Vec<_>>>()?;
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let mut descriptor = write_blob(to, MANIFEST, &encode(&manifest))?;
    descriptor["platform"] = json!({"os": "linux", "architecture": image.architecture});
    Ok(descriptor)
}

fn write_blob(to: &Path, kind: &str, bytes: &[u8]) -> Result<Value> {
    let digest = Digest::of(bytes);
    fs::write(to.join("blobs/sha256").join(digest.hex()), bytes)?;
    Ok(json!({"mediaType": kind, "digest": digest, "size": bytes.len()}))
}

fn encode(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// A layer with busybox and its shell: what the smallest image has.
///
/// # Errors
/// The tools cannot be had.
pub fn busybox_layer(more: &[(&str, &str)]) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let bin = directory.path().join("usr/bin");
    fs::create_dir_all(&bin)?;
    let busybox = bin.join("busybox");
    toolbox::succeed(&["cp", "/usr/bin/busybox", &busybox.display().to_string()])?;
    ensure!(busybox.is_file(), "no busybox");
    std::os::unix::fs::symlink("busybox", bin.join("httpd"))?;
    for (path, text) in more {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().context("a directory")?)?;
        fs::write(path, text)?;
    }
    tar_of(directory.path())
}

/// A layer of these files.
///
/// # Errors
/// A file that cannot be written.
pub fn layer(files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().context("a directory")?)?;
        fs::write(path, text)?;
    }
    tar_of(directory.path())
}

/// Debian's tar archives it: a writer that is not ours.
fn tar_of(directory: &Path) -> Result<Vec<u8>> {
    let out = tempfile::NamedTempFile::new()?;
    let (to, from) = (
        out.path().display().to_string(),
        directory.display().to_string(),
    );
    let words = [
        "tar",
        "--create",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--mtime=@0",
    ];
    toolbox::succeed(&[&words[..], &["--file", &to, "--directory", &from, "."]].concat())?;
    Ok(fs::read(out.path())?)
}
