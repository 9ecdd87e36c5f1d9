//! `ports`: who listens where, and whether the probes of a definition ask where somebody does.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    decode::Table,
    problem::{Problem, Problems},
    service::Draft,
    source::At,
};

/// `ports` of a service, each once.
pub(super) fn read(service: &Table<'_>) -> Vec<At<u16>> {
    let mut ports = service.integers("ports", 1..65_536);
    let mut seen = BTreeSet::new();
    ports.retain(|port: &At<u16>| {
        let new = seen.insert(port.value);
        if !new {
            let title = format!("port {} is listed twice", port.value);
            let problem = Problem::error(title).at(&port.place, "listed before");
            service.problems().add(problem);
        }
        new
    });
    ports
}

/// Every port that a service listens on.
pub(super) fn all(drafts: &[Draft]) -> BTreeSet<u16> {
    let ports = drafts.iter().flat_map(|draft| &draft.listens);
    ports.map(|port| port.value).collect()
}

/// Reports ports that two services have, and probes that ask where nobody listens.
///
/// Without any `ports` nothing is known of who listens; then two services that are probed on one
/// port are the only sign of a slip.
pub(super) fn check(drafts: &[Draft], problems: &Problems) {
    let owners = owners(drafts, problems);
    check_probes(drafts, &owners, problems);
    if owners.is_empty() {
        return;
    }
    for draft in drafts {
        for port in draft.probed.iter().chain(&draft.awaited) {
            if !owners.contains_key(&port.value) {
                problems.add(unheard(draft, port, &owners));
            }
        }
    }
}

/// The service that listens on each port.
fn owners<'a>(drafts: &'a [Draft], problems: &Problems) -> BTreeMap<u16, &'a str> {
    let mut owners = BTreeMap::new();
    for draft in drafts {
        let name = draft.service.name.as_str();
        for port in &draft.listens {
            let owner = *owners.entry(port.value).or_insert(name);
            if owner != name {
                let title = format!("`{owner}` and `{name}` both listen on port {}", port.value);
                let label = format!("`{owner}` has it");
                let problem = Problem::error(title).at(&port.place, label);
                problems.add(problem.help("give each its own port"));
            }
        }
    }
    owners
}

/// Two services that answer on one port cannot both have it; that one of them has it is known.
fn check_probes(drafts: &[Draft], owners: &BTreeMap<u16, &str>, problems: &Problems) {
    let mut askers: BTreeMap<u16, &str> = BTreeMap::new();
    for draft in drafts {
        let name = draft.service.name.as_str();
        let unowned = |port: &&At<u16>| !owners.contains_key(&port.value);
        for port in draft.probed.iter().filter(unowned) {
            let asker = *askers.entry(port.value).or_insert(name);
            if asker != name {
                let title = format!(
                    "`{asker}` and `{name}` are both probed on port {}",
                    port.value
                );
                let problem = Problem::warning(title).at(&port.place, "probed before");
                problems.add(problem.help("give each its own port, unless one probes the other"));
            }
        }
    }
}

fn unheard(draft: &Draft, port: &At<u16>, owners: &BTreeMap<u16, &str>) -> Problem {
    let (name, port, place) = (&draft.service.name, port.value, &port.place);
    let title = format!("`{name}` asks port {port}, on which no service listens");
    let own: Vec<_> = draft
        .listens
        .iter()
        .map(|own| own.value.to_string())
        .collect();
    let help = match own.as_slice() {
        [] => format!("add `ports = [{port}]` to the service that listens on it"),
        own => format!(
            "`{name}` listens on {}; add {port} to the `ports` of the service that has it",
            own.join(", ")
        ),
    };
    let count = owners.len();
    let label = format!("none of the {count} ports of this definition");
    Problem::error(title).at(place, label).help(help)
}
