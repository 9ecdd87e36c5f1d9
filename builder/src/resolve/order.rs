//! In which order the packages of a solution can be configured.
//!
//! Dependencies come first. Where they form a cycle, its members stand together, a `Pre-Depends`
//! before its owner and names in order otherwise, which is all that dpkg asks for as well.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    relation::Relation,
    universe::{Id, Universe},
};

/// The chosen packages and what each needs of the others.
#[derive(Debug)]
pub struct Graph<'u> {
    universe: &'u Universe<'u>,
    needs: BTreeMap<Id, Needs>,
}

/// The chosen packages that one package needs, each once.
#[derive(Debug, Default)]
struct Needs {
    before_unpack: Vec<Id>,
    all: Vec<Id>,
}

impl<'u> Graph<'u> {
    /// The graph of the solution `chosen`.
    pub fn new(universe: &'u Universe<'u>, chosen: &[Id]) -> Self {
        let members: BTreeSet<Id> = chosen.iter().copied().collect();
        let needs = chosen.iter().map(|&id| (id, needs(universe, &members, id)));
        Self {
            universe,
            needs: needs.collect(),
        }
    }

    /// All packages, each after what it needs, and all of `base` before the others: scripts use
    /// the Essential packages without a word about it (Debian Policy 3.8).
    pub fn configure_order(&self, base: &BTreeSet<Id>) -> Vec<Id> {
        let mut walk = Components::default();
        let everything = self.needs.keys().copied().collect();
        let base = base.iter().copied().collect();
        for id in self.sorted(base).into_iter().chain(self.sorted(everything)) {
            walk.visit(self, id);
        }
        let ordered = walk
            .found
            .into_iter()
            .map(|component| self.order_cycle(component));
        ordered.flatten().collect()
    }

    /// Everything that the packages `names` need, themselves included.
    pub fn closure(&self, names: &[&str]) -> BTreeSet<Id> {
        let is_named = |id: &Id| names.contains(&self.universe.package(*id).name);
        let mut open: Vec<Id> = self.needs.keys().copied().filter(is_named).collect();
        let mut closed = BTreeSet::new();
        while let Some(id) = open.pop() {
            if closed.insert(id) {
                open.extend(self.all(id).iter().copied());
            }
        }
        closed
    }

    fn all(&self, id: Id) -> &[Id] {
        self.needs.get(&id).map_or(&[], |needs| &needs.all)
    }

    fn before_unpack(&self, id: Id) -> &[Id] {
        self.needs
            .get(&id)
            .map_or(&[], |needs| &needs.before_unpack)
    }

    fn sorted(&self, mut ids: Vec<Id>) -> Vec<Id> {
        ids.sort_by_key(|id| self.universe.package(*id).name);
        ids
    }

    fn order_cycle(&self, component: Vec<Id>) -> Vec<Id> {
        let members: BTreeSet<Id> = component.iter().copied().collect();
        let mut ordered = Vec::with_capacity(component.len());
        let mut seen = BTreeSet::new();
        for id in self.sorted(component) {
            self.place(id, &members, &mut seen, &mut ordered);
        }
        ordered
    }

    fn place(&self, id: Id, members: &BTreeSet<Id>, seen: &mut BTreeSet<Id>, out: &mut Vec<Id>) {
        if !members.contains(&id) || !seen.insert(id) {
            return;
        }
        for &before in self.before_unpack(id) {
            self.place(before, members, seen, out);
        }
        out.push(id);
    }
}

/// What the chosen package `id` needs of the others; damaged fields were refused by the solver.
fn needs(universe: &Universe<'_>, members: &BTreeSet<Id>, id: Id) -> Needs {
    let package = universe.package(id);
    let chosen = |group: &Vec<Relation<'_>>| {
        let all = group
            .iter()
            .flat_map(|relation| universe.satisfiers(relation));
        let mut present = all.filter(|found| members.contains(found));
        present.next()
    };
    let collect = |groups: &[Vec<Relation<'_>>]| -> Vec<Id> {
        let found: BTreeSet<Id> = groups
            .iter()
            .filter_map(chosen)
            .filter(|n| *n != id)
            .collect();
        let mut found: Vec<Id> = found.into_iter().collect();
        found.sort_by_key(|id| universe.package(*id).name);
        found
    };
    let mut groups = package.pre_depends().unwrap_or_default();
    let before_unpack = collect(&groups);
    groups.extend(package.depends().unwrap_or_default());
    let all = collect(&groups);
    Needs { before_unpack, all }
}

/// Strongly connected components, each found after all that it leads to.
///
/// Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972.
#[derive(Default)]
struct Components {
    /// Number of each visited package.
    numbers: BTreeMap<Id, usize>,
    stack: Vec<Id>,
    found: Vec<Vec<Id>>,
}

impl Components {
    /// Visits `id` and all below it; returns the least number on the stack reachable from it.
    fn visit(&mut self, graph: &Graph<'_>, id: Id) -> usize {
        if let Some(number) = self.numbers.get(&id) {
            let open = self.stack.contains(&id);
            return if open { *number } else { usize::MAX };
        }
        let number = self.numbers.len();
        let depth = self.stack.len();
        self.numbers.insert(id, number);
        self.stack.push(id);
        let mut least = number;
        for &need in graph.all(id) {
            least = least.min(self.visit(graph, need));
        }
        if least == number {
            self.found.push(self.stack.split_off(depth));
        }
        least
    }
}
