//! What packages, scripts and time left behind in a layer, made the same on every host.
//!
//! Removes caches, logs, backups, examples, identities and keys that belong to one machine; sets times past
//! [`EPOCH`] back to it; drops the attributes that overlayfs keeps for itself. Rules are a table.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use bedplate_sys::overlay;

use super::{
    EPOCH, LayerError,
    tree::{Kind, Tree, TreeError},
};

/// Files that a postinst makes once for one machine: keys that all machines of an image would share,
/// and names by which they could not be told apart. Services that need one make it, or are given it.
const IDENTITIES: &[&str] = &[
    "etc/bind/rndc.key",
    "etc/iscsi/initiatorname.iscsi",
    "etc/machine-id",
    "etc/munge/munge.key",
    "etc/nvme/hostid",
    "etc/nvme/hostnqn",
    "var/lib/dbus/machine-id",
    "var/lib/rabbitmq/.erlang.cookie",
];
/// Files that are removed, by path from the top.
const FILES: &[&str] = &[
    "etc/.pwd.lock",
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "etc/ssl/private/ssl-cert-snakeoil.key",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/systemd/random-seed",
];
/// Directories that are emptied.
const EMPTIED: &[&str] = &[
    "dev",
    "run",
    "tmp",
    "var/cache/apt",
    "var/cache/man",
    "var/lib/apt/lists",
    "var/tmp",
];
/// Directories whose files go and whose directories stay: services expect theirs.
const LOGS: &[&str] = &["var/log"];
/// Directories in which files with one of the endings are backups.
const BACKUPS: &[(&str, &[&str])] = &[
    (
        "etc",
        &[
            ".dpkg-old",
            ".dpkg-dist",
            ".dpkg-bak",
            ".ucf-old",
            ".ucf-dist",
        ],
    ),
    ("var/cache/debconf", &["-old"]),
    ("var/lib/dpkg", &["-old"]),
];
/// Backups that the tools of shadow(5) leave.
const ACCOUNT_BACKUPS: &[&str] = &[
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
];
/// Day of [`EPOCH`] since 1970: the last change of every password.
pub const EPOCH_DAY: i64 = EPOCH / 86_400;

/// Makes the layer at `root` depend on nothing but its inputs.
///
/// # Errors
/// A system call fails.
pub fn normalise(root: &Path) -> Result<(), LayerError> {
    let (tree, top) = (Tree::open(root)?, Path::new(""));
    visit(&tree, top)?;
    tree.rewrite(Path::new("etc/shadow"), shadow_without_days)?;
    let answers = Path::new("var/cache/debconf/config.dat");
    tree.rewrite(answers, debconf_without_temporaries)?;
    // The top of the layer was made under the umask of whoever builds.
    tree.set_mode_of_top(0o755)?;
    Ok(settle(&tree, top, Kind::Directory)?)
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Remove,
}

fn visit(tree: &Tree, directory: &Path) -> Result<(), TreeError> {
    for (path, kind) in tree.entries(directory)? {
        match fate(tree, &path, kind)? {
            Fate::Remove => tree.remove(&path)?,
            Fate::Keep if kind == Kind::Directory => visit(tree, &path)?,
            Fate::Keep => {}
        }
    }
    Ok(())
}

fn fate(tree: &Tree, path: &Path, kind: Kind) -> Result<Fate, TreeError> {
    let in_any = |directories: &[&str]| directories.iter().any(|at| below(path, at));
    let is_any = |files: &[&str]| files.iter().any(|file| path == Path::new(file));
    let leftover = kind == Kind::Channel || in_any(EMPTIED) || is_examples(path);
    let file = kind != Kind::Directory
        && (in_any(LOGS)
            // A link leads to where the machine makes its own: `/etc/machine-id`.
            || (kind == Kind::File && is_any(IDENTITIES))
            || is_any(FILES)
            || is_any(ACCOUNT_BACKUPS)
            || is_backup(path)
            || is_host_key(path)
            || (kind == Kind::Link && leads_to_snakeoil(tree, path)?));
    match leftover || file {
        true => Ok(Fate::Remove),
        false => Ok(Fate::Keep),
    }
}

fn below(path: &Path, directory: &str) -> bool {
    path.starts_with(directory) && path != Path::new(directory)
}

fn is_backup(path: &Path) -> bool {
    let name = path.as_os_str().as_bytes();
    BACKUPS.iter().any(|(directory, endings)| {
        below(path, directory) && endings.iter().any(|end| name.ends_with(end.as_bytes()))
    })
}

/// Examples of a package: nobody reads them on an appliance, and some have private keys among them.
fn is_examples(path: &Path) -> bool {
    let mut names = path.iter();
    let doc = ["usr", "share", "doc"];
    doc.iter()
        .all(|name| names.next() == Some(OsStr::new(name)))
        && names.nth(1) == Some(OsStr::new("examples"))
}

fn is_host_key(path: &Path) -> bool {
    let name = path.file_name().map_or(&b""[..], OsStr::as_bytes);
    below(path, "etc/ssh") && name.starts_with(b"ssh_host_")
}

/// `update-ca-certificates` and `make-ssl-cert` link certificates by their hash.
fn leads_to_snakeoil(tree: &Tree, link: &Path) -> Result<bool, TreeError> {
    let text = tree.link_text(link)?.unwrap_or_default();
    Ok(text.file_name() == Some(OsStr::new("ssl-cert-snakeoil.pem")))
}

/// Drops the values that name a temporary file: ucf(1) asks its questions with random names.
fn debconf_without_temporaries(text: &str) -> String {
    let line = |line: &str| match line.split_once(" = /tmp/") {
        Some((name, _)) if line.starts_with(' ') => format!("{name} = \n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The day of the last change is the day of the build, in the third field (shadow(5)).
fn shadow_without_days(text: &str) -> String {
    let fixed = |line: &str| {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if let Some(day) = fields.get_mut(2).filter(|day| !day.is_empty()) {
            *day = EPOCH_DAY.to_string();
        }
        fields.join(":") + "\n"
    };
    text.lines().map(fixed).collect()
}

/// Attributes and times, children before their directory, for a removal changes its time.
fn settle(tree: &Tree, path: &Path, kind: Kind) -> Result<(), TreeError> {
    if kind == Kind::Directory {
        for (path, kind) in tree.entries(path)? {
            settle(tree, &path, kind)?;
        }
    }
    if matches!(kind, Kind::Directory | Kind::File) {
        drop_attributes(tree, path)?;
    }
    tree.set_time(path, tree.time(path)?.min(EPOCH))
}

/// All of overlayfs's own, but the mark of an opaque directory, which is part of the layer.
fn drop_attributes(tree: &Tree, path: &Path) -> Result<(), TreeError> {
    for name in tree.attributes(path)? {
        if name.starts_with(overlay::PREFIX.as_bytes()) && name != overlay::OPAQUE.as_bytes() {
            tree.remove_attribute(path, &name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use super::*;

    fn write(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    #[test]
    fn what_belongs_to_one_machine_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let gone = [
            "etc/machine-id",
            "etc/munge/munge.key",
            "var/lib/rabbitmq/.erlang.cookie",
            "etc/shadow-",
            "etc/app/x.conf.dpkg-old",
            "etc/ssh/ssh_host_rsa_key",
            "etc/ssl/private/ssl-cert-snakeoil.key",
            "tmp/a/b",
            "usr/share/doc/app/examples/tls/server.key",
            "var/cache/debconf/config.dat-old",
            "var/log/app/today.log",
        ];
        let kept = [
            "etc/hostname",
            "etc/ssh/ssh_config",
            "usr/share/doc/app/copyright",
            "usr/share/examples/x",
            "usr/x-old",
            "var/lib/dpkg/status",
        ];
        for path in gone.iter().chain(&kept) {
            write(root.path(), path);
        }
        normalise(root.path()).unwrap();
        for path in gone {
            assert!(!root.path().join(path).exists(), "{path}");
        }
        for path in kept {
            let metadata = fs::metadata(root.path().join(path)).unwrap();
            assert_eq!(
                (metadata.mtime(), metadata.mtime_nsec()),
                (EPOCH, 0),
                "{path}"
            );
        }
        assert!(root.path().join("var/log/app").is_dir() && root.path().join("tmp").is_dir());
    }

    #[test]
    fn debconf_loses_temporary_names_alone() {
        let text = "Name: ucf/x\nVariables:\n NEW = /tmp/a.Xy\n BASENAME = a\n\n";
        let wanted = "Name: ucf/x\nVariables:\n NEW = \n BASENAME = a\n\n";
        assert_eq!(debconf_without_temporaries(text), wanted);
    }

    #[test]
    fn shadow_keeps_everything_but_the_day() {
        for (line, wanted) in [
            ("root:*:20412:0:99999:7:::", "root:*:20089:0:99999:7:::\n"),
            ("x:!::::::", "x:!::::::\n"),
            ("", ""),
        ] {
            assert_eq!(shadow_without_days(line), wanted);
        }
    }
}
