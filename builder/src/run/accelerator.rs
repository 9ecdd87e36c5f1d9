//! Which accelerator a machine may use: KVM only once a guest has booted with it.
//!
//! A `/dev/kvm` that opens proves nothing: on some hosts it makes virtual CPUs that hang in the
//! firmware. So a run begins with KVM and goes over to TCG when PID 1 says nothing in time; that is
//! remembered until the host reboots.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use super::qemu::Accelerator;

/// Time for PID 1's first event under KVM: firmware and kernel take about 3 s when it works.
pub const PROOF: Duration = Duration::from_secs(20);

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// KVM when it proves itself, else TCG.
    Auto,
    /// This one.
    Only(Accelerator),
}

impl FromStr for Choice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "tcg" => Ok(Self::Only(Accelerator::Tcg)),
            "kvm" => Ok(Self::Only(Accelerator::Kvm)),
            other => Err(format!("expected `auto`, `tcg` or `kvm`, found `{other}`")),
        }
    }
}

impl Choice {
    /// The accelerator to begin with; `memory` is a directory that remembers failed proofs.
    pub fn first(self, memory: &Path) -> Accelerator {
        match self {
            Self::Only(accelerator) => accelerator,
            Self::Auto if kvm_opens() && !is_disproved(memory) => Accelerator::Kvm,
            Self::Auto => Accelerator::Tcg,
        }
    }
}

/// Remembers until the next boot of the host that KVM did not prove itself.
///
/// Only a hint: when it cannot be written, the next run tries KVM again.
pub fn disprove_kvm(memory: &Path) {
    let _ = boot_id().map(|id| fs::write(mark(memory), id));
}

fn is_disproved(memory: &Path) -> bool {
    boot_id().is_some_and(|id| fs::read_to_string(mark(memory)).is_ok_and(|mark| mark == id))
}

fn mark(memory: &Path) -> PathBuf {
    memory.join("kvm-disproved")
}

fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

fn kvm_opens() -> bool {
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_proof_is_remembered() {
        let memory = tempfile::tempdir().unwrap();
        assert!(!is_disproved(memory.path()));
        disprove_kvm(memory.path());
        assert!(is_disproved(memory.path()));
        assert_eq!(Choice::Auto.first(memory.path()), Accelerator::Tcg);
    }
}
