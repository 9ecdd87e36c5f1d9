//! All packages of some repositories, and which of them satisfy a relation.
//!
//! Everything is borrowed from the index texts; relations and versions are parsed when asked for,
//! since a solve touches a few hundred of the some 70 000 packages.

use std::{cell::OnceCell, cmp::Ordering, collections::HashMap};

use bedplate_contract::Digest;
use debversion::Version;

use super::{
    ResolveError,
    deb822::{self, Field, Stanza},
    index::Index,
    relation::{self, Relation, RelationError},
};

/// Number of a package in its [`Universe`].
pub type Id = u32;

/// One stanza of a `Packages` file.
#[derive(Debug, Clone, Default)]
pub struct Package<'a> {
    /// `Package`.
    pub name: &'a str,
    /// `Version`.
    pub version: &'a str,
    /// `Architecture`.
    pub architecture: &'a str,
    /// `Filename`, below the archive's URL.
    pub path: &'a str,
    /// `SHA256`, in hex.
    pub sha256: &'a str,
    /// `Size`, in bytes.
    pub size: &'a str,
    /// Archive it comes from.
    pub archive: &'a str,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Multi-Arch: allowed`.
    pub any_architecture: bool,
    /// How far `Priority` is from `required`.
    priority: u8,
    pre_depends: &'a str,
    depends: &'a str,
    conflicts: &'a str,
    breaks: &'a str,
    provides: &'a str,
}

/// A name that a package provides.
#[derive(Debug)]
struct Provision<'a> {
    package: Id,
    version: Option<&'a str>,
}

/// All packages, by name and by what they provide.
#[derive(Debug)]
pub struct Universe<'a> {
    packages: Vec<Package<'a>>,
    versions: Vec<OnceCell<Option<Version>>>,
    /// Name → packages, highest version first.
    named: HashMap<&'a str, Vec<Id>>,
    /// Name → packages that provide it, most preferred first.
    provided: HashMap<&'a str, Vec<Provision<'a>>>,
}

impl<'a> Universe<'a> {
    /// The packages of `indexes`; of the same version of a package, the first index wins.
    ///
    /// # Errors
    /// An index that is no sequence of stanzas.
    pub fn new(indexes: &[&'a Index]) -> Result<Self, ResolveError> {
        let mut packages = Vec::new();
        for index in indexes {
            for (text, file) in index.texts.iter().zip(&index.files) {
                let archive = &index.locked.archive;
                let reader = Reader::new(archive, &mut packages);
                deb822::parse(text, reader).map_err(|source| ResolveError::Syntax {
                    subject: format!("{archive} {} {}", index.locked.suite, file.path),
                    source,
                })?;
            }
        }
        Ok(Self::of(packages))
    }

    fn of(packages: Vec<Package<'a>>) -> Self {
        let mut universe = Self {
            versions: packages.iter().map(|_| OnceCell::new()).collect(),
            named: HashMap::with_capacity(packages.len()),
            provided: HashMap::new(),
            packages,
        };
        universe.index_names();
        universe.index_provisions();
        universe
    }

    fn index_names(&mut self) {
        let mut named: HashMap<&str, Vec<Id>> = HashMap::with_capacity(self.packages.len());
        for (id, package) in (0..).zip(&self.packages) {
            named.entry(package.name).or_default().push(id);
        }
        for ids in named.values_mut().filter(|ids| ids.len() > 1) {
            // The sort is stable, so of equal versions the first index stays in front.
            ids.sort_by(|left, right| self.version(*right).cmp(&self.version(*left)));
            ids.dedup_by(|later, first| self.version(*later) == self.version(*first));
        }
        self.named = named;
    }

    fn index_provisions(&mut self) {
        let mut provided: HashMap<&str, Vec<Provision<'a>>> = HashMap::new();
        for ids in self.named.values() {
            for &id in ids {
                // A damaged field provides nothing; as a dependency it would be an error.
                let list = relation::parse_list(self.packages[id as usize].provides);
                for relation in list.unwrap_or_default() {
                    let version = relation.constraint.map(|(_, version)| version);
                    let provision = Provision {
                        package: id,
                        version,
                    };
                    provided.entry(relation.name).or_default().push(provision);
                }
            }
        }
        for provisions in provided.values_mut() {
            provisions.sort_by(|left, right| self.prefer(left.package, right.package));
        }
        self.provided = provided;
    }

    /// Which of two providers goes first, as apt ranks them: by priority, then in the order of the
    /// index; of one name, the highest version.
    fn prefer(&self, left: Id, right: Id) -> Ordering {
        let (a, b) = (self.package(left), self.package(right));
        let by_name = || match a.name == b.name {
            true => self.version(right).cmp(&self.version(left)),
            false => a.name.cmp(b.name),
        };
        a.priority.cmp(&b.priority).then_with(by_name)
    }

    /// The package with this number.
    pub fn package(&self, id: Id) -> &Package<'a> {
        &self.packages[id as usize]
    }

    /// The packages with this name, highest version first.
    pub fn named(&self, name: &str) -> &[Id] {
        self.named.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of all packages, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.named.keys().copied()
    }

    /// Names of the essential packages, sorted.
    pub fn essential(&self) -> Vec<&'a str> {
        let mut names: Vec<_> = self
            .packages
            .iter()
            .filter(|package| package.essential)
            .map(|package| package.name)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What satisfies `relation`, most preferred first: packages of that name, then providers.
    pub fn satisfiers(&self, relation: &Relation<'_>) -> Vec<Id> {
        let real = self.named(relation.name).iter().copied();
        let real = real.filter(|id| self.accepts(relation, self.version(*id)));
        let provisions = self.provided.get(relation.name).into_iter().flatten();
        let virtual_ones = provisions
            .filter(|provision| self.package(provision.package).name != relation.name)
            .filter(|provision| match (relation.constraint, provision.version) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(_), Some(version)) => {
                    self.accepts(relation, relation::parse_version(version).ok().as_ref())
                }
            })
            .map(|provision| provision.package);
        real.chain(virtual_ones)
            .filter(|id| self.fits_qualifier(relation, *id))
            .collect()
    }

    fn accepts(&self, relation: &Relation<'_>, version: Option<&Version>) -> bool {
        let Some((operator, wanted)) = relation.constraint else {
            return true;
        };
        let wanted = relation::parse_version(wanted).ok();
        match (version, wanted) {
            (Some(version), Some(wanted)) => operator.accepts(version.cmp(&wanted)),
            _ => false,
        }
    }

    /// Source: Debian MultiarchSpec, "Dependencies": `:any` asks for a package that allows it.
    fn fits_qualifier(&self, relation: &Relation<'_>, id: Id) -> bool {
        match relation.qualifier {
            None | Some("native" | "amd64") => true,
            Some("any") => self.package(id).any_architecture,
            Some(_) => false,
        }
    }

    /// The version of a package; a text that is none sorts below all versions.
    pub fn version(&self, id: Id) -> Option<&Version> {
        let cell = &self.versions[id as usize];
        let parse = || relation::parse_version(self.package(id).version).ok();
        cell.get_or_init(parse).as_ref()
    }
}

impl<'a> Package<'a> {
    /// `Pre-Depends`.
    ///
    /// # Errors
    /// A damaged field; likewise below.
    pub fn pre_depends(&self) -> Result<Vec<Vec<Relation<'a>>>, RelationError> {
        relation::parse_groups(self.pre_depends)
    }

    /// `Depends`.
    ///
    /// # Errors
    /// A damaged field.
    pub fn depends(&self) -> Result<Vec<Vec<Relation<'a>>>, RelationError> {
        relation::parse_groups(self.depends)
    }

    /// `Conflicts` and `Breaks`.
    ///
    /// # Errors
    /// A damaged field.
    pub fn conflicts(&self) -> Result<Vec<Relation<'a>>, RelationError> {
        let mut all = relation::parse_list(self.conflicts)?;
        all.extend(relation::parse_list(self.breaks)?);
        Ok(all)
    }

    /// Digest and size of the .deb; `None` when the index is damaged.
    pub fn content(&self) -> Option<(Digest, u64)> {
        Some((Digest::from_hex(self.sha256).ok()?, self.size.parse().ok()?))
    }

    fn set(&mut self, field: Field<'a>) {
        let value = field.value;
        match field.name {
            "Package" => self.name = value,
            "Version" => self.version = value,
            "Architecture" => self.architecture = value,
            "Filename" => self.path = value.trim_start_matches("./"),
            "SHA256" => self.sha256 = value,
            "Size" => self.size = value,
            "Essential" => self.essential = value == "yes",
            "Multi-Arch" => self.any_architecture = value == "allowed",
            "Priority" => self.priority = priority(value),
            "Pre-Depends" => self.pre_depends = value,
            "Depends" => self.depends = value,
            "Conflicts" => self.conflicts = value,
            "Breaks" => self.breaks = value,
            "Provides" => self.provides = value,
            _ => {}
        }
    }
}

fn priority(text: &str) -> u8 {
    let known = ["required", "important", "standard", "optional"];
    let place = known.iter().position(|name| *name == text);
    place.map_or(4, |place| place as u8)
}

struct Reader<'r, 'a> {
    archive: &'a str,
    packages: &'r mut Vec<Package<'a>>,
    current: Package<'a>,
}

impl<'r, 'a> Reader<'r, 'a> {
    fn new(archive: &'a str, packages: &'r mut Vec<Package<'a>>) -> Self {
        let current = Package {
            archive,
            priority: priority(""),
            ..Package::default()
        };
        Self {
            archive,
            packages,
            current,
        }
    }
}

impl<'a> Stanza<'a> for Reader<'_, 'a> {
    fn field(&mut self, field: Field<'a>) {
        self.current.set(field);
    }

    fn end(&mut self) {
        let archive = self.archive;
        let next = Package {
            archive,
            priority: priority(""),
            ..Package::default()
        };
        let package = std::mem::replace(&mut self.current, next);
        if matches!(package.architecture, "amd64" | "all") && !package.name.is_empty() {
            self.packages.push(package);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Index, Universe};
    use crate::resolve::{lock::LockedRepository, relation::parse_list, release::IndexFile};
    use bedplate_contract::Digest;

    /// An index with this text.
    pub fn index(text: &str) -> Index {
        Index {
            locked: LockedRepository {
                archive: "debian".into(),
                suite: "trixie".into(),
                in_release: Digest::of(b""),
            },
            files: vec![IndexFile {
                path: "main/binary-amd64/Packages".into(),
                sha256: Digest::of(b""),
                size: 0,
                by_hash: false,
            }],
            texts: vec![text.to_owned()],
        }
    }

    /// A stanza of version `version` with more fields behind.
    pub fn stanza(name: &str, version: &str, fields: &str) -> String {
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}\n\n")
    }

    #[test]
    fn satisfiers_are_ranked() {
        let main = index(
            &[
                stanza("mta", "1", "Priority: optional"),
                stanza("exim", "1", "Provides: mta (= 4)\nPriority: standard"),
                stanza("nullmailer", "1", "Provides: mta\nPriority: optional"),
                stanza("postfix", "1", "Provides: mta (= 3)\nPriority: optional"),
                stanza("python3", "3.13", "Multi-Arch: allowed"),
            ]
            .concat(),
        );
        let updates = index(&stanza("mta", "2", ""));
        let universe = Universe::new(&[&main, &updates]).unwrap();
        for (relation, expected) in [
            ("mta", "mta=2 mta=1 exim=1 nullmailer=1 postfix=1"),
            ("mta (<< 2)", "mta=1"),
            ("mta (>= 3)", "exim=1 postfix=1"),
            ("mta:any", ""),
            ("python3:any", "python3=3.13"),
            ("python3:i386", ""),
            ("none", ""),
        ] {
            let relation = parse_list(relation).unwrap()[0];
            let ids = universe.satisfiers(&relation);
            let found: Vec<_> = ids
                .iter()
                .map(|id| universe.package(*id))
                .map(|package| format!("{}={}", package.name, package.version))
                .collect();
            assert_eq!(found.join(" "), expected, "{relation:?}");
        }
    }

    #[test]
    fn of_equal_versions_the_first_index_wins() {
        let first = index(&stanza("a", "1.0", "Filename: first"));
        let second = index(&stanza("a", "1.0-0", "Filename: second"));
        let universe = Universe::new(&[&first, &second]).unwrap();
        let paths: Vec<_> = universe
            .named("a")
            .iter()
            .map(|id| universe.package(*id).path)
            .collect();
        assert_eq!(paths, ["first"]);
    }
}
