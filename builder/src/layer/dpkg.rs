//! dpkg in a sandbox: unpacks and configures packages in a root.
//!
//! The sandbox has no network, its own processes, a minimal `/dev`, and a `policy-rc.d` that
//! forbids every service start. The environment is fixed: scripts see no host, clock or locale.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use bedplate_sys::sandbox::{Isolation, MountFlags, Sandbox, SandboxError};

use super::{
    EPOCH, LayerError,
    tree::{Metadata, Tree},
};
use crate::tool::Tool;

/// Where scripts ask whether they may start a service; 101 is "forbidden" (invoke-rc.d(8)).
const POLICY: &str = "usr/sbin/policy-rc.d";
const POLICY_TEXT: &str = "#!/bin/sh\nexit 101\n";
/// Where dpkg sees the packages.
const DEBS: &str = "/run/debs";
/// Devices that scripts may count on.
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];
/// Of `/proc`: root of the host may write to its settings, and ids are the host's.
const READ_ONLY: MountFlags = MountFlags::RDONLY
    .union(MountFlags::NOSUID)
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);
/// Links of `/dev` that shells and scripts use.
const LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// Unpacks and configures `debs`, which all lie in one directory, in the root.
pub(super) fn install(
    root: &Path,
    layer: &'static str,
    debs: &[PathBuf],
) -> Result<(), LayerError> {
    let (tree, policy) = (Tree::open(root)?, Path::new(POLICY));
    tree.file(policy, &mut POLICY_TEXT.as_bytes(), Metadata::root(0o755))?;
    unpack(root, layer, debs)?;
    configure(root, layer)?;
    Ok(tree.remove(policy)?)
}

/// The order of the lock is one in which packages can be configured, not always one in which they
/// can be unpacked; dpkg only warns, as for every bootstrap.
fn unpack(root: &Path, layer: &'static str, debs: &[PathBuf]) -> Result<(), LayerError> {
    let Some(directory) = debs.first().and_then(|path| path.parent()) else {
        return Ok(());
    };
    let sandbox = sandbox(root)?.directory(DEBS)?.bind(directory, DEBS)?;
    let names = debs.iter().filter_map(|path| path.file_name());
    let dpkg = dpkg(sandbox, "--unpack").args(names.map(|name| Path::new(DEBS).join(name)));
    run(dpkg, "unpack", layer)
}

fn configure(root: &Path, layer: &'static str) -> Result<(), LayerError> {
    run(
        dpkg(sandbox(root)?, "--configure").arg("-a"),
        "configure",
        layer,
    )
}

fn run(dpkg: Tool, action: &'static str, layer: &'static str) -> Result<(), LayerError> {
    let done = dpkg.run().map(drop);
    done.map_err(|source| LayerError::Dpkg {
        action,
        layer,
        source,
    })
}

fn dpkg(sandbox: Sandbox, verb: impl AsRef<OsStr>) -> Tool {
    // `unsafe-io`: the store syncs the whole layer once. `confold`: a file that the definition
    // wrote before wins over the package's.
    let options = [
        "--force-unsafe-io",
        "--force-depends",
        "--force-confdef",
        "--force-confold",
    ];
    fixed(Tool::sandboxed(sandbox, "/usr/bin/dpkg"))
        .args(options)
        .arg(verb)
}

/// `tool` with an environment that says nothing of host, clock or locale.
pub(super) fn fixed(tool: Tool) -> Tool {
    let environment = [
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("PYTHONHASHSEED", "0"),
        ("PERL_HASH_SEED", "0"),
    ];
    let tool = tool.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    environment
        .iter()
        .fold(tool, |tool, (name, value)| tool.env(name, value))
}

/// The root `root` alone: its own processes, no network, a minimal `/dev`.
pub(super) fn sandbox(root: &Path) -> Result<Sandbox, SandboxError> {
    let mut sandbox = Sandbox::in_directory(root, Isolation::Full)?
        .proc("proc")?
        .restrict("proc", READ_ONLY)?
        .tmpfs("dev")?
        .tmpfs("run")?
        .scratch("tmp", None)?
        .directory("dev/shm")?
        .directory("run/lock")?
        // Debian Policy 9.1.4: anybody may put lock files there; `/var/lock` leads to it.
        .scratch("run/lock", None)?;
    for name in DEVICES {
        let target = format!("dev/{name}");
        sandbox = sandbox
            .file(&target)?
            .bind(&Path::new("/dev").join(name), &target)?;
    }
    for (at, text) in LINKS {
        sandbox = sandbox.link(Path::new(text), at)?;
    }
    Ok(sandbox)
}
