//! What is asked for: `image.toml` merged with one profile, validated.
//!
//! Text → tables with spans ([`decode`]) → nouns, one file each → [`Definition`]. All problems of
//! a definition are reported at once, with file, line and snippet. Files that the definition names
//! are read and rendered here, so later stages never open the TOML again. This stage reads no
//! network and no clock.

mod account;
mod backup;
mod build;
mod command;
mod config;
mod confinement;
mod content;
mod cron;
mod decode;
mod environment;
mod firewall;
mod gate;
mod gpu;
mod graph;
mod image;
mod instance;
mod leave;
mod literal;
mod model;
mod mount;
mod name;
mod oci;
mod origin;
mod part;
mod port;
mod probe;
mod problem;
mod profile;
mod service;
mod source;
mod state;
mod summary;
mod template;
mod tree;
pub(crate) mod unit;
mod update;
mod validate;
mod wait;
mod watchdog;
pub mod wheel;

use std::{
    collections::BTreeMap,
    iter,
    path::{Path, PathBuf},
    sync::Arc,
};

use bedplate_contract::{appliance::Secret, signature::PublicKey};
use toml::de::DeTable;

use account::Accounts;
use content::Sources;
use decode::Table;
use oci::Images;
use problem::Problems;
use source::Source;
use template::Scope;

pub use build::{Build, BuildOrigin};
pub use command::Command;
pub use model::{
    Allow, Base, Definition, Deny, Directory, Disk, File, Firewall, Image, Ports, Profile,
    Protocol, Repository, Service, Tree, TreeOrigin, Update, User, Volume,
};
pub use mount::{Mount, MountSource};
pub(crate) use name::suggestion;
pub use oci::{Available, OciSource};
pub use problem::{DefinitionErrors, Problem};
pub use profile::profile_names;
pub use summary::Summary;
pub use tree::{SourceContent, SourceEntry, SourceTree, TreeReadError, TreeSource, read_tree};
pub use validate::{Exhibit, Validation};

/// What the nouns of a definition may refer to.
#[derive(Debug)]
struct Known<'a> {
    sources: &'a Sources<'a>,
    scope: &'a Scope,
    accounts: &'a Accounts,
    volumes: &'a [Volume],
    secrets: &'a [Secret],
    images: &'a Images,
}

/// Version of the format of `image.toml` and of profiles.
const SCHEMA: u64 = 1;

/// What a definition is told from outside, before it is read: templates see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Version of the image, in place of the definition's.
    pub version: Option<String>,
    /// Files of public keys that the image trusts besides those that it names.
    pub trust: Vec<PathBuf>,
    /// Which images of `[[oci]]` can be had.
    pub images: Available,
}

/// What the readers of one definition are given.
struct Given {
    profile: profile::Loaded,
    version: Option<String>,
    trusted: Vec<PublicKey>,
    images: Available,
}

/// Reads `directory/image.toml` for the profile `profiles/<profile>.toml`.
///
/// # Errors
/// Everything that is wrong with both files and with the files they name.
pub fn load(
    directory: &Path,
    profile: &str,
    profiles: &Path,
) -> Result<Definition, DefinitionErrors> {
    load_with(directory, profile, profiles, &Overrides::default())
}

/// As [`load`], with what `overrides` says.
///
/// # Errors
/// As [`load`]; a version or key of `overrides` that is none.
pub fn load_with(
    directory: &Path,
    profile: &str,
    profiles: &Path,
    overrides: &Overrides,
) -> Result<Definition, DefinitionErrors> {
    let problems = Problems::default();
    let profile = profile::load(profile, profiles, &problems);
    let image = image::load(directory, &problems);
    let trusted = overrides.trust.iter().map(PathBuf::as_path);
    let trusted = update::read_trusted(trusted, &problems);
    let merged = match (profile, image) {
        (Some(profile), Some(image)) => {
            let given = Given {
                profile,
                version: overrides.version.clone(),
                trusted,
                images: overrides.images.clone(),
            };
            merge(directory, given, &image, &problems)
        }
        _ => None,
    };
    let warnings = problems.settle()?;
    match merged {
        Some(definition) => Ok(Definition {
            warnings,
            ..definition
        }),
        // Nothing is missing without a problem being known.
        None => Err(DefinitionErrors::from(warnings)),
    }
}

fn merge(
    directory: &Path,
    given: Given,
    image: &Arc<Source>,
    problems: &Problems,
) -> Option<Definition> {
    let document = parse(image, problems)?;
    let root = Table::document(problems, image, &document);
    let texts = part::load(&root);
    let parts: Option<Vec<_>> = texts.iter().map(|text| parse(text, problems)).collect();
    let parts = parts?;
    let tables = iter::zip(&texts, &parts);
    let tables = tables.map(|(text, part)| Table::document(problems, text, part));
    let root = root.with_parts(tables.collect());
    let definition = root.decode(|root| read(root, given, &Sources::new(problems)));
    Some(Definition {
        directory: directory.to_owned(),
        ..definition
    })
}

fn read(root: &Table<'_>, given: Given, sources: &Sources<'_>) -> Definition {
    schema(root);
    let profile = given.profile;
    let image = image::read(root, given.version);
    let images = oci::read(root, &given.images);
    let scope = Scope::new(image::values(&image), profile.values.clone());
    let scope = scope.with_images(&images);
    let scope = scope.with_values(part::read_values(root, &scope));
    let mut base = image::read_base(root, &profile.components);
    base.packages.extend(part::read_packages(root));
    base.packages.extend(profile.packages);

    let network = image::read_network(root, &image.name, &scope);
    let users = account::read(root);
    let secrets = state::read_secrets(root);
    let accounts = Accounts::new(&users, base.essential);
    let volumes = state::read_volumes(root, &accounts);
    let known = Known {
        sources,
        scope: &scope,
        accounts: &accounts,
        volumes: &volumes,
        secrets: &secrets,
        images: &images,
    };
    let (backups, workers): (Vec<_>, Vec<_>) = backup::read(root, &known).into_iter().unzip();
    let drafts = service::read(root, &known).into_iter().chain(workers);
    let drafts: Vec<_> = drafts.collect();
    // A port or a file is a left-out service's all the same.
    port::check(&drafts, root.problems());
    config::check(&drafts, root.problems());
    config::check_directories(&drafts, root.problems());
    let tuned = tuned(root, profile.profile);
    let start = tuned.sysctl.get(confinement::PORT_START.0);
    let start = start.and_then(|text| text.parse().ok());
    let start = start.unwrap_or(confinement::PORT_START.1);
    confinement::check_ports(&drafts, start, root.problems());
    let firewall = firewall::read(root, &known, &port::all(&drafts));
    let (drafts, left_out) = leave::out(drafts, root.problems());
    let services = graph::order(drafts, root.problems());
    let services = with_memlock(services, profile.memlock_bytes);
    base.packages
        .extend(firewall.is_some().then(|| firewall::PACKAGE.to_owned()));
    base.packages.sort();
    base.packages.dedup();
    let of_image = build::read(root, BuildOrigin::Image).map(|build| over(&base, build));
    Definition {
        directory: PathBuf::new(),
        profile: tuned,
        files: content::read_files(root, &known),
        trees: origin::read_trees(root, &known),
        directories: content::read_directories(root, &known),
        builds: profile.build.into_iter().chain(of_image).collect(),
        validation: validate::read(root, &known),
        backups: backup::resolve(backups, (&services, &left_out.services), root.problems()),
        services,
        firewall,
        gate: gate::read(root, &network),
        network,
        log: image::read_log(root),
        update: update::read(root, &image, sources, &given.trusted),
        watchdog_ms: watchdog::read(root),
        warnings: Vec::new(),
        image,
        base,
        users,
        volumes,
        secrets: left_out.without(secrets),
        oci: images.present(),
        left_out: left_out.services,
    }
}

/// The services, those without a limit of locked memory with that of the profile.
fn with_memlock(mut services: Vec<Service>, bytes: Option<u64>) -> Vec<Service> {
    for service in &mut services {
        let limit = &mut service.limits.memlock_bytes;
        *limit = limit.or(bytes);
    }
    services
}

/// The image's commands see the packages of the image besides their own.
fn over(base: &Base, build: Build) -> Build {
    let mut packages = build.packages;
    packages.extend(base.packages.iter().cloned());
    packages.sort();
    packages.dedup();
    Build { packages, ..build }
}

/// The profile with the image's `[sysctl]`; where both name a key, the profile has measured it.
fn tuned(root: &Table<'_>, profile: Profile) -> Profile {
    let image = root.map("sysctl").into_iter();
    let mut sysctl: BTreeMap<_, _> = image.map(|(key, value)| (key.value, value.value)).collect();
    sysctl.extend(profile.sysctl);
    Profile { sysctl, ..profile }
}

/// Checks `schema`, which every document carries first.
fn schema(root: &Table<'_>) {
    root.require("schema");
    root.integer::<u64>("schema", SCHEMA..SCHEMA + 1);
}

/// The document with spans; a syntax error is a problem, and as much as can be is still read.
fn parse<'a>(source: &'a Arc<Source>, problems: &Problems) -> Option<toml::Spanned<DeTable<'a>>> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let place = source.at((), span).place;
        let problem = Problem::error("this is not TOML").at(&place, error.message());
        problems.add(problem);
    }
    // Keys lost to a syntax error would be reported as missing.
    errors.is_empty().then_some(document)
}

/// Reads a file of a definition as text.
fn read_text(path: &Path) -> std::io::Result<Arc<Source>> {
    let text = std::fs::read_to_string(path)?;
    let name = path.display().to_string();
    Ok(Arc::new(Source { name, text }))
}
