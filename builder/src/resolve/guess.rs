//! A first guess at a solution, taking choices as apt takes them.
//!
//! Dependencies are followed depth first, in the order in which they are written, and a group that
//! something chosen so far satisfies asks for nothing more. Conflicts are not looked at: the solver
//! prefers what is guessed here, and proves or repairs it.
//!
//! Source: observed with `apt-get -s -o Debug::pkgDepCache::AutoInstall=1`, and held against it by
//! `tests/apt_differential.rs`.

use std::collections::BTreeSet;

use super::{
    relation::Relation,
    universe::{Id, Universe},
};

/// The packages that `names` would bring in.
pub fn guess(universe: &Universe<'_>, names: &[&str]) -> BTreeSet<Id> {
    let best = |name: &&str| universe.named(name).first().copied();
    let asked: Vec<Id> = names.iter().filter_map(best).collect();
    let mut guess = Guess {
        universe,
        chosen: asked.iter().copied().collect(),
    };
    for id in asked {
        guess.follow(id);
    }
    guess.chosen
}

struct Guess<'u> {
    universe: &'u Universe<'u>,
    chosen: BTreeSet<Id>,
}

impl Guess<'_> {
    fn follow(&mut self, id: Id) {
        let package = self.universe.package(id);
        let pre_depends = package.pre_depends().unwrap_or_default();
        let depends = package.depends().unwrap_or_default();
        for group in pre_depends.iter().chain(&depends) {
            if let Some(missing) = self.missing(group) {
                self.chosen.insert(missing);
                self.follow(missing);
            }
        }
    }

    /// What has to be added for `group` to hold, if anything.
    fn missing(&self, group: &[Relation<'_>]) -> Option<Id> {
        let all = group
            .iter()
            .flat_map(|relation| self.universe.satisfiers(relation));
        let options: Vec<Id> = all.collect();
        let satisfied = options.iter().any(|option| self.chosen.contains(option));
        options.first().copied().filter(|_| !satisfied)
    }
}
