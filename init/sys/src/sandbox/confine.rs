//! What a process in a full sandbox can never do, whatever it runs.
//!
//! Source: capabilities(7), prctl(2). For the scripts of packages: they are root of a user namespace and
//! need of that what changes files and users, and no more.

use nix::libc;
use rustix::io::Errno;

use super::child::last_errno;

/// The capabilities that stay, in the user namespace of the sandbox alone (linux/capability.h):
/// `CHOWN`, `DAC_OVERRIDE`, `DAC_READ_SEARCH`, `FOWNER`, `FSETID`, `KILL`, `SETGID`, `SETUID`,
/// `SYS_CHROOT`, `SETFCAP`.
const KEPT: [libc::c_ulong; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 18, 31];
/// More than any kernel knows.
const CAPABILITIES: libc::c_ulong = 64;

/// Drops all other capabilities for good, takes the terminal away, and forbids to gain privileges.
pub(super) fn confine() -> Result<(), Errno> {
    // Else `/dev/tty` is the terminal of the caller, where characters can be typed for it.
    rustix::process::setsid()?;
    for capability in (0..CAPABILITIES).filter(|number| !KEPT.contains(number)) {
        // SAFETY: a plain system call without pointers.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } < 0 {
            match last_errno() {
                // Past the last capability that this kernel knows.
                Errno::INVAL => break,
                errno => return Err(errno),
            }
        }
    }
    rustix::thread::set_no_new_privs(true)
}
