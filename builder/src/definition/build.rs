//! `[build]`: commands that run while an image is built, and what of their work is kept.
//!
//! An image and its parts have one, a profile another: what a profile builds, such as the modules of
//! its kernel, is the same for every image.

use super::{
    command::{self, Command},
    content,
    decode::Table,
    image, name,
    problem::Problem,
    source::At,
};

/// Commands of one origin, with the packages that they need and the paths that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Whose it is.
    pub origin: BuildOrigin,
    /// Packages of the throw-away root, besides the Essential ones; sorted, each once.
    pub packages: Vec<String>,
    /// What runs, in this order; at least one.
    pub commands: Vec<Command>,
    /// Absolute paths at or below which all that the commands made or changed is kept; at least one,
    /// none below another.
    pub outputs: Vec<String>,
}

/// Whose commands they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildOrigin {
    /// The profile's: its root has the packages of `[build]` alone.
    Profile,
    /// The image's: its root has the packages of the image as well.
    Image,
}

impl BuildOrigin {
    /// `profile` or `image`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Image => "image",
        }
    }
}

impl Build {
    /// The set of the lock that holds the packages of its root, for the profile `profile`.
    pub fn set(&self, profile: &str) -> String {
        format!("build/{profile}/{}", self.origin.name())
    }
}

/// What one or several `[build]` say.
#[derive(Debug, Default)]
struct Draft {
    packages: Vec<String>,
    commands: Vec<Command>,
    outputs: Vec<At<String>>,
}

/// `[build]` of a document and its parts; `None` without a command.
pub(super) fn read(root: &Table<'_>, origin: BuildOrigin) -> Option<Build> {
    let mut all = Draft::default();
    for table in root.everywhere("build") {
        let draft = table.decode(read_one);
        all.packages.extend(draft.packages);
        all.commands.extend(draft.commands);
        all.outputs.extend(draft.outputs);
    }
    check_apart(&all.outputs, root);
    all.packages.sort();
    all.packages.dedup();
    (!all.commands.is_empty()).then(|| Build {
        origin,
        packages: all.packages,
        commands: all.commands,
        outputs: all.outputs.into_iter().map(|path| path.value).collect(),
    })
}

fn read_one(table: &Table<'_>) -> Draft {
    let commands = command::read(table);
    table.require("outputs");
    let draft = Draft {
        packages: image::packages(table),
        commands,
        outputs: outputs(table),
    };
    if !table.is_absent("outputs") && table.array("outputs").is_empty() {
        let label = "nothing of what the commands make would be kept";
        table.fail("no output", label);
    }
    draft
}

fn outputs(table: &Table<'_>) -> Vec<At<String>> {
    let paths = table.strings("outputs").into_iter();
    let check = |path: At<String>| {
        let rule = name::absolute(&path.value).and_then(|found| match content::hidden_by(&found) {
            None => Ok(found),
            Some(mount) => Err(format!("`{mount}` is mounted over when the appliance runs")),
        });
        let value = table.problems().keep(&path, "invalid output", rule)?;
        Some(path.with(value))
    };
    paths.filter_map(check).collect()
}

/// Reports outputs that are there twice, or lie below another.
fn check_apart(outputs: &[At<String>], root: &Table<'_>) {
    for (at, output) in outputs.iter().enumerate() {
        let others = outputs.iter().enumerate().filter(|(other, _)| *other != at);
        let holds = |(other, top): &(usize, &At<String>)| {
            let again = *other < at && top.value == output.value;
            again || content::is_below(&output.value, &top.value)
        };
        if let Some((_, top)) = others.into_iter().find(holds) {
            let title = format!("output `{}` is kept twice", output.value);
            let label = format!("lies at or below the output `{}`", top.value);
            root.problems()
                .add(Problem::error(title).at(&output.place, label));
        }
    }
}
