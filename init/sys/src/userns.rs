//! An ordinary user who acts as root over 65536 ids of their own.
//!
//! Source: user_namespaces(7), newuidmap(1), subuid(5). [`enter`] moves the whole process, so all
//! that follows sees itself as root; files that it makes belong, outside, to the user (root's) or
//! to the user's subordinate ids (everyone else's).

mod subid;

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::{
    io::Errno,
    mount::MountPropagationFlags,
    process::{getegid, geteuid, getpid},
    thread::UnshareFlags,
};

use subid::Range;

/// Ids that packages count on: 0 to 65535, `nobody` being 65534.
const IDS: u32 = 65_536;
/// Settings that forbid user namespaces, with the value that does.
const FORBIDDING: [(&str, &str); 3] = [
    ("kernel.unprivileged_userns_clone", "0"),
    ("user.max_user_namespaces", "0"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1"),
];

/// As whom the process goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// It was root over enough ids already.
    Root,
    /// It is root of a user namespace of its own.
    Mapped,
}

/// Why an ordinary user cannot act as root.
#[derive(Debug, thiserror::Error)]
pub enum UsernsError {
    /// The kernel is set to refuse.
    #[error("user namespaces are not allowed: `{0}`; allow them with `sysctl -w {1}`")]
    Forbidden(String, String),
    /// The kernel refuses for another reason.
    #[error("cannot make a user namespace")]
    Refused(#[source] io::Error),
    /// Mounts cannot be made the process's own.
    #[error("cannot make a mount namespace")]
    Mounts(#[source] io::Error),
    /// No subordinate ids.
    #[error(
        "expected {IDS} subordinate ids of `{user}` in `{file}`, found none; \
         add them with `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`"
    )]
    NoRange {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// Name or number of the user.
        user: String,
    },
    /// No program that maps ids.
    #[error("expected the program `{0}`, found none; it is in the package `uidmap`")]
    NoProgram(&'static str),
    /// The program that maps ids failed.
    #[error("cannot map ids: `{program}` said: {said}")]
    Map {
        /// The program.
        program: &'static str,
        /// Its stderr.
        said: String,
    },
    /// A file that says who the process is cannot be read, or a program not be run.
    #[error("cannot {action}")]
    Io {
        /// What was being done.
        action: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Makes the process root over [`IDS`] ids with a mount namespace of its own.
///
/// Call it first thing in `main`: the process must have one thread.
///
/// # Errors
/// What is missing, with the command that adds it.
pub fn enter() -> Result<Identity, UsernsError> {
    if geteuid().is_root() && mapped_ids()? >= u64::from(IDS) {
        own_mounts()?;
        return Ok(Identity::Root);
    }
    let user = user_name()?;
    let uids = subordinate("/etc/subuid", &user)?;
    let gids = subordinate("/etc/subgid", &user)?;
    let uid_map = Mapper::start("newuidmap", geteuid().as_raw(), uids)?;
    let gid_map = Mapper::start("newgidmap", getegid().as_raw(), gids)?;
    unshare(UnshareFlags::NEWUSER).map_err(refused)?;
    uid_map.finish()?;
    gid_map.finish()?;
    own_mounts()?;
    Ok(Identity::Mapped)
}

fn own_mounts() -> Result<(), UsernsError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    unshare(UnshareFlags::NEWNS)
        .and_then(|()| rustix::mount::mount_change("/", private))
        .map_err(|errno| match forbidding() {
            Some((setting, allow)) => UsernsError::Forbidden(setting, allow),
            None => UsernsError::Mounts(errno.into()),
        })
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: the flags do not unshare file descriptors, the one case that breaks I/O safety.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

fn refused(errno: Errno) -> UsernsError {
    match forbidding() {
        Some((setting, allow)) => UsernsError::Forbidden(setting, allow),
        None => UsernsError::Refused(errno.into()),
    }
}

/// The first setting that forbids, as it is and as it should be.
fn forbidding() -> Option<(String, String)> {
    FORBIDDING.iter().find_map(|(name, bad)| {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        let value = fs::read_to_string(path).ok()?;
        let good = match *name {
            "user.max_user_namespaces" => "10000",
            _ if *bad == "0" => "1",
            _ => "0",
        };
        (value.trim() == *bad).then(|| (format!("{name} = {bad}"), format!("{name}={good}")))
    })
}

/// How many ids the process's user namespace has.
fn mapped_ids() -> Result<u64, UsernsError> {
    let text = fs::read_to_string("/proc/self/uid_map")
        .map_err(|e| failed("read `/proc/self/uid_map`".to_owned(), e))?;
    Ok(subid::count_mapped(&text))
}

fn user_name() -> Result<String, UsernsError> {
    let uid = geteuid();
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid.as_raw()));
    let user = user.map_err(|e| failed("look up the user".to_owned(), e.into()))?;
    Ok(user.map_or_else(|| uid.as_raw().to_string(), |user| user.name))
}

fn subordinate(file: &'static str, user: &str) -> Result<Range, UsernsError> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|e| failed(format!("read `{file}`"), e))?,
    };
    // The user's own id is the first of the map, the range gives the rest.
    subid::find(&text, user, geteuid().as_raw(), IDS - 1).ok_or_else(|| UsernsError::NoRange {
        file,
        user: user.to_owned(),
    })
}

/// A set-user-id program that writes a map of this process. It must run outside of the namespace
/// that it maps, so a shell is started before, and told to go on once the namespace is there.
struct Mapper {
    program: &'static str,
    child: Child,
}

impl Mapper {
    fn start(program: &'static str, own: u32, range: Range) -> Result<Self, UsernsError> {
        let process = getpid().as_raw_nonzero().get();
        let first = format!("{process} 0 {own} 1");
        let rest = format!("1 {} {}", range.start, IDS - 1);
        let child = Command::new("/bin/sh")
            .args(["-c", "read -r go && exec \"$@\"", "sh", program])
            .args(first.split(' ').chain(rest.split(' ')))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failed(format!("start `{program}`"), e))?;
        Ok(Self { program, child })
    }

    fn finish(mut self) -> Result<(), UsernsError> {
        let wait = |e| failed(format!("wait for `{}`", self.program), e);
        if let Some(mut stdin) = self.child.stdin.take() {
            stdin.write_all(b"go\n").map_err(wait)?;
        }
        let output = self.child.wait_with_output().map_err(wait)?;
        match output.status.code() {
            Some(0) => Ok(()),
            // What a shell says of a command that it does not find, or may not run.
            Some(126 | 127) => Err(UsernsError::NoProgram(self.program)),
            _ => Err(UsernsError::Map {
                program: self.program,
                said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            }),
        }
    }
}

fn failed(action: String, source: io::Error) -> UsernsError {
    UsernsError::Io { action, source }
}
