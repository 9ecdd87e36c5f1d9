//! What a service's process gets: environment, secrets, directories, output.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::Path,
    sync::OnceLock,
};

use bedplate_contract::service::{Permission, RUNTIME_BYTES, Service, ServiceNetwork};
use bedplate_sys::{
    beneath::{self, Owner},
    mount,
    process::{self, Identity, Launch, Limits, Net},
    seccomp::{Filter, Group},
    view::View,
};

use super::view::written;
use crate::{gpu, secrets, stage1::chain};

/// `PATH` of every service that sets none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where runtime directories are.
const RUN: &str = "/run";

/// Where a process runs, and where its words go.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// `cgroup.procs`.
    pub cgroup: Option<File>,
    /// Which mounts it sees.
    pub view: View,
    /// The process whose network it sees, where its service has one of its own.
    pub leader: Option<u32>,
    /// Where its output goes.
    pub output: Option<OwnedFd>,
}

/// Makes the process of `service`, or another program in its place and with its rights.
///
/// # Errors
/// The step that failed, in words.
pub(super) fn launch(service: &Service, run: &[String], place: Place) -> Result<u32, String> {
    let wanted = Launch {
        run: run.to_vec(),
        environment: environment(service)?,
        directory: service.working_directory.clone().into(),
        identity: Identity {
            uid: service.uid,
            gid: service.gid,
            groups: groups(service),
            capabilities: capabilities(service),
        },
        network: network(service, place.leader)?,
        filter: Some(filter(service)),
        limits: Limits {
            nofile: service.limits.nofile,
            memlock: service.limits.memlock_bytes,
        },
        cgroup: place.cgroup,
        view: place.view,
        output: place.output,
    };
    process::launch(wanted).map_err(|error| chain(&error))
}

/// Its own, and that of GPUs where it works on one.
fn groups(service: &Service) -> Vec<u32> {
    let of_gpus = service.gpu.then_some(gpu::GROUP);
    service.groups.iter().copied().chain(of_gpus).collect()
}

fn capabilities(service: &Service) -> u64 {
    let numbers = service.capabilities.iter();
    let bits = numbers.filter_map(|number| 1_u64.checked_shl(u32::from(*number)));
    bits.fold(0, |mask, bit| mask | bit)
}

/// Compiled once for the services that ask for nothing, which are most.
fn filter(service: &Service) -> Filter {
    static USUAL: OnceLock<Filter> = OnceLock::new();
    let allowed: Vec<_> = service.sandbox.iter().copied().filter_map(group).collect();
    match allowed.is_empty() {
        true => USUAL.get_or_init(|| Filter::new(&[])).clone(),
        false => Filter::new(&allowed),
    }
}

/// The system calls of a permission, where it has some.
const fn group(permission: Permission) -> Option<Group> {
    Some(match permission {
        Permission::Exec | Permission::Processes => return None,
        Permission::Bpf => Group::Bpf,
        Permission::Clock => Group::Clock,
        Permission::FileHandles => Group::FileHandles,
        Permission::IoUring => Group::IoUring,
        Permission::Keyring => Group::Keyring,
        Permission::Mount => Group::Mount,
        Permission::Namespaces => Group::Namespaces,
        Permission::Perf => Group::Perf,
        Permission::Ptrace => Group::Ptrace,
        Permission::Sockets => Group::Sockets,
        Permission::Userfaultfd => Group::Userfaultfd,
    })
}

fn network(service: &Service, leader: Option<u32>) -> Result<Net, String> {
    match (service.network, leader) {
        (ServiceNetwork::Host, _) => Ok(Net::Parents),
        (ServiceNetwork::None, None) => Ok(Net::Loopback),
        (ServiceNetwork::None, Some(pid)) => {
            let joined = File::open(format!("/proc/{pid}/ns/net"));
            joined
                .map(Net::Of)
                .map_err(|error| format!("join its network: {error}"))
        }
    }
}

fn environment(service: &Service) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    all.insert("PATH".to_owned(), PATH.to_owned());
    all.insert("HOME".to_owned(), "/".to_owned());
    let credentials = secrets::hand_out(service).map_err(|error| chain(&error))?;
    if let Some(directory) = credentials {
        let directory = directory.to_string_lossy().into_owned();
        all.insert("CREDENTIALS_DIRECTORY".to_owned(), directory);
    }
    all.extend(service.environment.clone());
    for (variable, name) in &service.secret_environment {
        let value = secrets::read(name).map_err(|error| chain(&error))?;
        all.insert(variable.clone(), value);
    }
    Ok(all)
}

/// Makes the runtime directories of `service`, owned by its user; on a machine each in memory of its own,
/// so that it fills that and not `/run`.
///
/// # Errors
/// The directory that could not be made, in words.
pub(super) fn make_directories(service: &Service, is_machine: bool) -> Result<(), String> {
    for name in &service.runtime_directories {
        let name = name.trim_start_matches('/');
        let make = || -> io::Result<()> {
            // One may lie in another that a service owns: a link on the way is refused.
            let place = (Path::new(RUN), Path::new(name));
            let directory = beneath::directory(place, (0o755, owner(service)))?;
            let is_of_run = directory.metadata()?.dev() == fs::metadata(RUN)?.dev();
            match is_machine && is_of_run {
                true => mount::memory_on(&directory, written(service), &memory(service)),
                false => Ok(()),
            }
        };
        make().map_err(|error| format!("make `{RUN}/{name}`: {error}"))?;
    }
    Ok(())
}

/// Options of tmpfs(5).
fn memory(service: &Service) -> [(&'static str, String); 5] {
    let bytes = service.limits.runtime_bytes.unwrap_or(RUNTIME_BYTES);
    [
        ("size", bytes.to_string()),
        // Names cost memory too.
        ("nr_inodes", (bytes / 4096).max(64).to_string()),
        ("mode", "0755".to_owned()),
        ("uid", service.uid.to_string()),
        ("gid", service.gid.to_string()),
    ]
}

/// Makes the directory of a backup's archives for the user of its service, and nobody else.
///
/// # Errors
/// The directory that could not be made, in words.
pub(super) fn make_archives(path: &str, service: &Service) -> Result<(), String> {
    let whole = Path::new(path);
    let (Some(volume), Some(name)) = (whole.parent(), whole.file_name()) else {
        return Err(format!("make `{path}`: it is no directory of a volume"));
    };
    // Whoever owns the volume may have put a link there: it must not choose whose owner changes.
    let made = beneath::directory((volume, Path::new(name)), (0o700, owner(service)));
    made.map(drop)
        .map_err(|error| format!("make `{path}`: {error}"))
}

fn owner(service: &Service) -> Owner {
    Owner {
        uid: service.uid,
        gid: service.gid,
    }
}
