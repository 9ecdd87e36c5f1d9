//! Requests → lock: reads the indexes once, solves each set, writes down what was chosen.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ResolveError, Sets, Sources,
    index::{self, Index},
    lock::{Lock, LockedPackage, LockedRepository},
    order::Graph,
    provider,
    relation::Relation,
    request::{self, Request, Rule},
    universe::{Id, Universe},
};
use crate::definition::Repository;

/// What the packages of a kernel are called; the meta package leads from one to the next.
const KERNEL_PREFIXES: [&str; 3] = ["linux-image-", "linux-binary-", "linux-modules-"];

/// Locks `requests`, which are sorted by set.
///
/// # Errors
/// See [`ResolveError`].
pub(super) fn lock(requests: &[Request], sources: &Sources) -> Result<Lock, ResolveError> {
    let indexes = load_indexes(requests, sources)?;
    let mut lock = Draft::default();
    let mut done: Vec<&[Repository]> = Vec::new();
    for request in requests {
        if done.contains(&request.repositories.as_slice()) {
            continue;
        }
        done.push(&request.repositories);
        let wanted = request.repositories.iter().map(|name| find(&indexes, name));
        let universe = Universe::new(&wanted.flatten().collect::<Vec<_>>())?;
        let same = requests
            .iter()
            .filter(|other| other.repositories == request.repositories);
        for request in same {
            lock.add(request, &universe)?;
        }
    }
    Ok(Lock {
        schema: Default::default(),
        request: request::digest(requests),
        repositories: locked(&indexes),
        sets: lock.sets,
        packages: lock.packages.into_values().collect(),
        images: Vec::new(),
    })
}

fn find<'a>(indexes: &'a [(Repository, Index)], wanted: &Repository) -> Option<&'a Index> {
    let found = indexes.iter().find(|(repository, _)| repository == wanted);
    found.map(|(_, index)| index)
}

/// Each repository of `requests` once, in the order in which they occur.
fn load_indexes(
    requests: &[Request],
    sources: &Sources,
) -> Result<Vec<(Repository, Index)>, ResolveError> {
    let mut indexes = Vec::new();
    for request in requests {
        for repository in &request.repositories {
            if find(&indexes, repository).is_none() {
                let index = index::load(repository, &request.directory, sources)?;
                indexes.push((repository.clone(), index));
            }
        }
    }
    Ok(indexes)
}

fn locked(indexes: &[(Repository, Index)]) -> Vec<LockedRepository> {
    let mut all: Vec<_> = indexes
        .iter()
        .map(|(_, index)| index.locked.clone())
        .collect();
    all.sort_by(|a, b| (&a.archive, &a.suite).cmp(&(&b.archive, &b.suite)));
    all.dedup();
    all
}

/// A lock being written.
#[derive(Default)]
struct Draft {
    sets: Sets,
    /// By name and version.
    packages: BTreeMap<(String, String), LockedPackage>,
}

impl Draft {
    fn add(&mut self, request: &Request, universe: &Universe<'_>) -> Result<(), ResolveError> {
        let essential = match request.rule {
            Rule::ClosureWithEssential | Rule::Build => universe.essential(),
            Rule::Closure | Rule::Kernel => Vec::new(),
        };
        let chosen = choose(request, &essential, universe)?;
        let graph = Graph::new(universe, &chosen);
        let base = graph.closure(&essential);
        let mut ids = Vec::with_capacity(chosen.len());
        for id in graph.configure_order(&base) {
            // The root of `[build]` has one layer, and says nothing of the layers of others.
            let place = request.rule != Rule::Build && base.contains(&id);
            ids.push(self.keep(id, place.into(), universe)?);
        }
        self.sets.insert(request.set.clone(), ids);
        Ok(())
    }

    /// Writes a package down; returns its `name=version`.
    fn keep(
        &mut self,
        id: Id,
        place: Place,
        universe: &Universe<'_>,
    ) -> Result<String, ResolveError> {
        let package = universe.package(id);
        let name = format!("{}={}", package.name, package.version);
        let content = package.content().filter(|_| !package.path.is_empty());
        let entry = || ResolveError::Entry {
            package: name.clone(),
        };
        let (sha256, size) = content.ok_or_else(entry)?;
        let key = (package.name.to_owned(), package.version.to_owned());
        let known = self.packages.entry(key).or_insert_with(|| LockedPackage {
            name: package.name.to_owned(),
            version: package.version.to_owned(),
            architecture: package.architecture.to_owned(),
            archive: package.archive.to_owned(),
            path: package.path.to_owned(),
            sha256,
            size,
            base: false,
        });
        if known.sha256 != sha256 {
            return Err(ResolveError::Ambiguous {
                package: name,
                first: known.archive.clone(),
                second: package.archive.to_owned(),
            });
        }
        known.base |= place == Place::Base;
        Ok(name)
    }
}

/// Which layer a package of the root belongs to.
#[derive(PartialEq, Eq)]
enum Place {
    Base,
    Above,
}

impl From<bool> for Place {
    fn from(in_closure_of_essential: bool) -> Self {
        match in_closure_of_essential {
            true => Self::Base,
            false => Self::Above,
        }
    }
}

fn choose(
    request: &Request,
    essential: &[&str],
    universe: &Universe<'_>,
) -> Result<Vec<Id>, ResolveError> {
    let asked: Vec<&str> = request.packages.iter().map(String::as_str).collect();
    for name in &asked {
        if universe.named(name).is_empty() {
            return Err(ResolveError::UnknownPackage {
                set: request.set.clone(),
                package: (*name).to_owned(),
                hint: hint(name, universe),
            });
        }
    }
    if request.rule == Rule::Kernel {
        return Ok(kernel(&asked, universe));
    }
    let wanted: Vec<&str> = essential.iter().copied().chain(asked).collect();
    let solved = provider::solve(universe, &wanted);
    let chosen = solved.map_err(|conflict| ResolveError::Unsatisfiable {
        set: request.set.clone(),
        conflict,
    })?;
    let is_kernel = |id: &Id| is_of_kernel(universe.package(*id).name);
    let chosen: Vec<Id> = match request.rule {
        Rule::Build => chosen.into_iter().filter(|id| !is_kernel(id)).collect(),
        _ => chosen,
    };
    // A repaired guess may hold what nothing asks for any more.
    let needed = Graph::new(universe, &chosen).closure(&wanted);
    Ok(needed.into_iter().collect())
}

/// The best version of `names` and of every kernel package that they lead to.
fn kernel(names: &[&str], universe: &Universe<'_>) -> Vec<Id> {
    let best = |name: &&str| universe.named(name).first().copied();
    let mut open: Vec<Id> = names.iter().filter_map(best).collect();
    let mut chosen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !chosen.insert(id) {
            continue;
        }
        let groups = universe.package(id).depends().unwrap_or_default();
        let of_kernel = |relation: &&Relation<'_>| is_of_kernel(relation.name);
        let parts = groups
            .iter()
            .filter_map(|group| group.iter().find(of_kernel));
        open.extend(parts.filter_map(|part| universe.satisfiers(part).first().copied()));
    }
    chosen.into_iter().collect()
}

/// Whether `name` is that of a kernel package.
fn is_of_kernel(name: &str) -> bool {
    let mut prefixes = KERNEL_PREFIXES.iter();
    prefixes.any(|prefix| name.starts_with(prefix))
}

/// Who provides `name`, or else the nearest name.
fn hint(name: &str, universe: &Universe<'_>) -> String {
    let relation = Relation {
        name,
        qualifier: None,
        constraint: None,
    };
    let providers = universe.satisfiers(&relation);
    let mut names: Vec<_> = providers
        .iter()
        .map(|id| universe.package(*id).name)
        .collect();
    names.dedup();
    if !names.is_empty() {
        return format!("; it is provided by `{}`", names.join("`, `"));
    }
    let distance = |other: &&str| (strsim::damerau_levenshtein(name, other), other.len());
    let nearest = universe
        .names()
        .min_by_key(|other| (distance(other), *other));
    match nearest.filter(|other| distance(other).0 <= 3) {
        Some(nearest) => format!("; the nearest name is `{nearest}`"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
