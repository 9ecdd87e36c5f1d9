//! Debian's rules in the words of the solver.
//!
//! A relation becomes a union of real package names, each with the versions that satisfy it, in the
//! order of preference: what the [`guess`] holds, then alternatives as written, of each the package
//! of that name, then its providers. `Breaks` and `Conflicts` become constraints on the same real names. So the solver
//! never sees a virtual package, and at most one version of a name is chosen.
//!
//! Ids are given out in the order in which the solver asks, candidates are totally ordered, and
//! nothing iterates over a hash map: the same universe gives the same solution.

use std::{collections::BTreeSet, fmt::Display};

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Problem, Requirement,
    SolvableId, Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId,
    VersionSetUnionId,
    utils::{Pool, VersionSet},
};

use super::{
    guess,
    relation::{Operator, Relation, RelationError},
    universe::{Id, Universe},
};

/// The versions of one real package that are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Accepted {
    /// Sorted.
    ids: Vec<Id>,
    /// Why, for messages.
    words: String,
}

impl VersionSet for Accepted {
    // The pool holds names and version sets only: a solvable has the number of its package.
    type V = Id;
}

/// The solver's view of a [`Universe`].
struct Provider<'u> {
    universe: &'u Universe<'u>,
    pool: Pool<Accepted>,
    /// What is probably chosen in the end, and so preferred among alternatives.
    guess: BTreeSet<Id>,
}

/// The packages that satisfy all of `names` together, sorted by number.
///
/// Packages of the guess are in it wherever that leads to no conflict, even where nothing asks for
/// them in the end.
///
/// # Errors
/// In words: what conflicts with what.
pub fn solve(universe: &Universe<'_>, names: &[&str]) -> Result<Vec<Id>, String> {
    let provider = Provider {
        universe,
        pool: Pool::new(),
        guess: guess::guess(universe, names),
    };
    let wanted = names.iter().map(|name| {
        let relation = Relation {
            name,
            qualifier: None,
            constraint: None,
        };
        provider.require(&[relation])
    });
    let preferred: Vec<_> = provider
        .guess
        .iter()
        .copied()
        .map(SolvableId::from_raw)
        .collect();
    let problem = Problem::new().requirements(wanted.collect());
    let mut solver = Solver::new(provider);
    match solver.solve(problem.soft_requirements(preferred)) {
        Ok(solution) => {
            let mut ids: Vec<Id> = solution.into_iter().map(SolvableId::into_raw).collect();
            ids.sort_unstable();
            Ok(ids)
        }
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => Err(conflict
            .display_user_friendly(&solver)
            .to_string()
            .trim_end()
            .to_owned()),
        Err(UnsolvableOrCancelled::Cancelled(_)) => Err("the solver was cancelled".to_owned()),
    }
}

impl Provider<'_> {
    fn name(&self, name: &str) -> NameId {
        self.pool.intern_package_name(name)
    }

    /// One of `alternatives`, the first possible one.
    fn require(&self, alternatives: &[Relation<'_>]) -> ConditionalRequirement {
        let mut options = Vec::new();
        for relation in alternatives {
            let mut accepted = self.by_name(self.universe.satisfiers(relation));
            if accepted.is_empty() {
                accepted.push((relation.name, Vec::new()));
            }
            options.extend(
                accepted
                    .into_iter()
                    .map(|(name, ids)| (name, ids, relation)),
            );
        }
        options.sort_by_key(|(_, ids, _)| !ids.iter().any(|id| self.guess.contains(id)));
        let sets = options
            .into_iter()
            .map(|(name, ids, relation)| self.accept(name, ids, relation));
        let mut sets = sets.collect::<Vec<_>>().into_iter();
        let requirement = match (sets.next(), sets.len()) {
            (Some(first), 0) => Requirement::Single(first),
            (Some(first), _) => self.pool.intern_version_set_union(first, sets).into(),
            (None, _) => Requirement::default(),
        };
        ConditionalRequirement {
            condition: None,
            requirement,
        }
    }

    /// What is left of each name that `relation` of package `owner` speaks of.
    fn exclude(&self, owner: &str, relation: &Relation<'_>) -> Vec<VersionSetId> {
        let excluded = self.by_name(self.universe.satisfiers(relation));
        let others = excluded.into_iter().filter(|(name, _)| *name != owner);
        others
            .map(|(name, ids)| {
                let mut left = self.universe.named(name).to_vec();
                left.retain(|id| !ids.contains(id));
                self.accept(name, left, relation)
            })
            .collect()
    }

    /// Groups packages by name, keeping the order in which names first occur.
    fn by_name(&self, ids: Vec<Id>) -> Vec<(&str, Vec<Id>)> {
        let mut groups: Vec<(&str, Vec<Id>)> = Vec::new();
        for id in ids {
            let name = self.universe.package(id).name;
            match groups.iter_mut().find(|(known, _)| *known == name) {
                Some((_, group)) => group.push(id),
                None => groups.push((name, vec![id])),
            }
        }
        groups
    }

    fn accept(&self, name: &str, mut ids: Vec<Id>, relation: &Relation<'_>) -> VersionSetId {
        ids.sort_unstable();
        let words = match name == relation.name {
            true => constraint_words(relation),
            false => format!("for {}{}", relation.name, constraint_words(relation)),
        };
        let name = self.name(name);
        self.pool.intern_version_set(name, Accepted { ids, words })
    }

    fn dependencies(&self, id: Id) -> Result<KnownDependencies, RelationError> {
        let package = self.universe.package(id);
        let mut known = KnownDependencies::default();
        for group in package.pre_depends()?.iter().chain(&package.depends()?) {
            known.requirements.push(self.require(group));
        }
        for relation in &package.conflicts()? {
            known
                .constrains
                .extend(self.exclude(package.name, relation));
        }
        Ok(known)
    }
}

fn constraint_words(relation: &Relation<'_>) -> String {
    let Some((operator, version)) = relation.constraint else {
        return String::new();
    };
    let sign = match operator {
        Operator::Earlier => "<<",
        Operator::EarlierOrEqual => "<=",
        Operator::Equal => "=",
        Operator::LaterOrEqual => ">=",
        Operator::Later => ">>",
    };
    format!("({sign} {version})")
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.universe.package(solvable.into_raw()).version
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.pool.resolve_package_name(name)
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        &self.pool.resolve_version_set(version_set).words
    }

    fn display_string(&self, string_id: StringId) -> impl Display + '_ {
        self.pool.resolve_string(string_id)
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(version_set)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.name(self.universe.package(solvable.into_raw()).name)
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(union)
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let accepted = &self.pool.resolve_version_set(version_set).ids;
        let is_accepted =
            |solvable: &SolvableId| accepted.binary_search(&solvable.into_raw()).is_ok() != inverse;
        candidates.iter().copied().filter(is_accepted).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let ids = self.universe.named(self.pool.resolve_package_name(name));
        let candidates: Vec<_> = ids.iter().copied().map(SolvableId::from_raw).collect();
        (!candidates.is_empty()).then(|| Candidates {
            candidates,
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        let order = |left: &SolvableId, right: &SolvableId| {
            let version = |id: &SolvableId| self.universe.version(id.into_raw());
            version(right).cmp(&version(left)).then(left.cmp(right))
        };
        solvables.sort_unstable_by(order);
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        match self.dependencies(solvable.into_raw()) {
            Ok(known) => Dependencies::Known(known),
            Err(error) => Dependencies::Unknown(self.pool.intern_string(error.to_string())),
        }
    }
}
