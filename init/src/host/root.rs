//! A root of its own for a service: that of its image, with what every root has, and what of the
//! appliance the service is to see.
//!
//! The image is read-only, for services share it; `/run` and `/tmp` are memory that is the service's
//! alone and goes with it. Mount points are there: the builder made them.

use std::{fs, os::unix::fs::FileTypeExt, path::Path};

use bedplate_contract::{layout, service::Service};
use bedplate_sys::sandbox::{Isolation, MountFlags, Sandbox, SandboxError};

use crate::stage1::chain;

const NO_DEVICES: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
const READ_ONLY: MountFlags = NO_DEVICES.union(MountFlags::RDONLY);

/// Devices that harm nobody, and links that programs expect (LSB, FHS 6.1.2).
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];
const LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];
/// Files of the appliance that every root shows, where they exist.
const FILES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];

/// The sandbox of a service whose root is the directory `root`.
///
/// # Errors
/// A path that the kernel cannot be given, in words.
pub(super) fn sandbox(root: &str, service: &Service) -> Result<Sandbox, String> {
    build(root, service).map_err(|error| chain(&error))
}

fn build(root: &str, service: &Service) -> Result<Sandbox, SandboxError> {
    let mut sandbox = Sandbox::in_directory(Path::new(root), Isolation::Mounts)?;
    sandbox = sandbox.restrict("/", READ_ONLY)?;
    sandbox = sandbox.bind(Path::new("/proc"), "/proc")?;
    sandbox = sandbox.bind(Path::new("/sys"), "/sys")?;
    sandbox = sandbox.restrict("/sys", READ_ONLY | MountFlags::NOEXEC)?;
    sandbox = devices(sandbox)?;
    if service.gpu {
        for name in gpu_nodes(Path::new("/dev")) {
            let path = format!("/dev/{name}");
            sandbox = sandbox.file(&path)?.bind(Path::new(&path), &path)?;
        }
    }
    sandbox = sandbox.tmpfs("/run")?;
    sandbox = sandbox.scratch("/tmp", service.private_tmp_bytes)?;
    for path in FILES
        .map(Path::new)
        .into_iter()
        .filter(|path| path.exists())
    {
        sandbox = show(sandbox, path, &path.to_string_lossy(), READ_ONLY)?;
    }
    sandbox = runtime(sandbox, service)?;
    for mount in &service.mounts {
        let flags = match mount.writable {
            true => NO_DEVICES,
            false => READ_ONLY,
        };
        let source = Path::new(&mount.source);
        sandbox = make_target(sandbox, source, &mount.target)?;
        sandbox = show(sandbox, source, &mount.target, flags)?;
    }
    Ok(sandbox)
}

fn devices(sandbox: Sandbox) -> Result<Sandbox, SandboxError> {
    let mut sandbox = sandbox.tmpfs("/dev")?;
    for name in DEVICES {
        let path = format!("/dev/{name}");
        sandbox = sandbox.file(&path)?.bind(Path::new(&path), &path)?;
    }
    for (at, destination) in LINKS {
        sandbox = sandbox.link(Path::new(destination), at)?;
    }
    sandbox.directory("/dev/shm")?.scratch("/dev/shm", None)
}

/// The device nodes of NVIDIA's driver, sorted; none without it.
fn gpu_nodes(dev: &Path) -> Vec<String> {
    let entries = fs::read_dir(dev).into_iter().flatten().flatten();
    let is_device = |entry: &fs::DirEntry| {
        let kind = entry.file_type();
        kind.is_ok_and(|kind| kind.is_char_device())
    };
    let names = entries.filter(is_device);
    let mut names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("nvidia"))
        .collect();
    names.sort();
    names
}

/// Runtime directories and secrets, which the service has below `/run` wherever it runs.
fn runtime(mut sandbox: Sandbox, service: &Service) -> Result<Sandbox, SandboxError> {
    for name in &service.runtime_directories {
        let path = format!("/run/{}", name.trim_start_matches('/'));
        sandbox = directories(sandbox, &path)?;
        sandbox = show(sandbox, Path::new(&path), &path, NO_DEVICES)?;
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

#[cfg(test)]
mod tests {
    use std::io;

    use bedplate_sys::file;

    use super::*;

    #[test]
    fn device_nodes_of_gpus_are_found_and_nothing_else() {
        let dev = tempfile::tempdir().unwrap();
        for name in ["nvidiactl", "nvidia0", "null"] {
            let path = dev.path().join(name);
            match file::make_character_device(&path, (1, 3), (0, 0o666)) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return eprintln!("skipped: needs root for devices");
                }
                made => made.unwrap(),
            }
        }
        fs::create_dir(dev.path().join("nvidia-caps")).unwrap();
        assert_eq!(gpu_nodes(dev.path()), ["nvidia0", "nvidiactl"]);
        assert_eq!(gpu_nodes(Path::new("/no/such/directory")), [""; 0]);
    }
}
