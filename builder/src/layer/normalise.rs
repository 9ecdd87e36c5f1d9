//! What packages, scripts and time left behind in a layer, made the same on every host.
//!
//! Removes caches, logs, backups, examples, identities and keys that belong to one machine; sets times past
//! [`EPOCH`] back to it; drops the attributes that overlayfs keeps for itself. Rules are a table.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::Path,
};

use bedplate_sys::overlay;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::{EPOCH, LayerError};

/// Files that are removed, by path from the top.
const FILES: &[&str] = &[
    "etc/.pwd.lock",
    "etc/machine-id",
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "etc/ssl/private/ssl-cert-snakeoil.key",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
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
    visit(root, Path::new(""))?;
    rewrite(&root.join("etc/shadow"), shadow_without_days)?;
    rewrite(
        &root.join("var/cache/debconf/config.dat"),
        debconf_without_temporaries,
    )?;
    // The top of the layer was made under the umask of whoever builds.
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))
        .map_err(LayerError::io("set the mode of", root))?;
    settle(root)
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Remove,
}

fn visit(root: &Path, inner: &Path) -> Result<(), LayerError> {
    let directory = root.join(inner);
    for entry in read_directory(&directory)? {
        let path = inner.join(entry.file_name());
        let kind = entry
            .file_type()
            .map_err(LayerError::io("look at", entry.path()))?;
        match fate(&path, &entry.path(), kind) {
            Fate::Remove if kind.is_dir() => {
                fs::remove_dir_all(entry.path()).map_err(LayerError::io("remove", entry.path()))?;
            }
            Fate::Remove => {
                fs::remove_file(entry.path()).map_err(LayerError::io("remove", entry.path()))?;
            }
            Fate::Keep if kind.is_dir() => visit(root, &path)?,
            Fate::Keep => {}
        }
    }
    Ok(())
}

fn fate(path: &Path, on_disk: &Path, kind: fs::FileType) -> Fate {
    let in_any = |directories: &[&str]| directories.iter().any(|at| below(path, at));
    let is_any = |files: &[&str]| files.iter().any(|file| path == Path::new(file));
    let leftover = kind.is_socket() || kind.is_fifo() || in_any(EMPTIED) || is_examples(path);
    let file = !kind.is_dir()
        && (in_any(LOGS)
            || is_any(FILES)
            || is_any(ACCOUNT_BACKUPS)
            || is_backup(path)
            || is_host_key(path)
            || (kind.is_symlink() && leads_to_snakeoil(on_disk)));
    match leftover || file {
        true => Fate::Remove,
        false => Fate::Keep,
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
fn leads_to_snakeoil(link: &Path) -> bool {
    let text = fs::read_link(link).unwrap_or_default();
    text.file_name() == Some(OsStr::new("ssl-cert-snakeoil.pem"))
}

/// Changes a file of text in place, so that mode and owner stay.
fn rewrite(path: &Path, change: fn(&str) -> String) -> Result<(), LayerError> {
    if !path.is_file() {
        return Ok(());
    }
    let text = fs::read_to_string(path).map_err(LayerError::io("read", path))?;
    fs::write(path, change(&text)).map_err(LayerError::io("write", path))
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
fn settle(path: &Path) -> Result<(), LayerError> {
    let metadata = fs::symlink_metadata(path).map_err(LayerError::io("look at", path))?;
    if metadata.is_dir() {
        for entry in read_directory(path)? {
            settle(&entry.path())?;
        }
    }
    if metadata.is_dir() || metadata.is_file() {
        drop_attributes(path).map_err(LayerError::io("drop the attributes of", path))?;
    }
    set_time(path, metadata.mtime()).map_err(LayerError::io("set the time of", path))
}

/// All of overlayfs's own, but the mark of an opaque directory, which is part of the layer.
fn drop_attributes(path: &Path) -> io::Result<()> {
    for name in attributes(path)? {
        if name.starts_with(overlay::PREFIX.as_bytes()) && name != overlay::OPAQUE.as_bytes() {
            rustix::fs::lremovexattr(path, OsStr::from_bytes(&name))?;
        }
    }
    Ok(())
}

/// The names of the extended attributes of `path`, a link itself, not what it leads to; sorted.
///
/// # Errors
/// The file system refuses; one without attributes has none.
pub(crate) fn attributes(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut names = vec![0_u8; 4096];
    let length = match rustix::fs::llistxattr(path, &mut names[..]) {
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let split = names[..length].split(|&byte| byte == 0);
    let mut found: Vec<Vec<u8>> = split
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    found.sort();
    Ok(found)
}

fn set_time(path: &Path, mtime: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: mtime.min(EPOCH),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

fn read_directory(path: &Path) -> Result<Vec<fs::DirEntry>, LayerError> {
    let entries = fs::read_dir(path).and_then(Iterator::collect);
    entries.map_err(LayerError::io("list", path))
}

#[cfg(test)]
mod tests {
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
