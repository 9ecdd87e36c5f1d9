//! What the builder reads of images and wheels that others made.

use std::{fs, path::Component};

use bedplate::{
    definition::wheel,
    layer::{self, Budget, tree::Tree},
    registry::{Challenge, Credentials, Document, ImageConfig, Reference},
};

use super::round_trips;

/// A reference: it is written as what reads the same, and its path leads nowhere else.
pub fn image_reference(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(reference) = text.parse::<Reference>() else {
        return false;
    };
    assert!(!reference.repository.contains(".."), "{reference}");
    round_trips(&reference, reference.to_string().parse());
    true
}

/// A manifest or an index: every layer has a form that is known.
pub fn image_document(bytes: &[u8]) -> bool {
    match Document::parse(bytes) {
        Ok(Document::Manifest(manifest)) => {
            let mut layers = manifest.layers.iter();
            assert!(layers.all(|layer| layer.compression().is_ok()));
            true
        }
        Ok(Document::Index(_)) => true,
        Err(_) => false,
    }
}

/// A configuration: its words are words of a process, its directory is absolute.
pub fn image_config(bytes: &[u8]) -> bool {
    let Ok(config) = ImageConfig::parse(bytes) else {
        return false;
    };
    let variables = config.environment.iter().flat_map(|(k, v)| [k, v]);
    let mut words = config.run.iter().chain(variables);
    assert!(words.all(|word| !word.contains('\0')));
    let directory = config.working_directory.unwrap_or("/".to_owned());
    assert!(
        directory.starts_with('/') && !directory.contains(".."),
        "{directory}"
    );
    true
}

/// `WWW-Authenticate`: the URL that follows from it has no more than the realm and the query.
pub fn challenge(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some(challenge) = Challenge::parse(&text) else {
        return false;
    };
    if let (Challenge::Bearer { realm, .. }, Some(url)) = (&challenge, challenge.token_url("a/b")) {
        assert!(url.starts_with(realm.as_str()), "{url}");
        let query = &url[realm.len()..];
        assert!(query.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    }
    true
}

/// The file in which credentials are kept.
pub fn credentials(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    matches!(Credentials::parse(&text, "r.test"), Ok(Some(_)))
}

/// A layer: whatever it holds lies in its tree afterwards, and nothing beside it.
pub fn image_layer(bytes: &[u8]) -> bool {
    let unpack = || -> std::io::Result<bool> {
        let directory = tempfile::tempdir()?;
        let root = directory.path().join("root");
        fs::create_dir(&root)?;
        let tree = Tree::open(&root).map_err(std::io::Error::other)?;
        let accepted = layer::apply(bytes, &tree, &mut Budget::new(64, 1 << 20)).is_ok();
        let names = fs::read_dir(directory.path())?.count();
        assert_eq!(names, 1, "something lies beside the tree");
        Ok(accepted)
    };
    match unpack() {
        Ok(accepted) => accepted,
        Err(error) => panic!("the scratch directory failed: {error}"),
    }
}

/// A wheel: every file lies in its tree.
pub fn python_wheel(bytes: &[u8]) -> bool {
    let Ok(files) = wheel::read("app-1.0-py3-none-any.whl", bytes) else {
        return false;
    };
    for file in files {
        let mut parts = file.path.components();
        assert!(
            parts.all(|part| matches!(part, Component::Normal(_))),
            "{file:?}"
        );
    }
    true
}
