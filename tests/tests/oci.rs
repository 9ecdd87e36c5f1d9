//! Services of container images: made here, pushed by skopeo, served by Debian's docker-registry,
//! locked, unpacked, and started.

use std::{fs, path::PathBuf, process::Output};

use anyhow::{Context, Result, ensure};
use bedplate_contract::Digest;
use bedplate_tests::{
    bedplate,
    registry::{self, Facts, Registry},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The definition in a directory of its own, and where its image comes from.
struct Scene {
    directory: TempDir,
}

impl Scene {
    fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("bedplate-oci-").tempdir()?;
        let scene = Self { directory };
        let workspace = bedplate::workspace();
        fs::create_dir(scene.path("profiles"))?;
        for (from, to) in [
            ("tests/images/stranger/image.toml", "image.toml"),
            ("profiles/min.toml", "profiles/min.toml"),
        ] {
            fs::copy(workspace.join(from), scene.path(to))?;
        }
        Ok(scene)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = bedplate::command()?;
        command.env_remove("BEDPLATE_REGISTRY");
        let command = command.current_dir(self.directory.path()).args(arguments);
        Ok(command.output()?)
    }

    /// Both outputs of a run that ends with `code`.
    fn said(&self, arguments: &[&str], code: i32) -> Result<String> {
        let output = self.run(arguments)?;
        let both = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&both).into_owned();
        let found = output.status.code();
        ensure!(
            found == Some(code),
            "{arguments:?} ended with {found:?}:\n{text}"
        );
        Ok(text)
    }

    fn lock(&self) -> Result<String> {
        Ok(fs::read_to_string(self.path("bedplate.lock"))?)
    }

    /// The image of two platforms and two layers as a layout, whose page says `text`.
    fn write_page(&self, text: &str) -> Result<PathBuf> {
        let below = registry::busybox_layer(&[("srv/www/index.html", "old"), ("srv/gone", "x")])?;
        let above = registry::layer(&[("srv/www/index.html", text), ("srv/.wh.gone", "")])?;
        let config = json!({"Env": ["PATH=/usr/bin", "COLOUR=red"], "WorkingDir": "/srv/www",
            "Entrypoint": ["httpd", "-f", "-p", "8085"]});
        let page = Facts {
            architecture: "amd64",
            config,
            layers: &[below, above],
        };
        let other = Facts {
            architecture: "arm64",
            layers: &[],
            ..page.clone()
        };
        let layout = self.path("layout");
        registry::write_layout(&[other, page], "1.0", &layout)?;
        Ok(layout)
    }

    /// A file of the root of the built image, as umoci unpacks it.
    fn unpack(&self) -> Result<PathBuf> {
        let bundle = self.path("bundle");
        let image = format!(
            "{}:1.0.0",
            self.path("out/stranger/min/1.0.0/oci").display()
        );
        let bundle_text = bundle.display().to_string();
        bedplate::succeed(&["tool", "umoci", "unpack", "--image", &image, &bundle_text])?;
        Ok(bundle.join("rootfs"))
    }
}

const BUILD: [&str; 4] = ["build", ".", "--profile", "min"];

#[test]
fn a_service_comes_from_a_registry() -> Result<()> {
    let scene = Scene::new()?;
    let left_out = "left out: page (no registry named; --registry)";
    for verb in ["check", "lock"] {
        let said = scene.said(&[verb, "."], 0)?;
        ensure!(said.contains(left_out), "{said}");
    }
    ensure!(!scene.lock()?.contains("[[oci]]"), "{}", scene.lock()?);

    let registry = Registry::start()?;
    registry.push(&scene.write_page("a page\n")?, "1.0", "test/page:1.0")?;
    let location = registry.location();
    let named = ["--registry", &location];
    let said = scene.said(&[&BUILD[..], &named, &["--locked"]].concat(), 3)?;
    ensure!(said.contains("does not pin test/page:1.0"), "{said}");
    let packages = scene.lock()?;
    let said = scene.said(&[&["lock", "."], &named[..]].concat(), 0)?;
    ensure!(said.contains("test/page:1.0: sha256:"), "{said}");
    let lock = scene.lock()?;
    ensure!(
        lock.contains("[[oci]]") && !lock.contains(&location),
        "{lock}"
    );
    ensure!(
        lock.starts_with(packages.trim_end()),
        "other packages:\n{lock}"
    );

    forget_layer(&lock)?;
    let said = scene.said(&[&BUILD[..], &["--locked"]].concat(), 1)?;
    ensure!(said.contains("is not in the store"), "{said}");
    scene.said(&[&BUILD[..], &named, &["--locked"]].concat(), 0)?;
    drop(registry);
    let said = scene.said(&[&BUILD[..], &["--locked", "--offline"]].concat(), 0)?;
    ensure!(!said.contains("left out"), "{said}");
    check_root(&scene)?;
    // The gate waits for the page.
    let run = [&BUILD[1..], &["--locked", "--story"]].concat();
    let until = ["--until", "healthy", "--accelerator", "tcg"];
    scene.said(&[&["run"], &run[..], &until].concat(), 0)?;
    Ok(())
}

/// Removes the topmost layer that `lock` pins from the store, where an earlier run of this test put it.
/// The one below belongs to the other test too.
fn forget_layer(lock: &str) -> Result<()> {
    let lock: toml::Table = toml::from_str(lock)?;
    let layers = lock["oci"][0]["layers"].as_array().context("layers")?;
    let store = match std::env::var_os("BEDPLATE_STORE") {
        Some(store) => PathBuf::from(store),
        None => bedplate::workspace().join("target/test-store"),
    };
    let layer = layers.last().context("a layer")?;
    let digest: Digest = layer["digest"].as_str().context("a digest")?.parse()?;
    let path = store.join("blobs").join(digest.hex());
    match path.exists() {
        true => Ok(fs::remove_file(path)?),
        false => Ok(()),
    }
}

fn check_root(scene: &Scene) -> Result<()> {
    let root = scene.unpack()?;
    let image = root.join("usr/lib/bedplate/oci/page");
    ensure!(
        fs::read_to_string(image.join("srv/www/index.html"))? == "a page\n",
        "old page"
    );
    ensure!(!image.join("srv/gone").exists(), "not deleted");
    for point in ["proc", "var/lib/page", "etc/page", "etc/resolv.conf"] {
        ensure!(image.join(point).exists(), "no {point}");
    }
    ensure!(
        fs::read_to_string(root.join("etc/page/greeting"))? == "with a page",
        "greeting"
    );
    let document = fs::read_to_string(root.join("usr/lib/bedplate/appliance.json"))?;
    let document: Value = serde_json::from_str(&document)?;
    let services = document["services"].as_array().context("services")?;
    let page = services
        .iter()
        .find(|s| s["name"] == "page")
        .context("page")?;
    ensure!(
        page["run"] == json!(["/usr/bin/httpd", "-f", "-p", "8085"]),
        "{page}"
    );
    ensure!(page["root"] == "/usr/lib/bedplate/oci/page", "{page}");
    ensure!(page["working_directory"] == "/srv/www", "{page}");
    ensure!(
        page["environment"] == json!({"PATH": "/usr/bin", "COLOUR": "green"}),
        "{page}"
    );
    let mounts = json!([
        {"source": "/etc/page", "target": "/etc/page", "writable": false, "executable": false},
        {"source": "/data", "target": "/var/lib/page", "writable": true, "executable": false},
    ]);
    ensure!(page["mounts"] == mounts, "{page}");
    Ok(())
}

#[test]
fn a_layout_and_a_tree_need_no_registry() -> Result<()> {
    let scene = Scene::new()?;
    let layout = scene.write_page("another page\n")?;
    let definition = fs::read_to_string(scene.path("image.toml"))?;
    let tree = "\n[[tree]]\npath = \"/srv/page\"\noci = \"page\"\nfrom = \"/srv/www\"\nowner = \"stranger\"\n";
    fs::write(scene.path("image.toml"), definition + tree)?;
    let said = scene.said(&["check", "."], 2)?;
    ensure!(said.contains("comes from the image `page`"), "{said}");
    let given = format!("page={}", layout.display());
    scene.said(&[&BUILD[..], &["--oci", &given]].concat(), 0)?;
    let root = scene.unpack()?;
    let page = fs::read_to_string(root.join("srv/page/index.html"))?;
    ensure!(page == "another page\n", "{page}");
    let said = scene.said(&["check", ".", "--oci", "pge=x"], 2)?;
    ensure!(said.contains("names no image of the definition"), "{said}");
    Ok(())
}
