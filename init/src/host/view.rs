//! What a service sees of the machine: a copy of mounts that are made once, and what is its own.
//!
//! Most of it is the same for all services, so [`Views`] makes it when the loop begins and each service
//! starts from a copy. A service that sees more, such as a GPU, has all of it made anew.

use std::{fs, path::Path};

use bedplate_contract::{
    appliance::Volume,
    layout,
    service::{Permission, Service},
};
use bedplate_sys::{
    mount::{is_mount_point, is_read_only},
    sandbox::{MountFlags, Sandbox, SandboxError},
    view::{self, Joined, View},
};

use super::root;
use crate::stage1::chain;

pub(super) const NO_DEVICES: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
pub(super) const READ_ONLY: MountFlags = NO_DEVICES.union(MountFlags::RDONLY);
/// Of what services write: no programs.
pub(super) const DATA_ONLY: MountFlags = NO_DEVICES.union(MountFlags::NOEXEC);

/// Devices that harm nobody, and links that programs expect (LSB, FHS 6.1.2).
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// What user 0 could write of the kernel without any capability, for it owns these.
const KERNEL: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];
/// What of memory and disk services write, or some of them.
const WRITTEN: [&str; 4] = ["/run", "/tmp", "/var/tmp", "/var/log"];
/// What user 0 owns and no service may see: other services' words and secrets, and the control socket.
const OF_ROOT: [&str; 3] = ["/run/bedplate", layout::LOGS_DIR, layout::SECRETS_DIR];
/// Where `/dev` is put together before it is moved into place: the nodes are still to be seen then.
const STAGE: &str = "/dev/shm";

/// Which mounts services begin with.
#[derive(Debug)]
pub(super) enum Views {
    /// These.
    Made(Joined),
    /// A container's engine keeps mounts to itself: services see what PID 1 sees.
    NotAllowed,
    /// They could not be made, in words: no service is started without them.
    Failed(String),
}

impl Views {
    /// Makes them, once what services see is there.
    pub fn make(volumes: &[Volume]) -> Self {
        let made = common(&[], true).and_then(|sandbox| without_programs(sandbox, volumes));
        let common = match made {
            Ok(sandbox) => sandbox,
            Err(error) => return Self::Failed(chain(&error)),
        };
        match view::prepare(&common) {
            Ok(joined) => Self::Made(joined),
            Err(None) => Self::NotAllowed,
            Err(Some((step, error))) => Self::Failed(format!("{step}: {error}")),
        }
    }

    /// The view of a process of `service`; of one that joins process `leader`, the leader's.
    ///
    /// # Errors
    /// A root that cannot be described or made, in words.
    pub fn of(&self, service: &Service, leader: Option<u32>) -> Result<View, String> {
        // A leader that has just ended took its mounts along.
        let joined = leader.and_then(|pid| Joined::of(pid).ok());
        let own = |base, sandbox: Result<Sandbox, SandboxError>| {
            let sandbox = Box::new(sandbox.map_err(|error| chain(&error))?);
            Ok(View::Own { base, sandbox })
        };
        match (&service.root, joined, self) {
            (Some(_), Some(joined), _) => Ok(View::Of(joined.needed())),
            (Some(path), None, _) => own(None, root::sandbox(path, service)),
            (None, _, Self::NotAllowed) => Ok(View::Parents),
            (None, _, Self::Failed(error)) => Err(error.clone()),
            (None, Some(joined), _) => Ok(View::Of(joined.needed())),
            (None, None, Self::Made(base)) if !sees_more(service) => {
                let base = base.try_clone();
                let base = base.map_err(|error| format!("keep mounts: {error}"))?;
                own(Some(base), changes(Sandbox::in_place(), service))
            }
            (None, None, Self::Made(_)) => own(None, whole(service)),
        }
    }
}

fn sees_more(service: &Service) -> bool {
    let processes = service.sandbox.contains(&Permission::Processes);
    service.gpu || !service.devices.is_empty() || processes
}

fn whole(service: &Service) -> Result<Sandbox, SandboxError> {
    let is_private = !service.sandbox.contains(&Permission::Processes);
    changes(common(&nodes(service), is_private)?, service)
}

/// The device nodes that a service sees besides [`DEVICES`], those that are there.
pub(super) fn nodes(service: &Service) -> Vec<String> {
    let of_gpus = match service.gpu {
        true => gpu_nodes(Path::new("/dev")),
        false => Vec::new(),
    };
    let named = service.devices.iter();
    let named = named.filter_map(|path| path.strip_prefix("/dev/").map(str::to_owned));
    let mut all: Vec<_> = of_gpus.into_iter().chain(named).collect();
    all.retain(|name| Path::new("/dev").join(name).exists());
    all
}

/// What all services see, with `nodes` of `/dev` besides.
fn common(nodes: &[String], is_private: bool) -> Result<Sandbox, SandboxError> {
    let mut sandbox = Sandbox::in_place();
    if is_private {
        sandbox = sandbox.own_proc("/proc")?;
    }
    sandbox = kernel(sandbox)?;
    for path in ["/sys", "/sys/fs/cgroup"] {
        if matches!(is_mount_point(Path::new(path)), Ok(true)) {
            sandbox = sandbox.restrict(path, READ_ONLY | MountFlags::NOEXEC)?;
        }
    }
    for path in WRITTEN.into_iter().filter(|path| Path::new(path).is_dir()) {
        sandbox = restricted(sandbox, path, DATA_ONLY)?;
    }
    let credentials = layout::RUN_SECRETS_DIR;
    if Path::new(credentials).is_dir() {
        sandbox = restricted(sandbox, credentials, READ_ONLY | MountFlags::NOEXEC)?;
    }
    own_devices(sandbox, nodes)
}

/// No program runs from a volume unless it is said; a machine's have that from their mount, those of a container
/// are its engine's.
fn without_programs(mut sandbox: Sandbox, volumes: &[Volume]) -> Result<Sandbox, SandboxError> {
    let closed = volumes.iter().filter(|volume| !volume.executable);
    for path in closed.map(|volume| volume.path.as_str()) {
        if Path::new(path).is_dir() {
            sandbox = restricted(sandbox, path, DATA_ONLY)?;
        }
    }
    Ok(sandbox)
}

/// Makes read-only in `/proc` what is the kernel's and not a process's.
pub(super) fn kernel(mut sandbox: Sandbox) -> Result<Sandbox, SandboxError> {
    for name in KERNEL {
        let path = format!("/proc/{name}");
        if Path::new(&path).exists() {
            sandbox = sandbox.bind(Path::new(&path), &path)?;
            sandbox = sandbox.restrict(&path, READ_ONLY | MountFlags::NOEXEC)?;
        }
    }
    Ok(sandbox)
}

/// Gives what is at `path` these flags, with a mount of its own where it is none.
fn restricted(sandbox: Sandbox, path: &str, flags: MountFlags) -> Result<Sandbox, SandboxError> {
    let sandbox = match is_mount_point(Path::new(path)) {
        Ok(true) => sandbox,
        _ => sandbox.bind(Path::new(path), path)?,
    };
    // What an engine gives a container to be read stays so.
    let mut flags = flags;
    if matches!(is_read_only(Path::new(path)), Ok(true)) {
        flags |= MountFlags::RDONLY;
    }
    sandbox.restrict(path, flags)
}

/// A `/dev` with the usual nodes and `nodes`, and no other.
fn own_devices(sandbox: Sandbox, nodes: &[String]) -> Result<Sandbox, SandboxError> {
    let mut sandbox = sandbox.directory(STAGE)?;
    sandbox = devices(sandbox, (STAGE, nodes))?;
    if Path::new("/dev/pts").is_dir() {
        sandbox = sandbox.directory("/dev/shm/pts")?;
        sandbox = sandbox.bind(Path::new("/dev/pts"), "/dev/shm/pts")?;
        sandbox = sandbox.link(Path::new("pts/ptmx"), "/dev/shm/ptmx")?;
    }
    sandbox = sandbox.move_mount(STAGE, "/dev")?;
    // Nodes are written to all the same; nothing is made beside them.
    sandbox.restrict(
        "/dev",
        MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::RDONLY,
    )
}

/// A tmpfs at `at` with the usual nodes, `nodes` and a place for shared memory.
pub(super) fn devices(
    sandbox: Sandbox,
    (at, nodes): (&str, &[String]),
) -> Result<Sandbox, SandboxError> {
    let mut sandbox = sandbox.tmpfs(at)?;
    let usual = DEVICES
        .into_iter()
        .filter(|name| Path::new("/dev").join(name).exists());
    for name in usual.chain(nodes.iter().map(String::as_str)) {
        let target = format!("{at}/{name}");
        // Such as `net` of `/dev/net/tun`.
        for (end, _) in name.match_indices('/') {
            sandbox = sandbox.directory(&format!("{at}/{}", &name[..end]))?;
        }
        let source = Path::new("/dev").join(name);
        sandbox = sandbox.file(&target)?.bind(&source, &target)?;
    }
    for (name, destination) in LINKS {
        sandbox = sandbox.link(Path::new(destination), &format!("{at}/{name}"))?;
    }
    sandbox.directory(&format!("{at}/shm"))
}

/// What is a service's own: memory, and for user 0 nothing where its number would open what is root's.
fn changes(mut sandbox: Sandbox, service: &Service) -> Result<Sandbox, SandboxError> {
    let flags = written(service);
    if let Some(bytes) = service.private_tmp_bytes {
        // A root may lack one of them; then nobody writes there.
        for path in ["/tmp", "/var/tmp"] {
            if Path::new(path).is_dir() {
                sandbox = sandbox.scratch_with(path, (Some(bytes), flags))?;
            }
        }
    }
    sandbox = sandbox.scratch_with("/dev/shm", (None, flags))?;
    if flags != DATA_ONLY {
        sandbox = sandbox.restrict("/run", flags)?;
    }
    if service.uid == 0 {
        for path in OF_ROOT.into_iter().filter(|path| Path::new(path).is_dir()) {
            sandbox = sandbox.tmpfs(path)?.restrict(path, READ_ONLY)?;
        }
    }
    Ok(sandbox)
}

/// The flags of what a service writes.
pub(super) fn written(service: &Service) -> MountFlags {
    match service.sandbox.contains(&Permission::Exec) {
        true => NO_DEVICES,
        false => DATA_ONLY,
    }
}

/// The device nodes of NVIDIA's driver, sorted; none without it.
fn gpu_nodes(dev: &Path) -> Vec<String> {
    let entries = fs::read_dir(dev).into_iter().flatten().flatten();
    let is_device = |entry: &fs::DirEntry| {
        use std::os::unix::fs::FileTypeExt;
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
