//! The directories of a volume, and the cluster at which each file and directory begins.

use std::{collections::BTreeMap, io};

use super::{
    CLUSTER, Volume,
    entry::{self, Kind, ShortName, Target},
    invalid,
};

/// The cluster of the root directory; numbers below it have other meanings.
pub const FIRST_CLUSTER: u32 = 2;
const DOT: ShortName = *b".          ";
const DOT_DOT: ShortName = *b"..         ";

/// Where everything lies: runs of clusters that follow each other without a gap.
#[derive(Debug)]
pub struct Tree<'a> {
    /// Bytes of the directories, by their path (the root is the empty one), with first clusters.
    directories: BTreeMap<&'a str, (u32, Vec<u8>)>,
    files: BTreeMap<&'a str, (u32, &'a [u8])>,
    clusters: u32,
}

/// Clusters that `length` bytes take.
pub fn clusters_of(length: usize) -> u32 {
    u32::try_from((length as u64).div_ceil(CLUSTER)).unwrap_or(u32::MAX)
}

impl<'a> Tree<'a> {
    /// Lays out `volume`: the directories first, then the files, both by path.
    ///
    /// # Errors
    /// A file of 4 GiB or more, or a name that is not ASCII.
    pub fn new(volume: &Volume<'a>) -> io::Result<Self> {
        let mut tree = Self {
            directories: BTreeMap::from([("", (0, Vec::new()))]),
            files: BTreeMap::new(),
            clusters: 0,
        };
        for (path, bytes) in volume.files {
            if !path.is_ascii() || u32::try_from(bytes.len()).is_err() {
                return Err(invalid(
                    "a file has a name that is not ASCII, or passes 4 GiB",
                ));
            }
            tree.files.insert(path, (0, bytes));
            for (at, _) in path.match_indices('/') {
                tree.directories.insert(&path[..at], (0, Vec::new()));
            }
        }
        tree.fill(volume.label);
        tree.place();
        tree.fill(volume.label);
        Ok(tree)
    }

    /// Clusters in use.
    pub const fn clusters(&self) -> u32 {
        self.clusters
    }

    /// First cluster and bytes of everything, in the order of clusters.
    pub fn runs(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let directories = self.directories.values();
        let directories = directories.map(|(first, bytes)| (*first, bytes.as_slice()));
        let files = self.files.values().map(|(first, bytes)| (*first, *bytes));
        directories.chain(files.filter(|(_, bytes)| !bytes.is_empty()))
    }

    /// Gives everything its clusters; the sizes of the directories are known by then.
    fn place(&mut self) {
        let mut next = FIRST_CLUSTER;
        for (first, bytes) in self.directories.values_mut() {
            *first = next;
            next += clusters_of(bytes.len());
        }
        for (first, bytes) in self
            .files
            .values_mut()
            .filter(|(_, bytes)| !bytes.is_empty())
        {
            *first = next;
            next = next.saturating_add(clusters_of(bytes.len()));
        }
        self.clusters = next - FIRST_CLUSTER;
    }

    /// Writes the entries of all directories, with the first clusters as far as they are known.
    fn fill(&mut self, label: ShortName) {
        let paths: Vec<&str> = self.directories.keys().copied().collect();
        for path in paths {
            let bytes = self.entries(path, label);
            if let Some(directory) = self.directories.get_mut(path) {
                directory.1 = bytes;
            }
        }
    }

    fn entries(&self, path: &str, label: ShortName) -> Vec<u8> {
        let mut bytes = self.first_entries(path, label);
        let directories = self
            .directories
            .iter()
            .filter(|(child, _)| !child.is_empty());
        let directories = directories.map(|(child, (first, _))| (*child, directory(*first)));
        let files = self
            .files
            .iter()
            .map(|(child, (first, bytes))| (*child, file(*first, bytes)));
        let mut children: Vec<_> = directories
            .chain(files)
            .filter(|(child, _)| parent(child) == path)
            .collect();
        children.sort_by_key(|(child, _)| *child);
        for (number, (child, target)) in (1..).zip(children) {
            let name = child.rsplit('/').next().unwrap_or(child);
            bytes.extend(entry::named(name, number, target));
        }
        bytes
    }

    /// The label in the root; elsewhere the directory itself and the one above, where 0 is the root.
    fn first_entries(&self, path: &str, label: ShortName) -> Vec<u8> {
        let first = |path: &str| self.directories.get(path).map_or(0, |(first, _)| *first);
        if path.is_empty() {
            let target = Target {
                kind: Kind::Label,
                ..directory(0)
            };
            return entry::short(label, target).to_vec();
        }
        let above = match parent(path) {
            "" => 0,
            above => first(above),
        };
        let dot = entry::short(DOT, directory(first(path)));
        [dot, entry::short(DOT_DOT, directory(above))].concat()
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

const fn directory(cluster: u32) -> Target {
    Target {
        kind: Kind::Directory,
        cluster,
        size: 0,
    }
}

const fn file(cluster: u32, bytes: &[u8]) -> Target {
    Target {
        kind: Kind::File,
        cluster,
        size: bytes.len() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_follow_each_other_and_empty_files_take_none() {
        let volume = Volume {
            id: 0,
            label: [b' '; 11],
            files: &[("B/C", &[1; 4097]), ("A", &[]), ("D", &[2])],
        };
        let tree = Tree::new(&volume).unwrap();
        let runs: Vec<_> = tree
            .runs()
            .map(|(first, bytes)| (first, bytes.len()))
            .collect();
        assert_eq!(runs, [(2, 4 * 32), (3, 3 * 32), (4, 4097), (6, 1)]);
        assert_eq!(tree.clusters(), 5);
    }

    #[test]
    fn other_names_are_refused() {
        let volume = Volume {
            id: 0,
            label: [b' '; 11],
            files: &[("é", b"")],
        };
        assert!(Tree::new(&volume).is_err());
    }
}
