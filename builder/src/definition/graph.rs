//! Resolves what services require, and puts each after what it waits for.

use std::collections::BTreeMap;

use bedplate_contract::service::Kind;

use super::{
    Service, name,
    problem::{Problem, Problems},
    service::Draft,
    source::At,
};

/// How one service waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Requires,
    After,
}

/// Services by name, dependencies first; the order of the file where that leaves a choice.
///
/// A template's name stands for all its instances. Unknown names, duplicates and cycles are
/// reported.
pub(super) fn order(drafts: Vec<Draft>, problems: &Problems) -> Vec<Service> {
    check_duplicates(&drafts, problems);
    let links = Links {
        requires: resolve_all(&drafts, |draft| &draft.requires, problems),
        after: resolve_all(&drafts, |draft| &draft.after, problems),
    };
    let waits = links.waits();
    let mut walk = Walk::new(&waits);
    if let Some(cycle) = (0..drafts.len()).find_map(|index| walk.visit(index)) {
        problems.add(explain(&drafts, &waits, &cycle));
        return Vec::new();
    }
    let order = walk.order;
    let mut services: BTreeMap<_, _> = links.apply(drafts).into_iter().enumerate().collect();
    order
        .iter()
        .filter_map(|index| services.remove(index))
        .collect()
}

/// What each draft names, as indices of drafts.
struct Links {
    requires: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
}

impl Links {
    fn waits(&self) -> Vec<Vec<(usize, Edge)>> {
        let both = self.requires.iter().zip(&self.after);
        let edges = |(requires, after): (&Vec<usize>, &Vec<usize>)| {
            let requires = requires.iter().map(|&other| (other, Edge::Requires));
            let after = after.iter().map(|&other| (other, Edge::After));
            requires.chain(after).collect()
        };
        both.map(edges).collect()
    }

    /// The services of the drafts, in their order, with the names they wait for.
    fn apply(&self, drafts: Vec<Draft>) -> Vec<Service> {
        let names: Vec<_> = drafts.iter().map(|d| d.service.name.clone()).collect();
        let named = |indices: &[usize]| indices.iter().map(|&i| names[i].clone()).collect();
        let drafts = drafts.into_iter().enumerate();
        let service = |(index, draft): (usize, Draft)| Service {
            requires: named(&self.requires[index]),
            after: named(&self.after[index]),
            ..draft.service
        };
        drafts.map(service).collect()
    }
}

fn check_duplicates(drafts: &[Draft], problems: &Problems) {
    for (index, draft) in drafts.iter().enumerate() {
        let name = &draft.service.name;
        let twin = drafts[..index]
            .iter()
            .any(|other| other.service.name == *name);
        if twin && !draft.template.is_empty() {
            let title = format!("service `{name}` is declared twice");
            problems.add(Problem::error(title).at(&draft.place, "declared before"));
        }
    }
}

fn resolve_all(
    drafts: &[Draft],
    names: impl Fn(&Draft) -> &Vec<At<String>>,
    problems: &Problems,
) -> Vec<Vec<usize>> {
    let each = |draft: &Draft| {
        let found = names(draft)
            .iter()
            .flat_map(|name| resolve(name, drafts, problems));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    drafts.iter().map(each).collect()
}

fn resolve(name: &At<String>, drafts: &[Draft], problems: &Problems) -> Vec<usize> {
    let fits = |draft: &Draft| draft.service.name == name.value || draft.template == name.value;
    let indices = 0..drafts.len();
    let found: Vec<_> = indices.filter(|&index| fits(&drafts[index])).collect();
    if found.is_empty() {
        let known: Vec<_> = drafts
            .iter()
            .map(|draft| draft.service.name.as_str())
            .collect();
        let title = format!("unknown service `{}`", name.value);
        let problem = Problem::error(title).at(&name.place, "no such service");
        problems.add(problem.help(name::suggestion(&name.value, &known)));
    }
    let waits = |&index: &usize| drafts[index].service.kind == Kind::Scheduled;
    if found.iter().any(waits) {
        let title = format!("nothing can wait for `{}`", name.value);
        let problem = Problem::error(title).at(&name.place, "a scheduled service is never ready");
        problems.add(problem.help("let both require what they need"));
    }
    found
}

/// Depth-first walk; a service is put into the order when all it waits for is there.
struct Walk<'a> {
    waits: &'a [Vec<(usize, Edge)>],
    path: Vec<usize>,
    order: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(waits: &'a [Vec<(usize, Edge)>]) -> Self {
        let (path, order) = (Vec::new(), Vec::new());
        Self { waits, path, order }
    }

    /// Visits what `index` waits for, then itself; returns the first cycle, its start not repeated.
    fn visit(&mut self, index: usize) -> Option<Vec<usize>> {
        if self.order.contains(&index) {
            return None;
        }
        if let Some(start) = self.path.iter().position(|&on_path| on_path == index) {
            return Some(self.path[start..].to_vec());
        }
        self.path.push(index);
        let waits = self.waits[index].iter();
        let cycle = waits
            .map(|(other, _)| *other)
            .find_map(|other| self.visit(other));
        self.path.pop();
        self.order.push(index);
        cycle
    }
}

/// `a` requires `b`, `b` is after `a`.
fn explain(drafts: &[Draft], waits: &[Vec<(usize, Edge)>], cycle: &[usize]) -> Problem {
    let name = |index: usize| drafts[index].service.name.as_str();
    let next = cycle.iter().cycle().skip(1);
    let link = |(&from, &to): (&usize, &usize)| {
        let edge = waits[from].iter().find(|(other, _)| *other == to);
        match edge {
            Some((_, Edge::After)) => format!("`{}` is after `{}`", name(from), name(to)),
            _ => format!("`{}` requires `{}`", name(from), name(to)),
        }
    };
    let chain: Vec<_> = cycle.iter().zip(next).map(link).collect();
    let problem = Problem::error("services wait for each other");
    match cycle.first() {
        Some(&first) => problem.at(&drafts[first].place, chain.join(", ")),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waits(count: usize, pairs: Vec<(usize, usize)>) -> Vec<Vec<(usize, Edge)>> {
        let mut waits = vec![Vec::new(); count];
        for (from, to) in pairs {
            waits[from % count].push((to % count, Edge::Requires));
        }
        waits
    }

    proptest! {
        #[test]
        fn an_order_or_a_cycle(pairs in prop::collection::vec((0..8_usize, 0..8_usize), 0..12)) {
            let waits = waits(8, pairs);
            let mut walk = Walk::new(&waits);
            let leads = |from: usize, to: usize| waits[from].iter().any(|(other, _)| *other == to);
            match (0..8).find_map(|index| walk.visit(index)) {
                Some(cycle) => {
                    let next = cycle.iter().cycle().skip(1);
                    prop_assert!(cycle.iter().zip(next).all(|(&from, &to)| leads(from, to)));
                }
                None => {
                    let place = |index| walk.order.iter().position(|&found| found == index);
                    prop_assert_eq!(walk.order.len(), 8);
                    for (from, others) in waits.iter().enumerate() {
                        prop_assert!(others.iter().all(|(to, _)| place(*to) < place(from)));
                    }
                }
            }
        }
    }
}
