//! Nouns of definition and lock as inputs of steps.
//!
//! The digest of an input covers what the step reads of the noun and nothing else: no path of this
//! host, no comment, no order of keys.

use std::fmt::Debug;

use bedplate_contract::Digest;

use super::step::{Input, Parts};
use crate::{
    definition::{
        Build, Command, Definition, Exhibit, File, SourceContent, SourceEntry, SourceTree,
        TreeSource,
    },
    host::HostPrograms,
    registry::PinnedImage,
    resolve::lock::LockedPackage,
};

pub(super) fn package(package: &LockedPackage) -> Input {
    Input::new(format!("package {}", package.name), package.sha256).version(&package.version)
}

/// A value of the definition; its text form is the same for the same value.
pub(super) fn value(name: impl Into<String>, value: &impl Debug) -> Input {
    Input::new(name, Digest::of(format!("{value:?}").as_bytes()))
}

pub(super) fn users(definition: &Definition) -> impl Iterator<Item = Input> {
    let users = definition.users.iter();
    users.map(|user| value(format!("user {}", user.name), user))
}

pub(super) fn directories(definition: &Definition) -> impl Iterator<Item = Input> {
    let directories = definition.directories.iter();
    directories.map(|directory| value(format!("directory {}", directory.path), directory))
}

/// What a `[build]` does, and what is kept.
pub(super) fn commands(build: &Build) -> [Input; 2] {
    [texts(&build.commands), value("outputs", &build.outputs)]
}

/// The texts of commands, wherever they stand.
pub(super) fn texts(commands: &[Command]) -> Input {
    let texts: Vec<&str> = commands.iter().map(|c| c.text.as_str()).collect();
    value("commands", &texts)
}

/// A file that only commands see.
pub(super) fn exhibit(file: &Exhibit) -> Input {
    Input::new(format!("file {}", file.name), Digest::of(&file.content))
}

/// A file as it is before packages are configured: its owner may not exist yet.
pub(super) fn early_file(file: &File) -> Input {
    Input::new(format!("file {}", file.path), unowned(file).digest())
}

pub(super) fn file(file: &File) -> Input {
    let digest = unowned(file).part(file.owner.as_bytes()).digest();
    Input::new(format!("file {}", file.path), digest)
}

fn unowned(file: &File) -> Parts {
    Parts::default()
        .part(file.path.as_bytes())
        .part(&file.mode.to_le_bytes())
        .part(&file.content)
}

/// A part of an image is known by its name and path here: the image itself is an input of its own.
pub(super) fn tree(tree: &SourceTree) -> Input {
    let start = Parts::default().part(tree.owner.as_bytes());
    let all = match &tree.source {
        TreeSource::Entries(entries) => entries.iter().fold(start, add_entry),
        TreeSource::Image { name, from } => start
            .part(b"image")
            .part(name.as_bytes())
            .part(from.as_bytes()),
    };
    Input::new(format!("tree {}", tree.path), all.digest())
}

/// The manifest covers configuration and layers.
pub(super) fn image_of_registry(image: &PinnedImage) -> Input {
    Input::new(format!("image {}", image.reference), image.manifest)
}

fn add_entry(parts: Parts, entry: &SourceEntry) -> Parts {
    let parts = parts.part(entry.path.as_os_str().as_encoded_bytes());
    match &entry.content {
        SourceContent::Directory => parts.part(b"directory"),
        SourceContent::Link(text) => {
            let text = text.as_os_str().as_encoded_bytes();
            parts.part(b"link").part(text)
        }
        SourceContent::File { bytes, mode } => {
            let digest = Digest::of(bytes);
            let parts = parts.part(b"file").part(&mode.to_le_bytes());
            parts.part(digest.as_bytes())
        }
    }
}

/// Name and version; the summary is only a label of the image.
pub(super) fn image(definition: &Definition) -> Input {
    let image = &definition.image;
    let facts = (&image.name, &image.version);
    value(format!("image {}", image.name), &facts).version(&image.version)
}

pub(super) fn init(host: &HostPrograms<'_>) -> Input {
    Input::new("program init", Digest::of(host.init))
}

pub(super) fn programs(host: &HostPrograms<'_>) -> [Input; 3] {
    [
        init(host),
        Input::new("program bedplatectl", Digest::of(host.bedplatectl)),
        Input::new("program gpu-probe", Digest::of(host.gpu_probe)),
    ]
}

/// What `appliance.json` says, and which modules are loaded.
pub(super) fn appliance(definition: &Definition) -> Vec<Input> {
    let profile = &definition.profile;
    let mut inputs = vec![
        image(definition),
        value("profile", &profile.name),
        value("requirements", &profile.requirements),
        value("sysctl", &profile.sysctl),
        value("hugepages", &profile.hugepages),
        value("modules", &profile.modules),
    ];
    let volumes = definition.volumes.iter();
    inputs.extend(volumes.map(|volume| value(format!("volume {}", volume.name), volume)));
    let secrets = definition.secrets.iter();
    inputs.extend(secrets.map(|secret| value(format!("secret {}", secret.name), secret)));
    let services = definition.services.iter();
    inputs.extend(services.map(|service| value(format!("service {}", service.name), service)));
    inputs.push(firewall(definition));
    let backups = definition.backups.iter();
    inputs.extend(backups.map(|backup| value(format!("backup {}", backup.name), backup)));
    inputs.push(value("gate", &definition.gate));
    inputs.push(value("network", &definition.network));
    inputs.push(value("log", &definition.log));
    inputs.push(value("watchdog", &definition.watchdog_ms));
    inputs
}

/// The rules, and the modules that they need.
pub(super) fn firewall(definition: &Definition) -> Input {
    value("firewall", &definition.firewall)
}

/// What `trust.json` says.
pub(super) fn trust(definition: &Definition) -> Input {
    let update = &definition.update;
    let trust = (
        &update.keys,
        update.threshold,
        &update.minimum_version,
        &update.source,
    );
    value("update", &trust)
}
