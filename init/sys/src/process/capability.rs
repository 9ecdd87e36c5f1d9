//! What of root's rights a process keeps: between fork and exec, system calls only.

use nix::{errno::Errno, libc};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

/// Takes from the bounding set what is not in `mask`, so that no program brings it back; and has what is
/// in it outlive the change of user.
pub(super) fn bound(mask: u64) -> nix::Result<()> {
    for capability in 0..64 {
        if mask >> capability & 1 == 1 {
            continue;
        }
        // SAFETY: prctl with PR_CAPBSET_DROP reads its integer arguments alone.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        match Errno::result(result) {
            Ok(_) => {}
            // Past the last capability that this kernel knows.
            Err(Errno::EINVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    thread::set_keep_capabilities(mask != 0).map_err(from_rustix)
}

/// Leaves the thread with the capabilities in `mask` alone, as far as it has them, and has programs that it
/// executes keep them (the ambient set).
pub(super) fn keep(mask: u64) -> nix::Result<()> {
    if mask == u64::MAX {
        return Ok(());
    }
    let held = thread::capabilities(None).map_err(from_rustix)?.permitted;
    let kept = held & CapabilitySet::from_bits_retain(mask);
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: kept,
    };
    thread::set_capabilities(None, sets).map_err(from_rustix)?;
    for bit in (0..64).filter(|bit| kept.bits() >> bit & 1 == 1) {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        thread::configure_capability_in_ambient_set(one, true).map_err(from_rustix)?;
    }
    Ok(())
}

fn from_rustix(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}
