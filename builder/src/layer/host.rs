//! The layer `init`: PID 1, its document and tools, and the places where it mounts things.

use std::{io, path::Path};

use bedplate_contract::{SchemaVersion, appliance::Secret, layout, trust::Trust};

use super::{
    Inputs, Layer, LayerError,
    accounts::Accounts,
    appliance::appliance,
    images::Images,
    libraries,
    step::Step,
    tree::{Metadata, Tree},
};
use crate::disk::modules::{FIREWALL, Modules, PROVISION, ROOT};

/// What PID 1 makes and repairs the state partition with.
const STATE_TOOLS: [&str; 2] = ["usr/sbin/mkfs.xfs", "usr/sbin/xfs_repair"];
/// Present in every root whose programs use libc.
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
/// Files that are known at boot only, and where PID 1 writes them.
const LINKS: [(&str, &str); 2] = [
    ("/etc/resolv.conf", "/run/resolv.conf"),
    ("/etc/machine-id", "/run/machine-id"),
];

/// The topmost layer.
pub(super) fn init(
    inputs: &Inputs<'_>,
    below: &[Layer],
    images: &Images,
) -> Result<Layer, LayerError> {
    let step = Step {
        name: "init",
        key: inputs.plan.init.key,
        store: inputs.store,
    };
    step.make(below, |root| {
        let tree = Tree::open(root)?;
        write_programs(&tree, inputs)?;
        write_state_tools(&tree, inputs)?;
        write_modules(&tree, root, inputs)?;
        write_mount_points(&tree, inputs)?;
        write_identity(&tree, inputs)?;
        write_trust(&tree, inputs)?;
        let mut document = appliance(inputs.definition, &Accounts::load(root)?)?;
        images.fit(inputs.definition, &mut document.services, root)?;
        write(
            &tree,
            layout::APPLIANCE,
            document.encode().as_bytes(),
            0o644,
        )
    })
}

fn write_programs(tree: &Tree, inputs: &Inputs<'_>) -> Result<(), LayerError> {
    write(tree, layout::INIT, inputs.host.init, 0o755)?;
    write(tree, layout::BEDPLATECTL, inputs.host.bedplatectl, 0o755)?;
    match tree.exists(Path::new(LOADER))? {
        true => write(tree, layout::GPU_PROBE, inputs.host.gpu_probe, 0o755),
        false => Ok(()),
    }
}

fn write_state_tools(tree: &Tree, inputs: &Inputs<'_>) -> Result<(), LayerError> {
    let target = Path::new(layout::STATE_TOOLS.trim_start_matches('/'));
    Ok(libraries::copy(
        &STATE_TOOLS,
        &Tree::open(&inputs.tools.root())?,
        tree,
        target,
    )?)
}

/// What any appliance may need of this kernel, and what the profile asks for by name.
fn write_modules(tree: &Tree, root: &Path, inputs: &Inputs<'_>) -> Result<(), LayerError> {
    let modules = Modules::open(root)?;
    let mut names = modules.available(ROOT);
    if inputs.definition.firewall.is_some() {
        names.extend(modules.available(FIREWALL));
    }
    let provisioned = |secret: &Secret| secret.source.is_brought();
    if inputs.definition.secrets.iter().any(provisioned) {
        names.extend(modules.available(PROVISION));
    }
    names.extend(inputs.definition.profile.modules.iter().map(String::as_str));
    let closure = modules.closure(&names)?;
    let text: String = closure
        .iter()
        .map(|module| module.path.clone() + "\n")
        .collect();
    write(tree, layout::ROOT_MODULES, text.as_bytes(), 0o644)
}

fn write_mount_points(tree: &Tree, inputs: &Inputs<'_>) -> Result<(), LayerError> {
    let volumes = inputs
        .definition
        .volumes
        .iter()
        .map(|volume| volume.path.as_str());
    for path in volumes.chain([layout::STATE_DIR]) {
        tree.directory(Path::new(path), Metadata::root(0o755))?;
    }
    Ok(())
}

fn write_identity(tree: &Tree, inputs: &Inputs<'_>) -> Result<(), LayerError> {
    for (path, destination) in LINKS {
        tree.symlink(
            Path::new(path),
            Path::new(destination),
            Metadata::root(0o777),
        )?;
    }
    match tree.look(Path::new("etc/os-release"))? {
        Some(_) => Ok(()),
        None => write(
            tree,
            "/etc/os-release",
            os_release_text(inputs).as_bytes(),
            0o644,
        ),
    }
}

/// Written in any case: an image that trusts no key says so.
fn write_trust(tree: &Tree, inputs: &Inputs<'_>) -> Result<(), LayerError> {
    let update = &inputs.definition.update;
    let trust = Trust {
        schema: SchemaVersion,
        keys: update.keys.clone(),
        threshold: update.threshold,
        floor: update.minimum_version.clone(),
        source: update.source.clone(),
    };
    write(tree, layout::TRUST, trust.encode().as_bytes(), 0o644)
}

/// Source: os-release(5).
fn os_release_text(inputs: &Inputs<'_>) -> String {
    let image = &inputs.definition.image;
    let (name, version) = (&image.name, &image.version);
    format!(
        "NAME=\"{name}\"\nID=bedplate\nVERSION_ID=\"{version}\"\nIMAGE_ID=\"{name}\"\n\
         IMAGE_VERSION=\"{version}\"\n"
    )
}

fn write(tree: &Tree, path: &str, bytes: &[u8], mode: u32) -> Result<(), LayerError> {
    let content: &mut dyn io::Read = &mut &*bytes;
    Ok(tree.file(Path::new(path), content, Metadata::root(mode))?)
}
