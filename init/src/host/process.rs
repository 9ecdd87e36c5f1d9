//! What a service's process gets: environment, secrets, directories, output.

use std::{collections::BTreeMap, fs::File, os::fd::OwnedFd, path::Path};

use bedplate_contract::service::Service;
use bedplate_sys::{
    beneath::{self, Owner},
    process::{self, Identity, Launch, Limits},
    view::{Joined, View},
};

use super::root;
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
    /// Which `/tmp` it sees.
    pub view: View,
    /// Where its output goes.
    pub output: Option<OwnedFd>,
}

/// The view of a process of `service`; of one that joins process `leader`, the leader's.
///
/// # Errors
/// A root that cannot be described, in words.
pub(super) fn view(service: &Service, leader: Option<u32>) -> Result<View, String> {
    // A leader that has just ended took its `/tmp` along.
    let joined = leader.and_then(|pid| Joined::of(pid).ok());
    Ok(match (&service.root, joined, service.private_tmp_bytes) {
        (Some(_), Some(joined), _) => View::Of(joined.needed()),
        (Some(root), None, _) => View::Root(Box::new(root::sandbox(root, service)?)),
        (None, _, None) => View::Parents,
        (None, Some(joined), _) => View::Of(joined),
        (None, None, Some(bytes)) => View::OwnTmp { bytes },
    })
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
        },
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

/// Makes the runtime directories of `service`, owned by its user.
///
/// # Errors
/// The directory that could not be made, in words.
pub(super) fn make_directories(service: &Service) -> Result<(), String> {
    for name in &service.runtime_directories {
        let name = name.trim_start_matches('/');
        // One may lie in another that a service owns: a link on the way is refused.
        let made = beneath::directory((Path::new(RUN), Path::new(name)), (0o755, owner(service)));
        made.map_err(|error| format!("make `{RUN}/{name}`: {error}"))?;
    }
    Ok(())
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
