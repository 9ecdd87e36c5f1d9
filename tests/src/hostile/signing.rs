//! What the builder reads of signers and of published places.

use std::{fs, io, path::Path};

use bedplate::{
    oci::Layout,
    sign::{Answer, SignRequest, cosign::Payload},
};

use super::round_trips;

/// Sign requests: one whose contents are believed has messages to sign, and its digest does not
/// depend on how it is laid out.
pub fn sign_request(bytes: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<SignRequest>(bytes) else {
        return false;
    };
    let written = serde_json::to_vec(&request).unwrap_or_default();
    let again: Result<SignRequest, _> = serde_json::from_slice(&written);
    assert_eq!(
        again.map(|again| again.digest()).ok(),
        Some(request.digest())
    );
    let Ok(contents) = request.contents() else {
        return false;
    };
    assert_eq!(contents.bundle.name, request.name);
    for item in &request.items {
        // What is signed for a bundle is never what is signed for an image (DSSE against JSON).
        let message = item.message().unwrap_or_default();
        let is_bundle = item.kind == bedplate::sign::Kind::Bundle;
        assert_eq!(message.starts_with(b"DSSEv1 "), is_bundle, "{message:?}");
    }
    true
}

/// Answers to a sign request.
pub fn answer(bytes: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<Answer>(bytes) else {
        return false;
    };
    let written = serde_json::to_vec(&answer).unwrap_or_default();
    round_trips(&answer, serde_json::from_slice(&written));
    true
}

/// Payloads that cosign signs: what was read is written as what reads the same.
pub fn cosign_payload(bytes: &[u8]) -> bool {
    let Ok(payload) = Payload::parse(bytes) else {
        return false;
    };
    let written = payload.encode().unwrap_or_default();
    round_trips(&payload, Payload::parse(&written));
    true
}

/// Published files: every blob that the index names is the one of its digest, or refused.
pub fn published_file(bytes: &[u8]) -> bool {
    in_file(bytes, read_published).unwrap_or_default()
}

fn read_published(path: &Path) -> bool {
    let Ok(layout) = Layout::open(path) else {
        return false;
    };
    let Ok(index) = layout.index() else {
        return false;
    };
    let mut blobs = index.manifests().iter();
    let read = |blob| match layout.bytes(blob, 1 << 20) {
        Ok(bytes) => {
            let digest = bedplate_contract::Digest::of(&bytes).to_string();
            assert_eq!(digest, blob.digest().to_string());
            true
        }
        Err(_) => false,
    };
    blobs.all(read)
}

fn in_file(bytes: &[u8], read: impl FnOnce(&Path) -> bool) -> io::Result<bool> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), bytes)?;
    Ok(read(file.path()))
}
