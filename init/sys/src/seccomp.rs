//! Which system calls a process may make: a filter that answers what no service needs with an error.
//!
//! The table is a deny list, in groups that can be allowed by name; what is in no group is always denied.
//! The program is a search tree, because the kernel tries it for every number when it is installed and
//! then remembers which ones it always allows (seccomp(2), since 5.11).
//!
//! Source: linux/seccomp.h, linux/filter.h, asm/unistd_64.h; x86-64 alone.

use std::sync::Arc;

use nix::{
    errno::Errno,
    libc::{self, sock_filter},
};

/// System calls that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Namespaces of its own, a user namespace among them; and a process 1 of its own, which it may signal.
    Namespaces,
    /// Mounts and another root.
    Mount,
    /// Looking into other processes and changing them.
    Ptrace,
    /// Asynchronous requests that pass by this filter.
    IoUring,
    /// Programs for the kernel.
    Bpf,
    /// Counters of the processor.
    Perf,
    /// Keys that the kernel keeps.
    Keyring,
    /// Page faults answered by a program.
    Userfaultfd,
    /// Setting the clock.
    Clock,
    /// Files by number, past the directories that lead to them.
    FileHandles,
    /// Sockets of other families than Unix, IPv4, IPv6 and netlink.
    Sockets,
}

/// What is denied whatever is allowed: it changes the machine as a whole, or is long dead.
const NEVER: &[libc::c_long] = &[
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];

/// What a group allows, besides what depends on arguments.
const GROUPS: &[(Group, &[libc::c_long])] = &[
    (Group::Namespaces, &[libc::SYS_setns]),
    (
        Group::Mount,
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_mount_setattr,
        ],
    ),
    (
        Group::Ptrace,
        &[
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_process_madvise,
            libc::SYS_pidfd_getfd,
            libc::SYS_kcmp,
        ],
    ),
    (
        Group::IoUring,
        &[
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
        ],
    ),
    (Group::Bpf, &[libc::SYS_bpf]),
    (Group::Perf, &[libc::SYS_perf_event_open]),
    (
        Group::Keyring,
        &[libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl],
    ),
    (Group::Userfaultfd, &[libc::SYS_userfaultfd]),
    (
        Group::Clock,
        &[libc::SYS_settimeofday, libc::SYS_clock_settime],
    ),
    (
        Group::FileHandles,
        &[libc::SYS_name_to_handle_at, libc::SYS_open_by_handle_at],
    ),
];

/// What reaches a process by its number: process 1 is the same user's as a service of root.
const REACHES: [libc::c_long; 6] = [
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
];

/// Families that every service may use: Unix, IPv4, IPv6, netlink (which getaddrinfo(3) asks).
const FAMILIES: [u32; 4] = [1, 2, 10, 16];

/// `AUDIT_ARCH_X86_64` (linux/audit.h).
const X86_64: u32 = 0xc000_003e;
/// Bit of the numbers of the x32 ABI (asm/unistd.h), which would pass by a list of others.
const X32: u32 = 0x4000_0000;
/// `CLONE_NEW*` of clone(2) and, with the time namespace whose bit is part of a signal there, unshare(2).
const CLONE_NEW: u32 = 0x7e02_0000;
const UNSHARE_NEW: u32 = CLONE_NEW | 0x80;
/// Typing on somebody's terminal (ioctl_tty(2), ioctl_console(2)).
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

/// Offsets in `struct seccomp_data`; of an argument its lower half.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(at: u32) -> u32 {
    16 + 8 * at
}

/// Codes of linux/bpf_common.h: `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | … | BPF_K`, `BPF_RET | BPF_K`.
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Where a jump leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    At(usize),
    Allow,
    /// `EPERM`.
    Deny,
    /// `ENOSYS`: the C library then takes the older call, whose arguments can be read.
    Absent,
    /// `EAFNOSUPPORT`.
    Family,
    Clone,
    Unshare,
    Terminal,
    Socket,
    First,
}

/// An instruction before its jumps are distances.
#[derive(Debug, Clone, Copy)]
enum Line {
    Load(u32),
    Jump { code: u16, k: u32, yes: To, no: To },
    Return(u32),
}

/// A filter, compiled.
#[derive(Debug, Clone)]
pub struct Filter(Arc<[sock_filter]>);

impl Filter {
    /// The filter that denies all but what belongs to no group, and to those in `allowed`.
    pub fn new(allowed: &[Group]) -> Self {
        Self(assemble(&lines(allowed)).into())
    }

    /// Puts the calling thread, and what it executes, under the filter for good: no allocation.
    ///
    /// # Errors
    /// As seccomp(2): `EACCES` for a thread that may still gain privileges.
    pub(crate) fn install(&self) -> nix::Result<()> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.0.len()).unwrap_or(u16::MAX),
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the kernel reads `len` instructions from `filter`, which outlive the call, and writes
        // to none.
        let result = unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            )
        };
        Errno::result(result).map(drop)
    }
}

/// What is answered otherwise than by the kernel, by number, sorted.
fn denied(allowed: &[Group]) -> Vec<(u32, To)> {
    let is_allowed = |group| allowed.contains(&group);
    let closed = GROUPS.iter().filter(|(group, _)| !is_allowed(*group));
    let numbers = closed.flat_map(|(_, numbers)| *numbers).chain(NEVER);
    let mut all: Vec<_> = numbers.map(|number| (*number, To::Deny)).collect();
    all.push((libc::SYS_ioctl, To::Terminal));
    if !is_allowed(Group::Namespaces) {
        all.push((libc::SYS_clone, To::Clone));
        all.push((libc::SYS_clone3, To::Absent));
        all.push((libc::SYS_unshare, To::Unshare));
        all.extend(REACHES.map(|number| (number, To::First)));
    }
    if !is_allowed(Group::Sockets) {
        all.push((libc::SYS_socket, To::Socket));
    }
    let numbers = all.into_iter();
    let mut all: Vec<_> = numbers
        .filter_map(|(number, to)| Some((u32::try_from(number).ok()?, to)))
        .collect();
    all.sort_unstable_by_key(|(number, _)| *number);
    all
}

fn lines(allowed: &[Group]) -> Vec<Line> {
    let is = |k, yes, no| Line::Jump {
        code: EQUAL,
        k,
        yes,
        no,
    };
    let x32 = Line::Jump {
        code: AT_LEAST,
        k: X32,
        yes: To::Deny,
        no: To::At(4),
    };
    let mut lines = vec![
        Line::Load(ARCHITECTURE),
        is(X86_64, To::At(2), To::Deny),
        Line::Load(NUMBER),
        x32,
    ];
    search(&mut lines, &denied(allowed));
    lines
}

/// A tree of comparisons with `rules`, which are sorted and not empty.
fn search(lines: &mut Vec<Line>, rules: &[(u32, To)]) {
    if let [(k, yes)] = *rules {
        let no = To::Allow;
        return lines.push(Line::Jump {
            code: EQUAL,
            k,
            yes,
            no,
        });
    }
    let (low, high) = rules.split_at(rules.len() / 2);
    let at = lines.len();
    // Its place is known once the lower half is written.
    lines.push(Line::Return(0));
    search(lines, low);
    lines[at] = Line::Jump {
        code: AT_LEAST,
        k: high.first().map_or(0, |(number, _)| *number),
        yes: To::At(lines.len()),
        no: To::At(at + 1),
    };
    search(lines, high);
}

/// What the tree leads to, each with its place from the end of the tree.
fn ends() -> Vec<(To, Vec<Line>)> {
    let error = |errno: Errno| vec![Line::Return(libc::SECCOMP_RET_ERRNO | errno as u32)];
    let jump = |code, k, yes, no| Line::Jump { code, k, yes, no };
    let flags = |mask| {
        let any = jump(ANY_BIT, mask, To::Deny, To::Allow);
        vec![Line::Load(argument(0)), any]
    };
    let mut socket = vec![Line::Load(argument(0))];
    let families = FAMILIES.iter().enumerate();
    // `To::At(0)` is the line that follows, wherever the block comes to lie.
    socket.extend(families.map(|(at, family)| {
        let last = at + 1 == FAMILIES.len();
        let no = if last { To::Family } else { To::At(0) };
        jump(EQUAL, *family, To::Allow, no)
    }));
    let terminal = vec![
        Line::Load(argument(1)),
        jump(EQUAL, TIOCSTI, To::Deny, To::At(0)),
        jump(EQUAL, TIOCLINUX, To::Deny, To::Allow),
    ];
    let first = vec![Line::Load(argument(0)), jump(EQUAL, 1, To::Deny, To::Allow)];
    vec![
        (To::First, first),
        (To::Clone, flags(CLONE_NEW)),
        (To::Unshare, flags(UNSHARE_NEW)),
        (To::Terminal, terminal),
        (To::Socket, socket),
        (To::Allow, vec![Line::Return(libc::SECCOMP_RET_ALLOW)]),
        (To::Deny, error(Errno::EPERM)),
        (To::Absent, error(Errno::ENOSYS)),
        (To::Family, error(Errno::EAFNOSUPPORT)),
    ]
}

fn assemble(tree: &[Line]) -> Vec<sock_filter> {
    let mut all = tree.to_vec();
    let mut places = Vec::new();
    for (to, block) in ends() {
        places.push((to, all.len()));
        all.extend(block);
    }
    let place = |to: To, at: usize| match to {
        To::At(0) => at + 1,
        To::At(line) => line,
        other => {
            let found = places.iter().find(|(to, _)| *to == other);
            found.map_or(at + 1, |(_, place)| *place)
        }
    };
    let distance = |to, at| u8::try_from(place(to, at).saturating_sub(at + 1)).unwrap_or(u8::MAX);
    let one = |(at, line): (usize, &Line)| match *line {
        Line::Load(k) => instruction(LOAD, k, (0, 0)),
        Line::Return(k) => instruction(RETURN, k, (0, 0)),
        Line::Jump { code, k, yes, no } => {
            instruction(code, k, (distance(yes, at), distance(no, at)))
        }
    };
    all.iter().enumerate().map(one).collect()
}

const fn instruction(code: u16, k: u32, (jt, jf): (u8, u8)) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

    fn error(errno: i32) -> u32 {
        libc::SECCOMP_RET_ERRNO | errno as u32
    }

    /// What the kernel would do, by filter.rst.
    fn run(filter: &Filter, architecture: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let (mut at, mut held) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = filter.0[at];
            let jump = |holds| usize::from(if holds { jt } else { jf }) + 1;
            at += match code {
                LOAD => {
                    held = match k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        16 => arguments[0],
                        24 => arguments[1],
                        other => panic!("loads {other}"),
                    };
                    1
                }
                EQUAL => jump(held == k),
                AT_LEAST => jump(held >= k),
                ANY_BIT => jump(held & k != 0),
                RETURN => return k,
                other => panic!("code {other}"),
            };
        }
    }

    fn call(filter: &Filter, number: libc::c_long, arguments: [u32; 2]) -> u32 {
        run(filter, X86_64, u32::try_from(number).unwrap(), arguments)
    }

    #[test]
    fn jumps_fit_into_their_bytes() {
        assert!(assemble(&lines(&[])).len() < 255);
    }

    #[test]
    fn every_number_is_answered_as_the_table_says() {
        let all: Vec<_> = GROUPS.iter().map(|(group, _)| *group).collect();
        for allowed in [vec![], vec![Group::Mount, Group::Bpf], all] {
            let filter = Filter::new(&allowed);
            let rules = denied(&allowed);
            for number in 0..600 {
                let rule = rules.iter().find(|(denied, _)| *denied == number);
                let expected = match rule.map(|(_, to)| *to) {
                    Some(To::Deny) => error(libc::EPERM),
                    Some(To::Absent) => error(libc::ENOSYS),
                    Some(To::Socket) => error(libc::EAFNOSUPPORT),
                    _ => ALLOW,
                };
                assert_eq!(run(&filter, X86_64, number, [0, 0]), expected, "{number}");
            }
        }
    }

    #[test]
    fn groups_are_allowed_by_name() {
        for (group, numbers) in GROUPS {
            let (closed, open) = (Filter::new(&[]), Filter::new(&[*group]));
            for number in *numbers {
                assert_eq!(
                    call(&closed, *number, [0, 0]),
                    error(libc::EPERM),
                    "{group:?}"
                );
                assert_eq!(call(&open, *number, [0, 0]), ALLOW, "{group:?}");
            }
        }
    }

    #[test]
    fn other_abis_are_refused() {
        let filter = Filter::new(&[]);
        let read = u32::try_from(libc::SYS_read).unwrap();
        assert_eq!(run(&filter, X86_64, read, [0, 0]), ALLOW);
        assert_eq!(run(&filter, X86_64, read | X32, [0, 0]), error(libc::EPERM));
        // i386 and aarch64.
        for other in [0x4000_0003, 0xc000_00b7] {
            assert_eq!(run(&filter, other, read, [0, 0]), error(libc::EPERM));
        }
    }

    #[test]
    fn arguments_decide_where_they_matter() {
        let (closed, open) = (
            Filter::new(&[]),
            Filter::new(&[Group::Namespaces, Group::Sockets]),
        );
        let thread = 0x003d_0f00;
        let (user, time) = (0x1000_0000, 0x80);
        for (number, arguments, expected) in [
            (libc::SYS_clone, [thread, 0], ALLOW),
            (libc::SYS_clone, [17, 0], ALLOW),
            (libc::SYS_clone, [user | 17, 0], error(libc::EPERM)),
            (libc::SYS_clone3, [0, 0], error(libc::ENOSYS)),
            (libc::SYS_unshare, [0x400, 0], ALLOW),
            (libc::SYS_unshare, [user, 0], error(libc::EPERM)),
            (libc::SYS_unshare, [time, 0], error(libc::EPERM)),
            (libc::SYS_kill, [2, 15], ALLOW),
            (libc::SYS_kill, [1, 15], error(libc::EPERM)),
            (libc::SYS_tgkill, [1, 1], error(libc::EPERM)),
            (libc::SYS_ioctl, [0, 0x5401], ALLOW),
            (libc::SYS_ioctl, [0, TIOCSTI], error(libc::EPERM)),
            (libc::SYS_ioctl, [0, TIOCLINUX], error(libc::EPERM)),
            (libc::SYS_socket, [2, 0], ALLOW),
            (libc::SYS_socket, [16, 0], ALLOW),
            (libc::SYS_socket, [38, 0], error(libc::EAFNOSUPPORT)),
            (libc::SYS_socket, [40, 0], error(libc::EAFNOSUPPORT)),
        ] {
            assert_eq!(
                call(&closed, number, arguments),
                expected,
                "{number} {arguments:?}"
            );
            if number != libc::SYS_ioctl {
                assert_eq!(
                    call(&open, number, arguments),
                    ALLOW,
                    "{number} {arguments:?}"
                );
            }
        }
    }
}
