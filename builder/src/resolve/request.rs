//! What a lock answers: the wanted packages of every set, and where they may come from.

use std::path::PathBuf;

use bedplate_contract::Digest;
use serde::Serialize;

use super::{
    Sources,
    tools::{self, ToolSet},
};
use crate::definition::{Definition, Repository};

/// One set to be locked.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Name in the lock.
    pub set: String,
    /// Repositories, in order of preference.
    pub repositories: Vec<Repository>,
    /// Directory that relative keyrings are below.
    pub directory: PathBuf,
    /// How packages are chosen.
    pub rule: Rule,
    /// Packages asked for by name.
    pub packages: Vec<String>,
}

/// How the packages of a set follow from those asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rule {
    /// They and all that they need.
    Closure,
    /// The same with the distribution's Essential packages.
    ClosureWithEssential,
    /// The same with the Essential packages, without the kernel that some of them depend on (headers
    /// do) and what it alone needs: the root of `[build]` sees that of the profile.
    Build,
    /// A kernel and the packages that it is made of: what else it depends on serves a distribution
    /// that makes its own initramfs.
    Kernel,
}

/// The part of a request that makes a lock stale when it changes. No paths: a lock is the same
/// wherever the definition lies.
#[derive(Serialize)]
struct Fingerprint<'a> {
    set: &'a str,
    rule: Rule,
    packages: &'a [String],
    repositories: Vec<(&'a str, &'a str, &'a [String], Option<&'a str>)>,
}

/// The requests of `definitions` and of the tools, sorted by set.
pub(super) fn of_definitions(definitions: &[Definition], sources: &Sources) -> Vec<Request> {
    let images = definitions.iter().flat_map(of_definition);
    let tools = of_tools(&[tools::BUILD, tools::RUN], sources);
    sorted(images.chain(tools).collect())
}

/// The requests of `sets`, sorted by set.
pub(super) fn of_tools(sets: &[ToolSet], sources: &Sources) -> Vec<Request> {
    let requests = sets.iter().map(|set| Request {
        set: set.name.to_owned(),
        repositories: vec![sources.tools.clone()],
        directory: PathBuf::new(),
        rule: Rule::Closure,
        packages: set.packages.iter().map(|&name| name.to_owned()).collect(),
    });
    sorted(requests.collect())
}

fn of_definition(definition: &Definition) -> Vec<Request> {
    let request = |set: String, rule, packages| Request {
        set,
        repositories: definition.base.repositories.clone(),
        directory: definition.directory.clone(),
        rule,
        packages,
    };
    let profile = &definition.profile;
    let rule = match definition.base.essential {
        true => Rule::ClosureWithEssential,
        false => Rule::Closure,
    };
    let kernel = vec![profile.kernel_package.clone()];
    let builds = definition.builds.iter();
    let builds = builds.map(|build| {
        let set = build.set(&profile.name);
        request(set, Rule::Build, build.packages.clone())
    });
    [
        request(profile.name.clone(), rule, definition.base.packages.clone()),
        request(format!("kernel/{}", profile.name), Rule::Kernel, kernel),
    ]
    .into_iter()
    .chain(builds)
    .collect()
}

fn sorted(mut requests: Vec<Request>) -> Vec<Request> {
    requests.sort_by(|left, right| left.set.cmp(&right.set));
    requests
}

/// The digest that a lock of these requests carries.
pub(super) fn digest(requests: &[Request]) -> Digest {
    let prints = requests.iter().map(|request| Fingerprint {
        set: &request.set,
        rule: request.rule,
        packages: &request.packages,
        repositories: request.repositories.iter().map(source).collect(),
    });
    // Strings and lists always have a JSON form.
    Digest::of(&serde_json::to_vec(&prints.collect::<Vec<_>>()).unwrap_or_default())
}

fn source(repository: &Repository) -> (&str, &str, &[String], Option<&str>) {
    let url = repository.url.as_deref();
    (
        &repository.archive,
        &repository.suite,
        &repository.components,
        url,
    )
}
