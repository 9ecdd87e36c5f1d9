//! What a host reads of bundles before it believes anything, and of name servers.

use std::io::Cursor;

use bedplate_contract::{
    BundleManifest, Digest,
    bundle::{self, Content, RootContent},
    frames::Index,
    signature::{Envelope, PublicKey},
};
use bedplate_update::{
    offer,
    resolver::message::{self, Answer, Kind, Name},
    source::Members,
    stage,
};

use super::round_trips;

/// A key that signed none of the samples (RFC 8410, 10.1).
const STRANGER: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";
/// Of the question that name servers answer here.
const ID: u16 = 7;

/// A stick: every member that is found lies within it.
pub fn archive_members(bytes: &[u8]) -> bool {
    let length = bytes.len() as u64;
    let Ok(members) = Members::read(&mut Cursor::new(bytes), length) else {
        return false;
    };
    for extent in members.extents() {
        let end = extent.offset.checked_add(extent.size);
        assert!(end.is_some_and(|end| end <= length), "{extent:?}");
    }
    members.extents().next().is_some()
}

/// A layout's index: few candidates, each with a label that can be shown.
pub fn layout_index(bytes: &[u8]) -> bool {
    let Ok(found) = offer::candidates(bytes, "lab", "min") else {
        return false;
    };
    assert!((1..=offer::MAX_CANDIDATES).contains(&found.len()));
    assert!(found.iter().all(|candidate| candidate.label.len() <= 256));
    true
}

/// The manifest that leads to an envelope.
pub fn envelope_manifest(bytes: &[u8]) -> bool {
    offer::envelope_of("manifest", bytes).is_ok()
}

/// An envelope: it reads again as the same, and opens for nobody who has not signed it.
pub fn envelope(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::parse(bytes) else {
        return false;
    };
    round_trips(&envelope, Envelope::parse(&envelope.encode()));
    let keys: Vec<_> = PublicKey::from_pem(STRANGER).into_iter().collect();
    assert_eq!(keys.len(), 1);
    for threshold in [0, 1, usize::MAX] {
        assert!(envelope.open(bundle::MANIFEST, &keys, threshold).is_err());
    }
    true
}

/// The manifest of a bundle: it reads again as the same.
pub fn bundle_manifest(bytes: &[u8]) -> bool {
    let Ok(manifest) = BundleManifest::parse(bytes) else {
        return false;
    };
    round_trips(&manifest, BundleManifest::parse(&manifest.encode()));
    true
}

/// A frame index: it has one spelling, and its frames lie one after the other and fill their blob.
pub fn frame_index(bytes: &[u8]) -> bool {
    let Ok(index) = Index::parse(bytes) else {
        return false;
    };
    assert_eq!(index.encode(), bytes);
    let content = |size| Content {
        digest: Digest::of(b""),
        size,
    };
    let root = RootContent {
        image: content(u64::from(index.frame_size()) * index.len() as u64),
        frames: content(index.compressed_size()),
        index: content(bytes.len() as u64),
    };
    let mut end = 0;
    for span in index.spans() {
        assert_eq!(span.compressed_offset, end);
        end += u64::from(span.frame.compressed_size);
    }
    assert_eq!(end, root.frames.size);
    assert_eq!(stage::frame_index(bytes, &root).ok(), Some(index));
    true
}

/// What a name server sends, or a forger: addresses of the kind that was asked for, and no others.
pub fn name_reply(bytes: &[u8]) -> bool {
    let Ok(name) = "host.example".parse::<Name>() else {
        return false;
    };
    match message::answer(bytes, ID, &name, Kind::A) {
        Some(Answer::Addresses(found)) => {
            assert!(found.iter().all(std::net::IpAddr::is_ipv4));
            !found.is_empty()
        }
        _ => false,
    }
}
