//! Definition, lock and programs → the steps of a build and their keys.
//!
//! Pure: reads no file, no clock and no store; the same arguments give the same plan anywhere. A
//! build executes exactly these steps: every key that it asks the store for comes from here.
//! Trees of the definition are read before ([`SourceTree::read`]), once for plan and layers, so
//! that a key always names the very bytes that a layer holds. Not here: what the store has, and
//! printing (`cli`).

mod compare;
mod document;
mod input;
mod step;

#[cfg(test)]
mod tests;

use std::iter;

pub use compare::{Change, changes};
pub use document::{Document, PlanError};
pub use step::{Input, Step};

use crate::{
    bundle,
    definition::{Build, Definition, SourceTree, TreeSource, Validation},
    disk,
    host::HostPrograms,
    image,
    layer::version,
    registry::PinnedImage,
    resolve::{
        lock::{Lock, Part},
        tools,
    },
    tool,
};

/// The steps of one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The programs that the build runs.
    pub tools: Step,
    /// The Essential packages.
    pub base: Step,
    /// All other packages.
    pub packages: Step,
    /// The kernel and its modules.
    pub kernel: Step,
    /// The commands of the definition, in their order.
    pub builds: Vec<BuildStep>,
    /// The images of registries that the definition uses, by their names.
    pub images: Vec<ImageStep>,
    /// The trees of the definition.
    pub app: Step,
    /// Users, directories and files.
    pub config: Step,
    /// The commands that judge all that is made until here; `None` without any.
    pub validate: Option<Step>,
    /// PID 1 and its document; its key covers the whole root.
    pub init: Step,
    /// The archive of each layer, the lowest first.
    pub archives: Vec<Step>,
    /// Root image, hash tree, UKI and disk.
    pub disk: Step,
    /// What an upgrade consumes, made of root image, hash tree and UKI.
    pub bundle: Step,
}

impl Plan {
    /// All steps in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let Self { base, packages, .. } = self;
        let builds = self.builds.iter();
        let builds = builds.flat_map(|build| [&build.root, &build.step]);
        let images = self.images.iter().map(|image| &image.step);
        [&self.tools, base, packages, &self.kernel]
            .into_iter()
            .chain(builds)
            .chain(images)
            .chain([&self.app, &self.config])
            .chain(&self.validate)
            .chain([&self.init])
            .chain(&self.archives)
            .chain([&self.disk, &self.bundle])
    }

    /// The step that unpacks the image `name`.
    pub fn image(&self, name: &str) -> Option<&ImageStep> {
        self.images.iter().find(|image| image.name == name)
    }

    /// The steps that make layers, the lowest first.
    fn layers(&self) -> impl Iterator<Item = &Step> {
        let Self { base, packages, .. } = self;
        [base, packages, &self.kernel]
            .into_iter()
            .chain(self.builds.iter().map(|build| &build.step))
            .chain([&self.app, &self.config])
            .chain(roots(&self.images))
            .chain([&self.init])
    }
}

/// The commands of one `[build]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStep {
    /// The root that they run in, which is in no image.
    pub root: Step,
    /// What they leave: a layer.
    pub step: Step,
}

/// An image of a registry, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageStep {
    /// Its name in the definition.
    pub name: String,
    /// The step.
    pub step: Step,
    /// Whether a service runs in it, so that it is a layer of the root; else trees are made of it.
    pub is_layer: bool,
}

fn roots(images: &[ImageStep]) -> impl Iterator<Item = &Step> {
    let roots = images.iter().filter(|image| image.is_layer);
    roots.map(|image| &image.step)
}

/// Plans the build of a definition.
///
/// `trees` are those of the definition, in its order.
pub fn plan(
    definition: &Definition,
    lock: &Lock,
    host: &HostPrograms<'_>,
    trees: &[SourceTree],
) -> Plan {
    let tools = tools(lock, tools::BUILD.name);
    let base = base(definition, lock);
    let packages = packages(definition, lock, &base);
    let kernel = kernel(definition, lock);
    let builds = builds(definition, lock, &kernel);
    let images = images(definition, lock, trees);
    let below = [&packages, &kernel].into_iter();
    let below = below.chain(builds.iter().map(|build| &build.step));
    let app = app(definition, trees, below, &images);
    let config = config(definition, &app);
    let validate = validate(definition, &config);
    let init = init(definition, host, [&config, &tools], &images);
    let disk = disk(definition, host, [&init, &kernel, &tools]);
    let bundle = bundle(definition, &disk);
    let mut plan = Plan {
        tools,
        base,
        packages,
        kernel,
        builds,
        images,
        app,
        config,
        validate,
        init,
        archives: Vec::new(),
        disk,
        bundle,
    };
    plan.archives = plan.layers().map(archive).collect();
    plan
}

/// The step that unpacks the set `set` of tools.
pub fn tools(lock: &Lock, set: &str) -> Step {
    let packages = lock.set(set).map(input::package);
    Step::new("tools", tool::VERSION, packages.collect())
}

fn base(definition: &Definition, lock: &Lock) -> Step {
    let packages = lock.part(&definition.profile.name, Part::Base);
    let packages = packages.map(input::package);
    let inputs = iter::once(essential(definition)).chain(packages);
    Step::new("base", version::BASE, inputs.collect())
}

fn packages(definition: &Definition, lock: &Lock, base: &Step) -> Step {
    let packages = lock.part(&definition.profile.name, Part::Rest);
    let early = definition.files.iter().filter(|file| file.before_configure);
    let inputs = [layer(base), essential(definition)]
        .into_iter()
        .chain(packages.map(input::package))
        .chain(early.map(input::early_file))
        .chain(input::users(definition));
    Step::new("packages", version::PACKAGES, inputs.collect())
}

/// Made on its own, so that it outlives any change of the packages.
fn kernel(definition: &Definition, lock: &Lock) -> Step {
    let set = format!("kernel/{}", definition.profile.name);
    let packages = lock.set(&set).map(input::package);
    Step::new("kernel", version::KERNEL, packages.collect())
}

/// The root has no layer of the image below it, so that images share what a profile builds.
fn builds(definition: &Definition, lock: &Lock, kernel: &Step) -> Vec<BuildStep> {
    let step = |build: &Build| {
        let name = build.origin.name();
        let set = build.set(&definition.profile.name);
        let packages = lock.set(&set);
        let root = Step::new(
            format!("build-root/{name}"),
            version::BUILD_ROOT,
            packages.map(input::package).collect(),
        );
        let inputs = [layer(&root), layer(kernel)]
            .into_iter()
            .chain(input::commands(build))
            .collect();
        let step = Step::new(format!("build/{name}"), version::BUILD, inputs);
        BuildStep { root, step }
    };
    definition.builds.iter().map(step).collect()
}

/// Each made on its own: versions of an appliance share what they have in common.
fn images(definition: &Definition, lock: &Lock, trees: &[SourceTree]) -> Vec<ImageStep> {
    let runs_in = |name: &str| {
        let mut services = definition.services.iter();
        services.any(|service| service.oci.as_deref() == Some(name))
    };
    let step = |image: &PinnedImage| ImageStep {
        name: image.name.clone(),
        step: Step::new(
            format!("oci/{}", image.name),
            version::IMAGE,
            vec![input::image_of_registry(image)],
        ),
        is_layer: runs_in(&image.name),
    };
    let used = |image: &&PinnedImage| runs_in(&image.name) || is_source(&image.name, trees);
    lock.images.iter().filter(used).map(step).collect()
}

/// Whether a tree is a part of the image `name`.
fn is_source(name: &str, trees: &[SourceTree]) -> bool {
    let mut sources = trees.iter().map(|tree| &tree.source);
    sources.any(|source| matches!(source, TreeSource::Image { name: of, .. } if of == name))
}

fn app<'a>(
    definition: &Definition,
    trees: &[SourceTree],
    below: impl Iterator<Item = &'a Step>,
    images: &[ImageStep],
) -> Step {
    let sources = images.iter().filter(|image| is_source(&image.name, trees));
    let sources = sources.map(|image| layer(&image.step));
    let inputs = below
        .map(layer)
        .chain(sources)
        .chain(input::users(definition))
        .chain(trees.iter().map(input::tree));
    Step::new("app", version::APP, inputs.collect())
}

fn config(definition: &Definition, app: &Step) -> Step {
    let inputs = iter::once(layer(app))
        .chain(input::users(definition))
        .chain(input::directories(definition))
        .chain(definition.files.iter().map(input::file))
        .chain([input::firewall(definition)]);
    Step::new("config", version::CONFIG, inputs.collect())
}

/// No layer: what the commands write is thrown away.
fn validate(definition: &Definition, config: &Step) -> Option<Step> {
    let Validation { commands, files } = &definition.validation;
    let inputs = [layer(config), input::texts(commands)].into_iter();
    let inputs = inputs.chain(files.iter().map(input::exhibit)).collect();
    (!commands.is_empty()).then(|| Step::new("validate", version::VALIDATE, inputs))
}

fn init(
    definition: &Definition,
    host: &HostPrograms<'_>,
    [config, tools]: [&Step; 2],
    images: &[ImageStep],
) -> Step {
    let inputs = [layer(config), tools.output("tools")]
        .into_iter()
        .chain(roots(images).map(layer))
        .chain(input::programs(host))
        .chain(input::appliance(definition))
        .chain([input::trust(definition)]);
    Step::new("init", version::INIT, inputs.collect())
}

fn archive(of: &Step) -> Step {
    let name = format!("archive {}", of.name);
    Step::new(name, image::VERSION, vec![layer(of)])
}

/// The tools make the root image, and the boot loader comes from them.
fn disk(
    definition: &Definition,
    host: &HostPrograms<'_>,
    [init, kernel, tools]: [&Step; 3],
) -> Step {
    let inputs = vec![
        layer(init),
        layer(kernel),
        tools.output("tools"),
        input::init(host),
        input::image(definition),
        input::value("disk layout", &definition.profile.disk),
        input::value("kernel command line", &definition.profile.cmdline),
    ];
    Step::new("disk", disk::VERSION, inputs)
}

/// The conditions are the bundle's own, so that another expiry makes no other disk.
fn bundle(definition: &Definition, disk: &Step) -> Step {
    let update = &definition.update;
    let inputs = vec![
        disk.output("disk"),
        input::image(definition),
        input::value("profile", &definition.profile.name),
        input::value("minimum version", &update.minimum_version),
        input::value("expiry", &update.expires),
    ];
    Step::new("bundle", bundle::VERSION, inputs)
}

fn layer(step: &Step) -> Input {
    step.output(&format!("layer {}", step.name))
}

fn essential(definition: &Definition) -> Input {
    input::value("base.essential", &definition.base.essential)
}
