//! The bundle that is taken, of all that a source offers.

use bedplate_contract::{BundleManifest, oci, trust::Trust};

use crate::{
    admission::{self, Facts, Quarantine, Refusal},
    offer::{self, Candidate, OfferError},
    progress::Progress,
    render::text::printable,
    source::Source,
};

/// No bundle.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// What is offered cannot be read.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// None is taken; this is the first, the newest.
    #[error("{bundle} is refused: {reason}")]
    Refused {
        /// Name, version and profile as the source has them.
        bundle: String,
        /// Why.
        reason: Refusal,
    },
}

/// The newest bundle that this machine takes. One that is refused is passed over: an older one may
/// be the step that leads to it.
///
/// # Errors
/// Any [`ChoiceError`].
pub fn choose(
    source: &mut dyn Source,
    trust: &Trust,
    facts: &Facts,
    quarantine: Quarantine,
    progress: &mut Progress<'_>,
) -> Result<BundleManifest, ChoiceError> {
    let index = source.document(oci::INDEX, oci::MAX_DOCUMENT);
    let index = index.map_err(OfferError::Source)?;
    let mut first = None;
    for candidate in offer::candidates(&index, &facts.name, &facts.profile)? {
        let envelope = offer::envelope(source, &candidate)?;
        match admission::judge(envelope.as_deref(), trust, facts, quarantine) {
            Ok(manifest) => {
                tell(&first, progress);
                return Ok(manifest);
            }
            Err(reason) => {
                first.get_or_insert_with(|| refused(&candidate, reason));
            }
        }
    }
    Err(first.unwrap_or(ChoiceError::Offer(OfferError::Nothing)))
}

fn refused(candidate: &Candidate, reason: Refusal) -> ChoiceError {
    ChoiceError::Refused {
        bundle: printable(&candidate.label),
        reason,
    }
}

fn tell(passed_over: &Option<ChoiceError>, progress: &mut Progress<'_>) {
    if let Some(refusal) = passed_over {
        progress.say(&format!("passed over: {refusal}"));
    }
}
