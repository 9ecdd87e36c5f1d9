//! Both slots, and the versions that are not taken again.

use bedplate_contract::{
    Digest,
    control::{SlotState, SlotStatus},
    meta::Quarantined,
};

use super::{
    table,
    text::{or_dash, printable},
};

/// Digits of a root hash that are shown.
const DIGITS: usize = 12;

/// One line per slot below a heading; a star marks the one that runs.
pub fn render(slots: &[SlotStatus]) -> String {
    let heading = ["SLOT", "STATE", "VERSION", "ENTRY", "ROOT HASH"];
    let rows = slots.iter().map(|slot| {
        let mark = if slot.active { " *" } else { "" };
        vec![
            printable(&slot.slot) + mark,
            state(slot.state).to_owned(),
            or_dash(slot.version.as_deref()),
            or_dash(slot.entry.as_deref()),
            slot.root_hash
                .as_ref()
                .map_or_else(|| "-".to_owned(), short),
        ]
    });
    below(&heading, rows)
}

/// One line per version below a heading.
pub fn quarantine(versions: &[Quarantined]) -> String {
    let rows = versions
        .iter()
        .map(|failed| vec![printable(&failed.version), short(&failed.root)]);
    below(&["QUARANTINED", "ROOT HASH"], rows)
}

fn below(heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heading = heading.iter().map(|word| (*word).to_owned()).collect();
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    table::align(&rows)
}

const fn state(state: SlotState) -> &'static str {
    match state {
        SlotState::Empty => "empty",
        SlotState::Trial => "trial",
        SlotState::Blessed => "blessed",
        SlotState::Bad => "bad",
    }
}

fn short(root: &Digest) -> String {
    root.hex().chars().take(DIGITS).collect()
}
