//! What the kernel is told for this appliance: sysctl values, huge pages, host name.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use bedplate_sys::host;

const PROC_SYS: &str = "/proc/sys";
/// Huge pages of 2 MiB, which every x86-64 has.
const HUGEPAGES: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

/// A value that the kernel does not have now.
#[derive(Debug, thiserror::Error)]
pub enum TuningError {
    /// A name that is none of `/proc/sys`.
    #[error("expected a sysctl name such as `vm.swappiness`, found `{0}`")]
    Name(String),
    /// The kernel refused.
    #[error("setting sysctl `{name}` to `{value}`")]
    Sysctl {
        /// Name with dots.
        name: String,
        /// Value.
        value: String,
        /// Cause; `NotFound` for one that this kernel lacks.
        source: io::Error,
    },
    /// Huge pages could not be asked for.
    #[error("reserving huge pages in `{HUGEPAGES}`")]
    Hugepages(#[source] io::Error),
    /// Memory is too small or too fragmented.
    #[error("expected {wanted} huge pages of 2 MiB, found {found}")]
    FewHugepages {
        /// As the profile asks.
        wanted: u64,
        /// As the kernel reserved.
        found: u64,
    },
    /// The host name was refused.
    #[error("setting the host name `{name}`")]
    Hostname {
        /// Name.
        name: String,
        /// Cause.
        source: io::Error,
    },
}

/// What services must not have of each other or of the kernel, unless an appliance says otherwise: links and
/// pipes of others in shared directories (proc_sys_fs(5)), addresses and messages of the kernel, programs for
/// it (proc_sys_kernel(5)).
const CLOSED: [(&str, &str); 8] = [
    ("fs.protected_fifos", "1"),
    ("fs.protected_hardlinks", "1"),
    ("fs.protected_regular", "1"),
    ("fs.protected_symlinks", "1"),
    ("kernel.dmesg_restrict", "1"),
    ("kernel.kptr_restrict", "1"),
    ("kernel.perf_event_paranoid", "2"),
    ("kernel.unprivileged_bpf_disabled", "1"),
];

/// Sets [`CLOSED`], as far as the kernel has it, and every value; one that fails costs no other.
///
/// # Errors
/// All failures, in order of names.
pub fn set_sysctl(values: &BTreeMap<String, String>) -> Result<(), Vec<TuningError>> {
    for (name, value) in CLOSED {
        // A kernel without one of them has nothing to close.
        let _ = set(name, value);
    }
    let results = values.iter().map(|(name, value)| set(name, value));
    let failures: Vec<_> = results.filter_map(Result::err).collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

fn set(name: &str, value: &str) -> Result<(), TuningError> {
    let path = sysctl_path(name)?;
    fs::write(path, value).map_err(|source| TuningError::Sysctl {
        name: name.to_owned(),
        value: value.to_owned(),
        source,
    })
}

/// `net.ipv4.conf.eth0/1.forwarding` is `net/ipv4/conf/eth0.1/forwarding`, as in sysctl.d(5).
fn sysctl_path(name: &str) -> Result<PathBuf, TuningError> {
    let parts: Vec<_> = name.split('.').map(|part| part.replace('/', ".")).collect();
    let bad = |part: &String| part.is_empty() || part == "." || part == "..";
    if parts.len() < 2 || parts.iter().any(bad) || name.contains('\0') {
        return Err(TuningError::Name(name.to_owned()));
    }
    Ok(parts
        .iter()
        .fold(PathBuf::from(PROC_SYS), |path, part| path.join(part)))
}

/// Reserves `wanted` huge pages of 2 MiB and checks that they were obtained; none for 0.
///
/// # Errors
/// [`TuningError::Hugepages`], [`TuningError::FewHugepages`]: those that were obtained stay.
pub fn reserve_hugepages(wanted: u64) -> Result<(), TuningError> {
    if wanted == 0 {
        return Ok(());
    }
    reserve_in(Path::new(HUGEPAGES), wanted)
}

fn reserve_in(path: &Path, wanted: u64) -> Result<(), TuningError> {
    fs::write(path, wanted.to_string()).map_err(TuningError::Hugepages)?;
    let text = fs::read_to_string(path).map_err(TuningError::Hugepages)?;
    match text.trim().parse() {
        Ok(found) if found >= wanted => Ok(()),
        Ok(found) => Err(TuningError::FewHugepages { wanted, found }),
        Err(_) => Err(TuningError::Hugepages(io::ErrorKind::InvalidData.into())),
    }
}

/// Sets the host name.
///
/// # Errors
/// [`TuningError::Hostname`].
pub fn set_hostname(name: &str) -> Result<(), TuningError> {
    host::set_name(name).map_err(|source| TuningError::Hostname {
        name: name.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths() {
        for (name, path) in [
            ("vm.swappiness", "/proc/sys/vm/swappiness"),
            (
                "net.ipv4.conf.eth0/1.rp_filter",
                "/proc/sys/net/ipv4/conf/eth0.1/rp_filter",
            ),
        ] {
            assert_eq!(sysctl_path(name).unwrap(), Path::new(path));
        }
        for name in [
            "",
            "vm",
            "vm..x",
            "vm.//.x",
            "../etc/passwd",
            ".vm.x",
            "vm.x.",
            "a.\0",
        ] {
            assert!(sysctl_path(name).is_err(), "{name}");
        }
    }

    #[test]
    fn hugepages_are_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        reserve_in(file.path(), 7).unwrap();
        assert!(reserve_in(Path::new("/no/such"), 7).is_err());
        reserve_hugepages(0).unwrap();
    }

    #[test]
    fn every_failure_is_said() {
        let values = ["a", "bedplate.no_such"].map(|name| (name.to_owned(), "1".to_owned()));
        let failures = set_sysctl(&values.into()).unwrap_err();
        assert!(matches!(failures[0], TuningError::Name(_)));
        assert!(matches!(failures[1], TuningError::Sysctl { .. }));
    }
}
