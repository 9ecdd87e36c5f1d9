//! The whole machine as a model, with the real core in it: in every order of boots, power cuts,
//! upgrades, roll backs and damage it stays able to boot and comes to rest.
//!
//! All events in all orders to a depth (`BEDPLATE_MODEL_DEPTH`), states that were seen before left
//! out, and random walks far beyond it. Broken rules ([`boot::Mutant`]) must be noticed.

mod boot;
mod invariant;
mod machine;
mod node;
mod pid1;

use std::{collections::HashSet, env};

use proptest::prelude::*;

use boot::Mutant;
use node::{Event, Node};

/// Events in a row, when the environment does not say.
const DEPTH: usize = 16;

/// Events in a row within which every mutant is noticed.
const MUTANT_DEPTH: usize = 9;

/// What an exploration saw.
#[derive(Debug, Default)]
struct Seen {
    nodes: usize,
    transitions: usize,
    /// The first violation with the events that led to it.
    violation: Option<(String, Vec<Event>)>,
}

/// A node, the event that led to it, and from which node.
struct Step {
    node: Node,
    from: Option<(usize, Event)>,
}

/// All that can happen from a provisioned disk within `depth` events, the shortest ways first.
fn explore(mutant: Mutant, depth: usize) -> Seen {
    let mut seen = Seen::default();
    let mut known = HashSet::new();
    let start = Step {
        node: Node::provisioned(),
        from: None,
    };
    known.insert(start.node.key());
    let mut steps = vec![start];
    let mut level = 0..1;
    for _ in 0..depth {
        for at in level.clone() {
            for event in steps[at].node.events(mutant) {
                seen.transitions += 1;
                let next = follow(&steps[at].node, event, mutant);
                let node = match next {
                    Ok(node) => node,
                    Err(what) => {
                        let mut events = trace(&steps, at);
                        events.push(event);
                        seen.violation = Some((what, events));
                        return seen;
                    }
                };
                if known.insert(node.key()) {
                    let from = Some((at, event));
                    steps.push(Step { node, from });
                }
            }
        }
        level = level.end..steps.len();
    }
    seen.nodes = steps.len();
    seen
}

/// The node after `event`, checked.
fn follow(node: &Node, event: Event, mutant: Mutant) -> Result<Node, String> {
    let next = node.after(event, mutant)?;
    invariant::check(&next, mutant)?;
    Ok(next)
}

fn trace(steps: &[Step], mut at: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((from, event)) = steps[at].from {
        events.push(event);
        at = from;
    }
    events.reverse();
    events
}

#[test]
fn every_order_of_events_leaves_a_machine_that_boots_and_rests() {
    let depth = env::var("BEDPLATE_MODEL_DEPTH").ok();
    let depth = depth.and_then(|text| text.parse().ok()).unwrap_or(DEPTH);
    let seen = explore(Mutant::None, depth);
    if let Some((what, events)) = &seen.violation {
        panic!("{what} after {events:#?}");
    }
    println!(
        "depth {depth}: {} states, {} transitions",
        seen.nodes, seen.transitions
    );
    assert!(depth < DEPTH || seen.transitions > 200_000, "{seen:?}");
}

#[test]
fn every_broken_rule_is_noticed() {
    for (mutant, expected) in [
        (Mutant::NoMarkBad, "boots again"),
        (Mutant::CountLate, "does not come to rest"),
        (Mutant::NoCourse, "does not come to rest"),
        (Mutant::NoQuarantine, "not quarantined"),
        (Mutant::BlessEarly, "boots again"),
        (Mutant::BelieveCounter, "does not come to rest"),
        (Mutant::LeaveUnseen, "rotten"),
        (Mutant::ForgetBlessing, "is quarantined"),
        (Mutant::WriteActive, "slot in use"),
        (Mutant::EntryFirst, "leads to no whole slot"),
        (Mutant::KeepOther, "leads to no whole slot"),
        (Mutant::MarkBlessedBad, "no blessed version is left"),
    ] {
        let seen = explore(mutant, MUTANT_DEPTH);
        let (what, events) = seen.violation.unwrap_or_default();
        assert!(what.contains(expected), "{mutant:?}: `{what}` {events:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]
    #[test]
    fn long_walks_end_well_too(picks in prop::collection::vec(any::<u16>(), 1..120)) {
        let mut node = Node::provisioned();
        let mut events = Vec::new();
        for pick in picks {
            let possible = node.events(Mutant::None);
            let event = possible[usize::from(pick) % possible.len()];
            events.push(event);
            match follow(&node, event, Mutant::None) {
                Ok(next) => node = next,
                Err(what) => prop_assert!(false, "{} after {:?}", what, events),
            }
        }
    }
}
