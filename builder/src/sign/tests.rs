//! Request, answers and attaching, on made-up artifacts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64ct::{Base64, Encoding};
use bedplate_contract::{
    Digest,
    bundle::{ENVELOPE_ARTIFACT, MANIFEST},
    oci as host,
    signature::{Algorithm, Envelope, PublicKey},
};
use tempfile::TempDir;

use super::*;
use crate::{
    bundle::{self, stored},
    image::{self, Descriptor, ImageFacts, ImageLayer},
    oci::Layout,
};

/// An output directory as a build leaves it, in `directory`.
pub fn output(directory: &Path, version: &str) -> PathBuf {
    let out = directory.join(version);
    fs::create_dir(&out).unwrap();
    bundle::tests::make(&out, version, 3);
    write_image(&out, version);
    SignRequest::of(&out).unwrap().save(&out).unwrap();
    out
}

fn write_image(out: &Path, version: &str) {
    let archive = out.join("layer.tar.gz");
    fs::write(&archive, "layer").unwrap();
    let layer = ImageLayer {
        name: "base".to_owned(),
        descriptor: Descriptor {
            digest: Digest::of(b"layer"),
            size: 5,
            diff_id: Digest::of(b"plain"),
        },
        path: archive,
    };
    let facts = ImageFacts {
        name: "hello".to_owned(),
        version: version.to_owned(),
        profile: "min".to_owned(),
        summary: String::new(),
        driver: None,
    };
    image::write_layout(&[layer], &facts, &out.join(OCI)).unwrap();
}

/// Keys of both kinds.
pub fn keys() -> [SigningKey; 2] {
    [Algorithm::Ed25519, Algorithm::EcdsaP256].map(|kind| SigningKey::generate(kind).unwrap())
}

/// Signs what `out` asks for with `key`, and attaches it.
pub fn sign(out: &Path, key: &SigningKey) -> usize {
    let answer = Answer::new(&SignRequest::load(out).unwrap(), key).unwrap();
    attach(out, &[("answer".to_owned(), answer)]).unwrap()
}

/// The envelope of the one bundle of a layout, as a host finds it.
fn envelope(layout: &Path) -> Option<Envelope> {
    let read = |path: PathBuf| fs::read(layout.join(path)).unwrap();
    let index: host::Index = serde_json::from_slice(&read(host::INDEX.into())).unwrap();
    let mut manifests = index.manifests.iter();
    let found = manifests.find(|d| d.artifact_type.as_deref() == Some(ENVELOPE_ARTIFACT))?;
    let bytes = read(host::blob(&found.digest).into());
    let manifest: host::Manifest = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(manifest.subject.unwrap().digest, index.manifests[0].digest);
    let bytes = read(host::blob(&manifest.layers[0].digest).into());
    Some(Envelope::parse(&bytes).unwrap())
}

fn fixture() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let out = output(directory.path(), "1.0");
    (directory, out)
}

fn indexes(out: &Path) -> [Vec<u8>; 2] {
    [BUNDLE, OCI].map(|layout| fs::read(out.join(layout).join(host::INDEX)).unwrap())
}

#[test]
fn answers_add_up_and_attaching_again_changes_nothing() {
    let (_directory, out) = fixture();
    let keys = keys();
    let publics: Vec<PublicKey> = keys.iter().map(|key| key.public().clone()).collect();
    assert_eq!(envelope(&out.join(BUNDLE)), None);
    assert_eq!(keys.each_ref().map(|key| sign(&out, key)), [1, 2]);
    let signed = envelope(&out.join(BUNDLE)).unwrap();
    let manifest = signed.open(MANIFEST, &publics, 2).unwrap();
    let layout = Layout::open(&out.join(BUNDLE)).unwrap();
    assert_eq!(stored(&layout).unwrap()[0].bytes, manifest);
    let oci = Layout::open(&out.join(OCI)).unwrap();
    let image = SignRequest::load(&out).unwrap().contents().unwrap().image;
    assert_eq!(
        cosign::signed(&oci, &image, &publics).unwrap().keys.len(),
        2
    );
    let before = indexes(&out);
    assert_eq!(sign(&out, &keys[0]), 2);
    assert_eq!(indexes(&out), before);
}

#[test]
fn a_crash_between_the_two_layouts_is_made_good() {
    let (_directory, out) = fixture();
    let key = &keys()[0];
    let [_, unsigned] = indexes(&out);
    sign(&out, key);
    let [bundle, image] = indexes(&out);
    fs::write(out.join(OCI).join(host::INDEX), unsigned).unwrap();
    sign(&out, key);
    assert_eq!(indexes(&out), [bundle, image]);
}

#[test]
fn an_answer_that_lies_beside_the_request_counts() {
    let (_directory, out) = fixture();
    let [first, second] = keys();
    // As after a crash between saving an answer and finishing the layouts.
    let answer = Answer::new(&SignRequest::load(&out).unwrap(), &first).unwrap();
    let path = out.join(Answer::file_name(first.public()));
    answer.save(&path).unwrap();
    assert_eq!(sign(&out, &second), 2);
    let signatures = envelope(&out.join(BUNDLE)).unwrap().signatures;
    assert_eq!(signatures.len(), 2);
    assert!(signatures.is_sorted_by(|a, b| a.keyid < b.keyid));
}

#[test]
fn bad_answers_change_nothing() {
    let (directory, out) = fixture();
    let [key, other] = keys();
    let request = SignRequest::load(&out).unwrap();
    let answer = Answer::new(&request, &key).unwrap();
    let later = SignRequest::load(&output(directory.path(), "1.1")).unwrap();
    let elsewhere = Answer::new(&later, &key).unwrap();
    let mut swapped = answer.clone();
    swapped.signatures.reverse();
    let (first, second) = swapped.signatures.split_at_mut(1);
    std::mem::swap(&mut first[0].kind, &mut second[0].kind);
    let mut partial = answer.clone();
    partial.signatures.pop();
    let renamed = Answer {
        key: other.public().to_pem(),
        ..answer.clone()
    };
    let before = indexes(&out);
    for (answer, words) in [
        (elsewhere, "answers another request"),
        (swapped, "its signature over the bundle does not verify"),
        (partial, "it does not sign the image"),
        (renamed, "its signature over the bundle does not verify"),
    ] {
        let error = attach(&out, &[("a.json".to_owned(), answer)]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("`a.json` ") && text.contains(words),
            "{text}"
        );
        assert_eq!(indexes(&out), before);
    }
}

#[test]
fn a_request_that_lies_is_not_signed() {
    let (directory, out) = fixture();
    let good = SignRequest::load(&out).unwrap();
    let mut renamed = good.clone();
    renamed.version = "0.9".to_owned();
    let mut undigested = good.clone();
    undigested.items[0].digest = Digest::of(b"other");
    let mut reordered = good.clone();
    reordered.items.reverse();
    // What would be a good signature over a bundle, asked for as one over an image.
    let mut disguised = good.clone();
    let message = good.items[0].message().unwrap();
    disguised.items[1].digest = Digest::of(&message);
    disguised.items[1].payload = Base64::encode_string(&message);
    let mut short = good;
    short.items.pop();
    let [key, _] = keys();
    for (request, words) in [
        (renamed, "its bundle is hello 1.0 for min"),
        (undigested, "with its digest"),
        (reordered, "with its digest"),
        (disguised, "signed payload"),
        (short, "found 1 items"),
    ] {
        let error = Answer::new(&request, &key).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    drop(directory);
}

#[test]
fn answers_are_kept_for_the_same_content_alone() {
    let (directory, out) = fixture();
    let [key, _] = keys();
    sign(&out, &key);
    let name = Answer::file_name(key.public());
    let same = tempfile::tempdir().unwrap();
    let again = output(same.path(), "1.0");
    let kept = keep(&out, &again).unwrap();
    assert_eq!((kept.kept, kept.dropped), (vec![name.clone()], vec![]));
    assert_eq!(indexes(&again), indexes(&out));
    let other = output(directory.path(), "1.1");
    let kept = keep(&out, &other).unwrap();
    assert_eq!((kept.kept.len(), kept.dropped.len()), (0, 1));
    assert!(!other.join(name).exists() && envelope(&other.join(BUNDLE)).is_none());
    let missing = directory.path().join("missing");
    assert_eq!(keep(&missing, &other).unwrap(), Kept::default());
}

#[test]
fn a_directory_that_changed_since_is_refused() {
    let (directory, out) = fixture();
    let other = output(directory.path(), "1.1");
    let [key, _] = keys();
    let answer = Answer::new(&SignRequest::load(&out).unwrap(), &key).unwrap();
    fs::remove_dir_all(out.join(OCI)).unwrap();
    fs::rename(other.join(OCI), out.join(OCI)).unwrap();
    let error = attach(&out, &[("a.json".to_owned(), answer)]).unwrap_err();
    assert!(matches!(error, SignError::Changed(_)), "{error}");
}
