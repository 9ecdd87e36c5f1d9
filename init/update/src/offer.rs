//! What a source offers: bundles by the hints of its index, and the envelope of one.
//!
//! Nothing here is believed. The hints decide in which order envelopes are looked at.

use bedplate_contract::{
    bundle::{ARTIFACT, Content, ENVELOPE_ARTIFACT, annotation},
    oci::{self, Descriptor, Index, Manifest},
    signature::MAX_ENVELOPE,
    version,
};

use crate::source::{self, Source, SourceError};

/// Bundles that are looked at, so that an index cannot keep a host busy.
pub const MAX_CANDIDATES: usize = 16;
/// Characters of a hint that are shown.
const HINT: usize = 64;

/// An offer that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The source.
    #[error("reading what the source offers")]
    Source(#[from] SourceError),
    /// A document that is none.
    #[error("parsing `{path}` of the source")]
    Parse {
        /// Path in the layout.
        path: String,
        /// Cause.
        source: serde_json::Error,
    },
    /// A layout without bundles.
    #[error("the source has no bundle: its index lists no `{ARTIFACT}`")]
    Nothing,
    /// A manifest that holds no envelope.
    #[error("`{0}` of the source holds no envelope")]
    NoEnvelope(String),
}

/// A bundle that the index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Name, version and profile by its hints, for people.
    pub label: String,
    /// The manifest of its envelope; absent: the bundle is not signed.
    envelope: Option<Content>,
}

/// The bundles of an index for the image `name` and `profile`, newest version first; if there are
/// none, those for others, so that their refusal says what is wrong.
///
/// # Errors
/// [`OfferError::Parse`], [`OfferError::Nothing`].
pub fn candidates(index: &[u8], name: &str, profile: &str) -> Result<Vec<Candidate>, OfferError> {
    let index: Index = parse(oci::INDEX, index)?;
    let mut offered = bundles(&index);
    if offered.is_empty() {
        return Err(OfferError::Nothing);
    }
    let fits = |d: &&Descriptor| {
        d.annotation(annotation::NAME) == Some(name)
            && d.annotation(annotation::PROFILE) == Some(profile)
    };
    if offered.iter().any(fits) {
        offered.retain(fits);
    }
    offered.sort_by(|a, b| version::compare(hint(b), hint(a)));
    offered.truncate(MAX_CANDIDATES);
    Ok(offered.into_iter().map(candidate).collect())
}

/// The envelopes of the index, and the bundles that have none.
fn bundles(index: &Index) -> Vec<&Descriptor> {
    let of_type = |kind: &'static str| {
        let all = index.manifests.iter();
        all.filter(move |d| d.artifact_type.as_deref() == Some(kind))
    };
    let unsigned = of_type(ARTIFACT)
        .filter(|bundle| !of_type(ENVELOPE_ARTIFACT).any(|e| same_hints(bundle, e)));
    of_type(ENVELOPE_ARTIFACT).chain(unsigned).collect()
}

fn same_hints(a: &Descriptor, b: &Descriptor) -> bool {
    let keys = [annotation::NAME, annotation::VERSION, annotation::PROFILE];
    keys.iter()
        .all(|key| a.annotation(key) == b.annotation(key))
}

fn hint(descriptor: &Descriptor) -> &str {
    descriptor
        .annotation(annotation::VERSION)
        .unwrap_or_default()
}

fn candidate(descriptor: &Descriptor) -> Candidate {
    let word = |key| descriptor.annotation(key).unwrap_or("?");
    let label = format!(
        "{} {} ({})",
        word(annotation::NAME),
        word(annotation::VERSION),
        word(annotation::PROFILE)
    );
    let is_envelope = descriptor.artifact_type.as_deref() == Some(ENVELOPE_ARTIFACT);
    Candidate {
        label: label.chars().take(HINT).collect(),
        envelope: is_envelope.then(|| content(descriptor)),
    }
}

fn content(descriptor: &Descriptor) -> Content {
    Content {
        digest: descriptor.digest,
        size: descriptor.size,
    }
}

/// The bytes of the candidate's envelope; `None` where it is not signed.
///
/// # Errors
/// Any [`OfferError`].
pub fn envelope(
    source: &mut dyn Source,
    candidate: &Candidate,
) -> Result<Option<Vec<u8>>, OfferError> {
    let Some(found) = &candidate.envelope else {
        return Ok(None);
    };
    let manifest = source::whole(source, found, oci::MAX_DOCUMENT)?;
    let envelope = envelope_of(&oci::blob(&found.digest), &manifest)?;
    Ok(Some(source::whole(source, &envelope, MAX_ENVELOPE)?))
}

/// The envelope that the manifest at `path` names.
///
/// # Errors
/// [`OfferError::Parse`], [`OfferError::NoEnvelope`].
pub fn envelope_of(path: &str, manifest: &[u8]) -> Result<Content, OfferError> {
    let manifest: Manifest = parse(path, manifest)?;
    let mut layers = manifest.layers.iter();
    let envelope = layers.find(|layer| layer.media_type == ENVELOPE_ARTIFACT);
    envelope
        .map(content)
        .ok_or_else(|| OfferError::NoEnvelope(path.to_owned()))
}

fn parse<T: serde::de::DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, OfferError> {
    serde_json::from_slice(bytes).map_err(|source| OfferError::Parse {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use bedplate_contract::Digest;

    use super::*;

    fn descriptor(kind: &str, name: &str, version: &str, profile: &str) -> String {
        let digest = Digest::of(format!("{kind}{name}{version}{profile}").as_bytes());
        format!(
            r#"{{"mediaType":"m","artifactType":"{kind}","digest":"{digest}","size":1,"annotations":
            {{"{}":"{name}","{}":"{version}","{}":"{profile}"}}}}"#,
            annotation::NAME,
            annotation::VERSION,
            annotation::PROFILE
        )
    }

    fn labels(descriptors: &[String]) -> Vec<String> {
        let index = format!(r#"{{"manifests":[{}]}}"#, descriptors.join(","));
        let found = candidates(index.as_bytes(), "lab", "min").unwrap();
        let label = |candidate: Candidate| {
            let signed = if candidate.envelope.is_some() {
                ""
            } else {
                " unsigned"
            };
            candidate.label + signed
        };
        found.into_iter().map(label).collect()
    }

    #[test]
    fn the_newest_that_fits_comes_first() {
        let signed = |version: &str, profile: &str| {
            [ARTIFACT, ENVELOPE_ARTIFACT].map(|kind| descriptor(kind, "lab", version, profile))
        };
        let mut all: Vec<_> = ["1.0.9", "1.0.10", "1.0.2"]
            .iter()
            .flat_map(|version| signed(version, "min"))
            .collect();
        all.extend(signed("2", "large"));
        all.push(descriptor(ARTIFACT, "lab", "1.0.11", "min"));
        all.push(descriptor("application/other", "lab", "3", "min"));
        assert_eq!(
            labels(&all),
            [
                "lab 1.0.11 (min) unsigned",
                "lab 1.0.10 (min)",
                "lab 1.0.9 (min)",
                "lab 1.0.2 (min)"
            ]
        );
        assert_eq!(labels(&signed("2", "large")), ["lab 2 (large)"]);
    }

    #[test]
    fn many_are_cut() {
        let all: Vec<_> = (0..50)
            .map(|version| descriptor(ENVELOPE_ARTIFACT, "lab", &version.to_string(), "min"))
            .collect();
        let labels = labels(&all);
        assert_eq!(
            (labels.len(), &*labels[0]),
            (MAX_CANDIDATES, "lab 49 (min)")
        );
    }

    #[test]
    fn other_documents_are_refused() {
        for (index, expected) in [
            ("", "parsing `index.json` of the source"),
            ("{}", "parsing `index.json` of the source"),
            (
                r#"{"manifests":[]}"#,
                "the source has no bundle: its index lists no \
              `application/vnd.bedplate.bundle.v1`",
            ),
        ] {
            let error = candidates(index.as_bytes(), "lab", "min").unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let error = envelope_of("p", br#"{"layers":[]}"#).unwrap_err();
        assert_eq!(error.to_string(), "`p` of the source holds no envelope");
    }
}
