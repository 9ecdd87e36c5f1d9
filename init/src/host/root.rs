//! A root of its own for a service: that of its image, with what every root has, and what of the
//! appliance the service is to see.
//!
//! The image is read-only, for services share it; `/run` and `/tmp` are memory that is the service's
//! alone and goes with it. Mount points are there: the builder made them.

use std::path::Path;

use bedplate_contract::{
    layout,
    service::{Permission, Service},
};
use bedplate_sys::sandbox::{Isolation, MountFlags, Sandbox, SandboxError};

use super::view::{self, DATA_ONLY, NO_DEVICES, READ_ONLY};

/// Files of the appliance that every root shows, where they exist.
const FILES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];

/// The sandbox of a service whose root is the directory `root`.
///
/// # Errors
/// A path that the kernel cannot be given.
pub(super) fn sandbox(root: &str, service: &Service) -> Result<Sandbox, SandboxError> {
    let mut sandbox = Sandbox::in_directory(Path::new(root), Isolation::Mounts)?;
    sandbox = sandbox.restrict("/", READ_ONLY)?;
    sandbox = match service.sandbox.contains(&Permission::Processes) {
        true => sandbox.bind(Path::new("/proc"), "/proc")?,
        false => sandbox.own_proc("/proc")?,
    };
    sandbox = view::kernel(sandbox)?;
    sandbox = sandbox.bind(Path::new("/sys"), "/sys")?;
    sandbox = sandbox.restrict("/sys", READ_ONLY | MountFlags::NOEXEC)?;
    sandbox = view::devices(sandbox, ("/dev", &view::nodes(service)))?;
    let flags = view::written(service);
    sandbox = sandbox.scratch_with("/dev/shm", (None, flags))?;
    sandbox = sandbox.tmpfs("/run")?;
    sandbox = sandbox.scratch_with("/tmp", (service.private_tmp_bytes, flags))?;
    for path in FILES
        .map(Path::new)
        .into_iter()
        .filter(|path| path.exists())
    {
        sandbox = show(sandbox, path, &path.to_string_lossy(), READ_ONLY)?;
    }
    sandbox = runtime(sandbox, service)?;
    for mount in &service.mounts {
        let flags = match (mount.writable, mount.executable) {
            (true, true) => NO_DEVICES,
            (true, false) => DATA_ONLY,
            (false, _) => READ_ONLY,
        };
        let source = Path::new(&mount.source);
        sandbox = make_target(sandbox, source, &mount.target)?;
        sandbox = show(sandbox, source, &mount.target, flags)?;
    }
    Ok(sandbox)
}

/// Runtime directories and secrets, which the service has below `/run` wherever it runs.
fn runtime(mut sandbox: Sandbox, service: &Service) -> Result<Sandbox, SandboxError> {
    for name in &service.runtime_directories {
        let path = format!("/run/{}", name.trim_start_matches('/'));
        sandbox = directories(sandbox, &path)?;
        sandbox = show(sandbox, Path::new(&path), &path, view::written(service))?;
    }
    if !service.secrets.is_empty() {
        let path = format!("{}/{}", layout::RUN_SECRETS_DIR, service.name);
        sandbox = directories(sandbox, &path)?;
        sandbox = show(sandbox, Path::new(&path), &path, READ_ONLY)?;
    }
    Ok(sandbox)
}

/// The memory of `/run` and `/tmp` holds no mount point until one is made there.
fn make_target(sandbox: Sandbox, source: &Path, target: &str) -> Result<Sandbox, SandboxError> {
    let in_memory = ["/run/", "/tmp/"].iter().any(|top| target.starts_with(top));
    match (in_memory, source.is_file(), target.rsplit_once('/')) {
        (true, true, Some((parent, _))) => directories(sandbox, parent)?.file(target),
        (true, ..) => directories(sandbox, target),
        _ => Ok(sandbox),
    }
}

/// Makes `path` and what it lies in, below the first directory, which is there.
fn directories(mut sandbox: Sandbox, path: &str) -> Result<Sandbox, SandboxError> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(2);
    for end in ends.chain([path.len()]) {
        sandbox = sandbox.directory(&path[..end])?;
    }
    Ok(sandbox)
}

fn show(
    sandbox: Sandbox,
    source: &Path,
    target: &str,
    flags: MountFlags,
) -> Result<Sandbox, SandboxError> {
    sandbox.bind(source, target)?.restrict(target, flags)
}
