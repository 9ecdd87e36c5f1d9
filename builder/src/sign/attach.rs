//! Answers → the signatures in the two layouts of an output directory.
//!
//! The answers that lie beside the request are what counts: the layouts are made to hold exactly
//! their signatures. So attaching twice changes nothing, several answers add up, and after a crash
//! between any two writes the next call finishes. Each index is replaced at once; a reader meets a
//! layout with the signatures of before or of after.

use std::{collections::BTreeMap, fs, path::Path};

use base64ct::{Base64, Encoding};
use bedplate_contract::{Digest, signature::Signature};

use super::{
    Answer, BUNDLE, OCI, SignError, SignRequest,
    answer::Checked,
    cosign,
    request::{image_digest, only_bundle},
};
use crate::{
    bundle::envelope_descriptor,
    oci::{Layout, LayoutDirectory},
};

/// What became of the answers of an earlier output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// File names of those that answer the new request too.
    pub kept: Vec<String>,
    /// File names of the others, with the reason.
    pub dropped: Vec<(String, String)>,
}

/// Puts `answers` beside the request in `directory`, and the signatures of all answers there into
/// its layouts; returns how many keys have signed.
///
/// # Errors
/// An answer that is no good, or to another request: nothing is written then. A directory that is
/// not what its request says.
pub fn attach(directory: &Path, answers: &[(String, Answer)]) -> Result<usize, SignError> {
    let request = SignRequest::load(directory)?;
    check_directory(directory, &request)?;
    let beside = beside(directory)?;
    let mut by_key = BTreeMap::new();
    for (name, answer) in beside.iter().chain(answers) {
        let checked = answer.check(&request, name)?;
        by_key.insert(checked.key.id(), (checked, answer));
    }
    for (checked, answer) in by_key.values() {
        let path = directory.join(Answer::file_name(&checked.key));
        if Answer::load(&path).ok().as_ref() != Some(*answer) {
            answer.save(&path)?;
        }
    }
    let checked: Vec<&Checked> = by_key.values().map(|(checked, _)| checked).collect();
    finish(directory, &request, &checked)?;
    Ok(checked.len())
}

/// Takes the answers of the earlier output `from` over to the new one `to`, and attaches those that
/// answer its request.
///
/// # Errors
/// The new output cannot be read or written; an answer that is no good is only dropped.
pub fn keep(from: &Path, to: &Path) -> Result<Kept, SignError> {
    let request = SignRequest::load(to)?;
    let mut outcome = Kept::default();
    let mut answers = Vec::new();
    for name in names(from)? {
        let answer = Answer::load(&from.join(&name));
        match answer.and_then(|answer| answer.check(&request, &name).map(|_| answer)) {
            Ok(answer) => {
                outcome.kept.push(name.clone());
                answers.push((name, answer));
            }
            Err(error) => outcome.dropped.push((name, error.to_string())),
        }
    }
    if !answers.is_empty() {
        attach(to, &answers)?;
    }
    Ok(outcome)
}

/// Whether the layouts are those that the request was made of.
fn check_directory(directory: &Path, request: &SignRequest) -> Result<(), SignError> {
    let contents = request.contents()?;
    let bundle = only_bundle(directory)?;
    let asked = request.items.iter().map(|item| item.digest);
    let same =
        asked.take(1).eq([Digest::of(&bundle.bytes)]) && contents.image == image_digest(directory)?;
    match same {
        true => Ok(()),
        false => Err(SignError::Changed(directory.to_owned())),
    }
}

/// The answers that lie in `directory`, by their names.
fn beside(directory: &Path) -> Result<Vec<(String, Answer)>, SignError> {
    let names = names(directory)?.into_iter();
    let answers = names.map(|name| {
        let answer = Answer::load(&directory.join(&name))?;
        Ok((name, answer))
    });
    answers.collect()
}

/// Names of the files in `directory` that are called as answers; none when it is not there.
fn names(directory: &Path) -> Result<Vec<String>, SignError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| SignError::read(directory, source))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| SignError::read(directory, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if Answer::is_file_name(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Makes the layouts hold the signatures `answers`, by key.
fn finish(directory: &Path, request: &SignRequest, answers: &[&Checked]) -> Result<(), SignError> {
    let layout = LayoutDirectory::create(&directory.join(BUNDLE))?;
    let mut bundle = only_bundle(directory)?;
    bundle.signatures.clear();
    bundle.sign(answers.iter().map(|answer| Signature {
        keyid: answer.key.id().hex(),
        sig: Base64::encode_string(&answer.bundle),
    }));
    let mut manifests = vec![bundle.descriptor.clone()];
    if !answers.is_empty() {
        manifests.push(envelope_descriptor(&bundle, &layout)?);
    }
    layout.save_index(manifests)?;
    let payload = request.items.get(1).map(super::Item::message);
    let payload = payload.transpose()?.unwrap_or_default();
    let signatures: Vec<_> = answers.iter().map(|answer| answer.image.clone()).collect();
    let oci = Layout::open(&directory.join(OCI))?;
    Ok(cosign::attach(&oci, &payload, &signatures)?)
}
