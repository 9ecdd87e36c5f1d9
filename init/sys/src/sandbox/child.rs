//! The half of a sandbox that runs between fork and exec: system calls only, no allocation.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::OwnedFd,
};

use nix::libc;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
    process::Signal,
    thread::UnshareFlags,
};

use super::{
    Isolation, Step, confine,
    ids::{Mapping, Maps},
};

/// Report codes past the index of any step.
pub(super) const UNSHARE: u8 = 255;
/// Mounts could not be made private.
pub(super) const PRIVATE: u8 = 254;
/// The second fork failed.
pub(super) const FORK: u8 = 253;
/// The root could not be changed.
pub(super) const CHANGE_ROOT: u8 = 252;
/// The working directory could not be entered.
pub(super) const ENTER: u8 = 251;
/// A step that has no code of its own.
const LAST: u8 = 250;
/// The user namespace could not be made, or its ids not be mapped.
pub(super) const USERS: u8 = 249;
/// Privileges could not be dropped.
pub(super) const CONFINE: u8 = 248;

/// All that the child needs, allocated before the fork.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) isolation: Isolation,
    pub(super) maps: Maps,
    pub(super) root: CString,
    pub(super) working_directory: CString,
    pub(super) steps: Vec<Step>,
    pub(super) report: OwnedFd,
}

/// Sets the namespaces up; on failure the code of the step goes to the report pipe first.
pub(super) fn enter(plan: &Plan) -> io::Result<()> {
    set_up(plan).map_err(|(code, errno)| {
        // A lost report only makes the message less precise: the errno still arrives.
        let _lost = rustix::io::write(&plan.report, &[code]);
        io::Error::from(errno)
    })
}

fn set_up(plan: &Plan) -> Result<(), (u8, Errno)> {
    let at = |code| move |errno| (code, errno);
    die_with_parent().map_err(at(UNSHARE))?;
    unshare(plan.isolation).map_err(at(UNSHARE))?;
    make_private().map_err(at(PRIVATE))?;
    let mapping = match plan.isolation {
        Isolation::Mounts => None,
        Isolation::Full => {
            open_ports();
            let mapping = Mapping::new().map_err(at(USERS))?;
            let mapping = become_first_process(mapping, &plan.maps).map_err(at(FORK))?;
            rustix::system::sethostname(b"localhost").map_err(at(UNSHARE))?;
            Some(mapping)
        }
    };
    carry_out_all(&plan.steps)?;
    change_root(&plan.root).map_err(at(CHANGE_ROOT))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::process::chdir(plan.working_directory.as_c_str()).map_err(at(ENTER))?;
    // Last, for all before it takes the caller's privileges: from here on there are none outside.
    match mapping {
        None => Ok(()),
        Some(mapping) => {
            mapping.enter().map_err(at(USERS))?;
            confine::confine().map_err(at(CONFINE))?;
            die_with_parent().map_err(at(CONFINE))
        }
    }
}

/// Mounts that nobody else sees; those of the parent still come and go in them if it `follows`.
pub(super) fn own_mounts(follows: bool) -> Result<(), (u8, Errno)> {
    copy_mounts()?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    let changed = match follows {
        true => rustix::mount::mount_change(c"/", slave),
        false => make_private(),
    };
    changed.map_err(|errno| (PRIVATE, errno))
}

/// A copy of the mounts, as they are.
pub(super) fn copy_mounts() -> Result<(), (u8, Errno)> {
    unshare(Isolation::Mounts).map_err(|errno| (UNSHARE, errno))
}

fn make_private() -> Result<(), Errno> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", private)
}

fn unshare(isolation: Isolation) -> Result<(), Errno> {
    let mut flags = UnshareFlags::NEWNS;
    if isolation == Isolation::Full {
        flags |= UnshareFlags::NEWPID
            | UnshareFlags::NEWNET
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS;
    }
    // SAFETY: the flags do not unshare file descriptors, the one case that breaks I/O safety.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Lets everybody in the network of the sandbox, which is nobody else's, listen on every port: it is older
/// than the user namespace, so that no capability in there counts for it (ip-sysctl.rst).
fn open_ports() {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let first = rustix::fs::open(
        c"/proc/sys/net/ipv4/ip_unprivileged_port_start",
        flags,
        Mode::empty(),
    );
    if let Ok(first) = first {
        // Where an engine keeps the kernel's settings read-only, the ports below 1024 stay closed.
        let _closed = rustix::io::write(&first, b"0");
    }
}

fn die_with_parent() -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
}

/// Forks: the child is process 1 of the new namespace and goes on, the parent maps its ids, waits for
/// it and ends with its status.
fn become_first_process(mapping: Mapping, maps: &Maps) -> Result<Mapping, Errno> {
    // SAFETY: this process has one thread, and both sides keep to system calls.
    match unsafe { libc::fork() } {
        -1 => Err(last_errno()),
        0 => {
            die_with_parent()?;
            Ok(mapping)
        }
        child => {
            mapping.serve(maps, child);
            wait_and_exit(child)
        }
    }
}

/// Stands in for `child`: holds no descriptor of the caller open, and ends as the child ends.
fn wait_and_exit(child: libc::pid_t) -> ! {
    let mut status = 0;
    // SAFETY: plain system calls; `status` outlives the wait; nothing runs after `_exit`.
    unsafe {
        libc::close_range(0, libc::c_uint::MAX, 0);
        while libc::waitpid(child, &raw mut status, 0) < 0 && last_errno() == Errno::INTR {}
        libc::_exit(exit_code(status))
    }
}

/// The exit code a shell would give: the status, or 128 and the signal.
fn exit_code(status: libc::c_int) -> libc::c_int {
    match libc::WIFEXITED(status) {
        true => libc::WEXITSTATUS(status),
        false => 128 + libc::WTERMSIG(status),
    }
}

pub(super) fn last_errno() -> Errno {
    Errno::from_raw_os_error(nix::errno::Errno::last_raw())
}

/// Carries the steps out in their order; a failure has the place of its step.
pub(super) fn carry_out_all(steps: &[Step]) -> Result<(), (u8, Errno)> {
    for (at, step) in steps.iter().enumerate() {
        // Steps past the codes of a byte are described in general words.
        let code = u8::try_from(at).ok().filter(|code| *code < CONFINE);
        let code = code.unwrap_or(LAST);
        carry_out(step).map_err(|errno| (code, errno))?;
    }
    Ok(())
}

fn carry_out(step: &Step) -> Result<(), Errno> {
    match step {
        Step::Directory(path) => unless_there(rustix::fs::mkdir(path, Mode::from_raw_mode(0o755))),
        Step::File(path) => {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).map(drop)
        }
        Step::Link { text, at } => unless_there(rustix::fs::symlink(text, at)),
        Step::Bind { source, target } => rustix::mount::mount_bind_recursive(source, target),
        Step::Tmpfs(path) => {
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            rustix::mount::mount(c"tmpfs", path, c"tmpfs", flags, c"mode=0755")
        }
        Step::Scratch {
            target,
            options,
            flags,
        } => rustix::mount::mount(c"tmpfs", target, c"tmpfs", *flags, options.as_c_str()),
        Step::Proc { target, options } => mount_proc(target, options),
        Step::Move { source, target } => rustix::mount::mount_move(source, target),
        Step::Restrict { target, flags } => {
            rustix::mount::mount_remount(target, *flags | MountFlags::BIND, c"")
        }
    }
}

/// Containers whose own `/proc` is partly hidden refuse a fresh one; theirs is shown instead.
fn mount_proc(path: &CString, options: &CStr) -> Result<(), Errno> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    match rustix::mount::mount(c"proc", path, c"proc", flags, options) {
        Err(Errno::PERM) => rustix::mount::mount_bind_recursive(c"/proc", path),
        other => other,
    }
}

/// `pivot_root(2)`, "pivot_root(".", ".")": the old root ends up above the new one and is let go.
pub(super) fn change_root(root: &CStr) -> Result<(), Errno> {
    rustix::process::chdir(root)?;
    rustix::process::pivot_root(c".", c".")?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH)
}

fn unless_there(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        for (status, code) in [(0, 0), (3 << 8, 3), (libc::SIGKILL, 137)] {
            assert_eq!(exit_code(status), code);
        }
    }
}
