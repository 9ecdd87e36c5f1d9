//! `[[oci]]`: images of container registries, and what becomes of a definition that cannot have them.

use std::collections::BTreeSet;

use super::{
    content::check_unique,
    decode::Table,
    name,
    problem::Problem,
    source::{At, Place},
};
use crate::registry::Reference;

/// An image that the definition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciSource {
    /// Name within the definition; its root lies in `/usr/lib/bedplate/oci/<name>`.
    pub name: String,
    /// What it is called where it comes from.
    pub reference: Reference,
}

/// Which images a build can have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Available {
    /// A registry is named: all of them.
    pub registry: bool,
    /// Names of those that are given as a layout on disk.
    pub given: BTreeSet<String>,
    /// Name and reference of those that the lock pins.
    pub locked: BTreeSet<(String, String)>,
}

impl Available {
    fn has(&self, image: &OciSource) -> bool {
        let pinned = (image.name.clone(), image.reference.to_string());
        self.registry
            || image.reference.registry.is_some()
            || self.given.contains(&image.name)
            || self.locked.contains(&pinned)
    }
}

/// `without_registry`: what becomes of services whose image cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithoutRegistry {
    Refuse,
    LeaveOut,
}

/// The images of a definition.
#[derive(Debug, Default)]
pub(super) struct Images {
    all: Vec<OciSource>,
    absent: BTreeSet<String>,
}

/// Reads `without_registry` and every `[[oci]]`, names each once.
///
/// An image that cannot be had is a problem, unless its services may be left out.
pub(super) fn read(root: &Table<'_>, available: &Available) -> Images {
    let choices = [
        ("refuse", WithoutRegistry::Refuse),
        ("leave-out", WithoutRegistry::LeaveOut),
    ];
    let switch = root.choice("without_registry", &choices);
    let mut names = Vec::new();
    let mut images = Images::default();
    for table in root.tables("oci") {
        let (image, place) = table.decode(|table| read_one(table, &mut names));
        let Some(image) = image else { continue };
        if !available.has(&image) {
            match switch {
                Some(WithoutRegistry::LeaveOut) => {
                    images.absent.insert(image.name.clone());
                }
                _ => root.problems().add(unavailable(&image, &place)),
            }
        }
        images.all.push(image);
    }
    images
}

fn read_one(table: &Table<'_>, names: &mut Vec<String>) -> (Option<OciSource>, Place) {
    let name = table.required("name", name::plain);
    check_unique(table.problems(), "image", &name, names);
    table.require("reference");
    let parse = |text: &str| text.parse().map_err(|e| format!("{e}"));
    let reference = table.parsed::<Reference>("reference", parse);
    let place = reference
        .as_ref()
        .map_or(table.header(), |r| r.place.clone());
    let image = reference.map(|reference| OciSource {
        name: name.value,
        reference: reference.value,
    });
    (image, place)
}

fn unavailable(image: &OciSource, place: &Place) -> Problem {
    let OciSource { name, reference } = image;
    let title = format!("no registry is named for the image `{name}`");
    let help = format!(
        "name one with `--registry HOST[:PORT]`, give its layout with `--oci {name}=DIR`, or have \
         its services left out with `without_registry = \"leave-out\"` at the top"
    );
    let label = format!("`{reference}` has to come from somewhere");
    Problem::error(title).at(place, label).help(help)
}

impl Images {
    /// The image that `key` names; an unknown name is reported.
    pub fn find(&self, table: &Table<'_>, key: &'static str) -> Option<At<String>> {
        let found = table.string(key)?;
        let names: Vec<_> = self.all.iter().map(|image| image.name.as_str()).collect();
        if names.contains(&found.value.as_str()) {
            return Some(found);
        }
        let help = match name::nearest(&found.value, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it with `[[oci]]`".to_owned(),
        };
        let title = format!("unknown image `{}`", found.value);
        let problem = Problem::error(title).at(&found.place, "no such image");
        table.problems().add(problem.help(help));
        None
    }

    /// Whether `name` is one that cannot be had, and is left out.
    pub fn is_absent(&self, name: &str) -> bool {
        self.absent.contains(name)
    }

    /// Every name, and whether the image can be had.
    pub fn presence(&self) -> impl Iterator<Item = (&str, bool)> {
        let images = self.all.iter();
        images.map(|image| (image.name.as_str(), !self.is_absent(&image.name)))
    }

    /// Those that can be had.
    pub fn present(self) -> Vec<OciSource> {
        let Self { all, absent } = self;
        let images = all.into_iter();
        images
            .filter(|image| !absent.contains(&image.name))
            .collect()
    }
}
