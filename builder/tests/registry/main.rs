//! Pulls from a registry that is one, and from one that lies.

mod server;

use std::time::Duration;

use bedplate::{
    definition::OciSource,
    registry::{Origins, PinnedImage, Puller, RegistryError},
    resolve::{
        download::{Downloader, Patience},
        progress::Progress,
    },
    store::Store,
};
use bedplate_contract::Digest;

use server::{Guard, Server, Trouble};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with one image, and what it is pulled with.
struct Scene {
    server: Server,
    manifest: Vec<u8>,
    layer: Vec<u8>,
    store: Store,
    downloader: Downloader,
    progress: Progress,
    origins: Origins,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn new(guard: Guard) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(guard);
        let layer: Vec<u8> = (0..100_000_u32).map(|at| (at / 7) as u8).collect();
        let (config, manifest) = documents(&layer, "amd64");
        server.put(&format!("blobs/{}", Digest::of(&config)), &config);
        server.put(&format!("blobs/{}", Digest::of(&layer)), &layer);
        server.put("manifests/1.0", &manifest);
        server.put(&format!("manifests/{}", Digest::of(&manifest)), &manifest);
        let patience = Patience {
            attempts: 3,
            pause: Duration::from_millis(1),
            stall: Duration::from_secs(10),
        };
        let origins = Origins {
            registry: Some(server.location()),
            ..Origins::default()
        };
        Self {
            server,
            manifest,
            layer,
            store: Store::open(directory.path()).unwrap(),
            downloader: Downloader::new(patience),
            progress: Progress::hidden(),
            origins,
            _directory: directory,
        }
    }

    fn puller(&self) -> Puller<'_> {
        Puller {
            origins: &self.origins,
            downloader: &self.downloader,
            store: &self.store,
            progress: &self.progress,
        }
    }

    fn pin(&self, reference: &str) -> Result<PinnedImage, RegistryError> {
        self.puller().pin(&OciSource {
            name: "app".to_owned(),
            reference: reference.parse().unwrap(),
        })
    }

    fn layer_path(&self) -> String {
        format!("blobs/{}", Digest::of(&self.layer))
    }
}

fn documents(layer: &[u8], architecture: &str) -> (Vec<u8>, Vec<u8>) {
    let diff_id = Digest::of(layer);
    let config = serde_json::json!({
        "os": "linux", "architecture": architecture, "config": {"Cmd": ["/app"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    });
    let config = config.to_string().into_bytes();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::of(&config), "size": config.len()},
        "layers": [{"mediaType": LAYER, "digest": diff_id, "size": layer.len()}],
    });
    (config, manifest.to_string().into_bytes())
}

fn said(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[test]
fn an_image_is_pinned_and_fetched_once() {
    let scene = Scene::new(Guard::Open);
    let pinned = scene.pin("a/b:1.0").unwrap();
    assert_eq!(pinned.manifest, Digest::of(&scene.manifest));
    assert_eq!(pinned.reference, "a/b:1.0");
    assert_eq!(pinned.configuration(&scene.store).unwrap().run, ["/app"]);
    scene.server.requests();
    for expected in [1, 0] {
        scene.puller().fetch(&pinned).unwrap();
        assert_eq!(scene.server.requests().len(), expected);
    }
    assert_eq!(
        std::fs::read(scene.store.blob(&Digest::of(&scene.layer))).unwrap(),
        scene.layer
    );
    let by_digest = format!("a/b:other@{}", Digest::of(&scene.manifest));
    assert_eq!(scene.pin(&by_digest).unwrap().layers, pinned.layers);
}

#[test]
fn an_index_leads_to_the_manifest_of_the_platform() {
    let scene = Scene::new(Guard::Open);
    let (_, other) = documents(b"other", "arm64");
    let entry = |manifest: &[u8], architecture: &str| {
        serde_json::json!({"mediaType": MANIFEST, "digest": Digest::of(manifest),
            "size": manifest.len(), "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = |entries: &[serde_json::Value]| {
        let index = serde_json::json!({"schemaVersion": 2, "manifests": entries});
        index.to_string().into_bytes()
    };
    let both = index(&[entry(&other, "arm64"), entry(&scene.manifest, "amd64")]);
    scene.server.put("manifests/multi", &both);
    assert_eq!(
        scene.pin("a/b:multi").unwrap().manifest,
        Digest::of(&scene.manifest)
    );
    scene
        .server
        .put("manifests/arm", &index(&[entry(&other, "arm64")]));
    let error = said(&scene.pin("a/b:arm").unwrap_err());
    assert!(
        error.contains("for linux/amd64 in the index, found linux/arm64"),
        "{error}"
    );
}

#[test]
fn wrong_bytes_are_never_kept() {
    let scene = Scene::new(Guard::Open);
    let wrong = Digest::of(b"another");
    scene
        .server
        .put(&format!("manifests/{wrong}"), &scene.manifest);
    let error = said(&scene.pin(&format!("a/b@{wrong}")).unwrap_err());
    assert!(error.contains("is not what was expected"), "{error}");

    let pinned = scene.pin("a/b:1.0").unwrap();
    scene.server.trouble(&scene.layer_path(), Trouble::Garbage);
    let error = said(&scene.puller().fetch(&pinned).unwrap_err());
    assert!(error.contains("is not what was expected"), "{error}");
    assert!(!scene.store.blob(&Digest::of(&scene.layer)).exists());
}

#[test]
fn a_cut_blob_is_gone_on_with() {
    let scene = Scene::new(Guard::Open);
    let pinned = scene.pin("a/b:1.0").unwrap();
    scene.server.requests();
    scene
        .server
        .trouble(&scene.layer_path(), Trouble::Cut(40_000));
    scene.puller().fetch(&pinned).unwrap();
    let requests = scene.server.requests();
    assert!(requests[1].contains(" from="), "{requests:?}");
}

#[test]
fn a_token_is_asked_for_and_asked_for_again() {
    // The second one is for the layer: the first was good for the manifest and the config.
    for uses in [10, 2] {
        let scene = Scene::new(Guard::Token(uses));
        let pinned = scene.pin("a/b:1.0").unwrap();
        scene.puller().fetch(&pinned).unwrap();
    }
    let scene = Scene::new(Guard::Closed);
    let error = said(&scene.pin("a/b:1.0").unwrap_err());
    assert!(error.contains("it answers 401"), "{error}");
    let scene = Scene::new(Guard::Elsewhere);
    let error = said(&scene.pin("a/b:1.0").unwrap_err());
    assert!(error.contains("not asked in the clear"), "{error}");
}

#[test]
fn what_is_not_there_is_named() {
    let mut scene = Scene::new(Guard::Open);
    let error = said(&scene.pin("a/b:2.0").unwrap_err());
    assert!(
        error.contains("manifests/2.0`: the server answers 404"),
        "{error}"
    );
    let pinned = scene.pin("a/b:1.0").unwrap();
    scene.origins = Origins::default();
    let error = said(&scene.puller().fetch(&pinned).unwrap_err());
    assert!(error.contains("the lock pins the image `app`"), "{error}");
    let error = said(&scene.pin("a/b:1.0").unwrap_err());
    assert!(
        error.contains("--registry") && error.contains("--oci app=DIR"),
        "{error}"
    );
}

#[test]
fn a_layout_on_disk_goes_before_the_registry() {
    let mut scene = Scene::new(Guard::Open);
    let layout = tempfile::tempdir().unwrap();
    let blobs = layout.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let (config, manifest) = documents(&scene.layer, "amd64");
    for bytes in [&config, &manifest, &scene.layer] {
        std::fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
    }
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [{"mediaType": MANIFEST,
        "digest": Digest::of(&manifest), "size": manifest.len()}]});
    std::fs::write(layout.path().join("index.json"), index.to_string()).unwrap();
    scene
        .origins
        .layouts
        .insert("app".to_owned(), layout.path().to_owned());
    let pinned = scene.pin("a/b:7").unwrap();
    scene.puller().fetch(&pinned).unwrap();
    assert!(scene.server.requests().is_empty());
    assert!(scene.store.blob(&Digest::of(&scene.layer)).exists());

    std::fs::write(blobs.join(Digest::of(&manifest).hex()), b"damaged").unwrap();
    let error = said(&scene.pin("a/b:7").unwrap_err());
    assert!(error.contains("is damaged"), "{error}");
}
