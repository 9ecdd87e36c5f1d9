//! Services whose images cannot be had, taken out of the definition with what only they need.
//!
//! That is secrets. A volume stays, though its service is gone: another one may use it by its path,
//! and what it holds is there when a later version has the service again.

use std::collections::BTreeSet;

use bedplate_contract::{appliance::Secret, reference, service::Kind};

use super::{
    Service,
    problem::{Problem, Problems},
    service::Draft,
    source::At,
};

/// What was taken out.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Names of services.
    pub services: Vec<String>,
    /// Names of secrets that only those read.
    secrets: BTreeSet<String>,
}

/// Takes the services out, and what others say of them.
///
/// Whoever is essential and requires one of them is a problem: it could never become ready.
pub(super) fn out(drafts: Vec<Draft>, problems: &Problems) -> (Vec<Draft>, LeftOut) {
    let (mut gone, kept): (Vec<_>, Vec<_>) = drafts.into_iter().partition(|draft| draft.left_out);
    // A run that needs what is gone could only fail at each of its times.
    let fails = |draft: &Draft| {
        let scheduled = draft.service.kind == Kind::Scheduled;
        scheduled && draft.requires.iter().any(|name| is_of(name, &gone))
    };
    let (failing, kept): (Vec<_>, Vec<_>) = kept.into_iter().partition(fails);
    gone.extend(failing);
    let kept: Vec<_> = kept
        .into_iter()
        .map(|draft| without(draft, &gone, problems))
        .collect();
    let read = |drafts: &[Draft]| -> BTreeSet<String> {
        let secrets = drafts.iter().flat_map(|draft| secrets(&draft.service));
        secrets.map(str::to_owned).collect()
    };
    let left_out = LeftOut {
        services: gone
            .iter()
            .map(|draft| draft.service.name.clone())
            .collect(),
        secrets: &read(&gone) - &read(&kept),
    };
    (kept, left_out)
}

/// The names of the secrets of a service.
fn secrets(service: &Service) -> impl Iterator<Item = &str> {
    let in_environment = service.secret_environment.values();
    let named = service.secrets.iter().chain(in_environment);
    let files = service.config.iter();
    let in_files = files.flat_map(|file| reference::names(&file.content));
    named.map(String::as_str).chain(in_files)
}

/// `draft` without what it says of services that are gone.
fn without(mut draft: Draft, gone: &[Draft], problems: &Problems) -> Draft {
    let is_gone = |name: &At<String>| is_of(name, gone);
    if draft.service.essential {
        for name in draft.requires.iter().filter(|name| is_gone(name)) {
            problems.add(missed(&draft, name));
        }
    }
    draft.requires.retain(|name| !is_gone(name));
    draft.after.retain(|name| !is_gone(name));
    draft
}

/// Whether `name` is one of `drafts`, or the template of one.
fn is_of(name: &At<String>, drafts: &[Draft]) -> bool {
    let named = |other: &Draft| other.service.name == name.value || other.template == name.value;
    drafts.iter().any(named)
}

fn missed(draft: &Draft, name: &At<String>) -> Problem {
    let (service, other) = (&draft.service.name, &name.value);
    let title = format!("`{service}` requires `{other}`, which is left out");
    let problem = Problem::error(title).at(&name.place, "no registry is named for its image");
    problem.help(format!(
        "name one with `--registry HOST[:PORT]`, put `{other}` under `after`, or make `{service}` \
         `essential = false`"
    ))
}

impl LeftOut {
    /// `secrets` without those that only the left-out services read.
    pub fn without(&self, mut secrets: Vec<Secret>) -> Vec<Secret> {
        secrets.retain(|secret| !self.secrets.contains(&secret.name));
        secrets
    }
}
