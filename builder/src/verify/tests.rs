//! Good bundles and images, and every way in which one is not.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bedplate_contract::{bundle::Content, oci as host};

use super::*;
use crate::{
    publish::{self, Target, Unsigned},
    sign::{
        SignRequest, SigningKey,
        tests::{keys, output, sign},
    },
    sums::SUMS,
};

fn policy(keys: &[&SigningKey], threshold: usize) -> Policy {
    Policy {
        keys: keys.iter().map(|key| key.public().clone()).collect(),
        threshold,
    }
}

/// Puts other bytes in the place of a blob, which may be a link to another file.
fn replace(layout: &Path, digest: &Digest, bytes: &[u8]) {
    let path = layout.join(host::blob(digest));
    fs::remove_file(&path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn words(path: &Path, policy: &Policy) -> String {
    let error = anyhow::Error::from(verify(path, policy).unwrap_err());
    format!("{error:#}")
}

#[test]
fn output_tree_and_file_verify_alike() {
    let directory = tempfile::tempdir().unwrap();
    let out = output(directory.path(), "1.0");
    let [a, b] = keys();
    sign(&out, &a);
    sign(&out, &b);
    let policy = policy(&[&a, &b], 2);
    let verified = verify(&out, &policy).unwrap();
    let titles: Vec<_> = verified.iter().map(|v| v.title.as_str()).collect();
    assert!(titles[0] == "hello 1.0 for min" && titles[1].starts_with("image sha256:"));
    assert!(verified.iter().all(|v| v.signers.len() == 2));
    let [tree, file] = ["tree", "file.tar"].map(|name| directory.path().join(name));
    for target in [Target::Directory(tree.clone()), Target::File(file.clone())] {
        publish::publish(std::slice::from_ref(&out), &target, Unsigned::Refuse).unwrap();
    }
    for path in [tree, file] {
        assert_eq!(verify(&path, &policy).unwrap(), verified[..1]);
    }
}

#[test]
fn what_is_flashed_is_signed_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let out = output(directory.path(), "1.0");
    let [a, _] = keys();
    let names = ["disk.raw", "hello_1.0.efi"];
    let list = names.map(|name| {
        fs::write(out.join(name), name).unwrap();
        format!("{} *{name}\n", Digest::of(name.as_bytes()).hex())
    });
    fs::write(out.join(SUMS), list.concat()).unwrap();
    SignRequest::of(&out).unwrap().save(&out).unwrap();
    sign(&out, &a);
    let policy = policy(&[&a], 1);
    let verified = verify(&out, &policy).unwrap();
    assert_eq!(
        verified[2..]
            .iter()
            .map(|v| v.title.as_str())
            .collect::<Vec<_>>(),
        names
    );
    for name in names {
        fs::write(out.join(name), "changed").unwrap();
        let text = words(&out, &policy);
        assert!(
            text.contains(name) && text.contains("was changed since it was built"),
            "{text}"
        );
        fs::write(out.join(name), name).unwrap();
    }
    // Another list, with the digest of what was changed.
    fs::write(out.join(SUMS), &list[0]).unwrap();
    let text = words(&out, &policy);
    assert!(text.contains("is not the list that was signed"), "{text}");
    fs::remove_file(out.join(SUMS)).unwrap();
    assert!(verify(&out, &policy).is_err());
}

#[test]
fn too_few_and_other_signatures_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let out = output(directory.path(), "1.0");
    let ([a, b], [c, _]) = (keys(), keys());
    assert!(words(&out, &policy(&[&a], 1)).contains("it is not signed"));
    sign(&out, &a);
    assert!(words(&out, &policy(&[&c], 1)).contains("which is not trusted here"));
    let text = words(&out, &policy(&[&a, &b], 2));
    assert!(text.contains("by 2 trusted keys, found 1"), "{text}");
    assert!(verify(&out, &policy(&[&a, &b], 1)).is_ok());
}

#[test]
fn an_image_that_lost_its_signatures_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let out = output(directory.path(), "1.0");
    let [a, _] = keys();
    let unsigned = fs::read(out.join("oci/index.json")).unwrap();
    sign(&out, &a);
    fs::write(out.join("oci/index.json"), unsigned).unwrap();
    let text = words(&out, &policy(&[&a], 1));
    assert!(
        text.contains("the image sha256:") && text.contains("found 0"),
        "{text}"
    );
}

#[test]
fn every_changed_blob_is_noticed() {
    type Pick = fn(&bedplate_contract::BundleManifest) -> &Content;
    let cases: [(Pick, &str); 4] = [
        (|m| &m.root.frames, "frame 0 of the root image is damaged"),
        (|m| &m.root.index, "is damaged"),
        (|m| &m.verity, "is damaged"),
        (|m| &m.uki, "is damaged"),
    ];
    for (pick, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let out = output(directory.path(), "1.0");
        let [a, _] = keys();
        sign(&out, &a);
        let layout = out.join(BUNDLE);
        let manifest = stored(&Layout::open(&layout).unwrap()).unwrap().remove(0);
        let digest = pick(&manifest.manifest).digest;
        let mut bytes = fs::read(layout.join(host::blob(&digest))).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        replace(&layout, &digest, &bytes);
        let text = words(&out, &policy(&[&a], 1));
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_changed_layer_of_the_image_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let out = output(directory.path(), "1.0");
    let [a, _] = keys();
    sign(&out, &a);
    replace(&out.join(OCI), &Digest::of(b"layer"), b"Layer");
    let text = words(&out, &policy(&[&a], 1));
    assert!(text.contains("is damaged: its 5 bytes"), "{text}");
}

/// Makes a bundle anew whose manifest was changed by `edit`, and signs that.
fn signed_with(edit: fn(&mut bedplate_contract::BundleManifest), key: &SigningKey) -> String {
    let directory = tempfile::tempdir().unwrap();
    let out: PathBuf = output(directory.path(), "1.0");
    let layout = out.join(BUNDLE);
    let mut stored = stored(&Layout::open(&layout).unwrap()).unwrap().remove(0);
    edit(&mut stored.manifest);
    crate::bundle::tests::rewrite(&layout, &stored.manifest);
    let request = crate::sign::SignRequest::of(&out).unwrap();
    request.save(&out).unwrap();
    sign(&out, key);
    words(&out, &policy(&[key], 1))
}

#[test]
fn signed_parts_that_do_not_belong_together_are_refused() {
    let [key, _] = keys();
    let text = signed_with(|m| m.root_hash = Digest::of(b"other"), &key);
    assert!(text.contains("of the root hash, found"), "{text}");
    let text = signed_with(|m| m.root.image.size += 1, &key);
    assert!(text.contains("of the root image, found"), "{text}");
    let text = signed_with(|m| m.verity = m.uki.clone(), &key);
    assert!(text.contains("superblock of the hash tree"), "{text}");
    let text = signed_with(|m| m.uki = m.verity.clone(), &key);
    assert!(
        text.contains("cannot find a root hash in the UKI"),
        "{text}"
    );
}
