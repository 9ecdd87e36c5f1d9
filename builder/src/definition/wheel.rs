//! A Python wheel as the files of a tree.
//!
//! Source: PyPA binary distribution format 1.0 (PEP 427) and platform compatibility tags (PEP 425).
//! What an installer would put into `site-packages` lies at the top of the tree, scripts in its `bin`;
//! entry points get no script, for a service runs `python3 -m MODULE`. Every file is checked against
//! `RECORD` before anybody reads it.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
};

use base64ct::{Base64UrlUnpadded, Encoding};
use bedplate_contract::Digest;
use zip::ZipArchive;

use super::{SourceContent, SourceEntry};

/// Most files of a wheel, and most bytes of all of them: they are held in memory.
const MAX_FILES: usize = 65_536;
const MAX_BYTES: u64 = 512 << 20;
/// Files of `.dist-info` that `RECORD` does not cover.
const UNRECORDED: [&str; 3] = ["RECORD", "RECORD.jws", "RECORD.p7s"];
/// First line of a script that an installer writes anew.
const SHEBANG: &[u8] = b"#!python";
/// What it becomes: Debian's interpreter.
const INTERPRETER: &[u8] = b"#!/usr/bin/python3";

/// A wheel that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum WheelError {
    /// The file cannot be read.
    #[error("cannot read the file")]
    Read(#[from] io::Error),
    /// It is no zip archive.
    #[error("expected a zip archive: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// It is for somebody else, damaged, or leads out of its tree.
    #[error("{0}")]
    Refused(String),
}

/// A file of a wheel, where an installer would put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelFile {
    /// Path below the tree.
    pub path: PathBuf,
    /// All bytes.
    pub bytes: Vec<u8>,
    /// `0o755` or `0o644`.
    pub mode: u32,
}

/// Members of the archive by their names.
type Members = BTreeMap<String, Member>;

struct Member {
    bytes: Vec<u8>,
    is_executable: bool,
}

/// Reads the wheel at `path`.
///
/// # Errors
/// See [`WheelError`].
pub fn load(path: &Path) -> Result<Vec<WheelFile>, WheelError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    read(&name, &fs::read(path)?)
}

/// Reads the wheel `bytes`, whose file is called `name`.
///
/// # Errors
/// See [`WheelError`].
pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<WheelFile>, WheelError> {
    check_tags(name).map_err(WheelError::Refused)?;
    let members = members(bytes)?;
    let files = check_record(&members).and_then(|()| place_all(members));
    files.map_err(WheelError::Refused)
}

/// `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl`, each tag a set that is joined by `.`.
fn check_tags(name: &str) -> Result<(), String> {
    let words: Vec<&str> = name
        .strip_suffix(".whl")
        .map_or(Vec::new(), |stem| stem.split('-').collect());
    let (&[_, _, python, _, platform] | &[_, _, _, python, _, platform]) = &words[..] else {
        let expected = "expected a name `NAME-VERSION-PYTHON-ABI-PLATFORM.whl`";
        return Err(format!("{expected}, found `{name}`"));
    };
    let is_python = |tag: &str| tag.starts_with("py3") || tag.starts_with("cp3");
    if !python.split('.').any(is_python) {
        return Err(format!("expected a wheel for Python 3, found `{python}`"));
    }
    let is_ours = |tag: &str| {
        let linux = tag.starts_with("linux_") || tag.starts_with("manylinux");
        tag == "any" || linux && tag.ends_with("_x86_64")
    };
    match platform.split('.').any(is_ours) {
        true => Ok(()),
        false => Err(format!(
            "expected a wheel for any platform or for Linux on x86_64, found `{platform}`"
        )),
    }
}

fn members(bytes: &[u8]) -> Result<Members, WheelError> {
    let refuse = |what: String| Err(WheelError::Refused(what));
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    if archive.len() > MAX_FILES {
        return refuse(format!(
            "expected at most {MAX_FILES} files, found {}",
            archive.len()
        ));
    }
    let mut members = Members::new();
    let mut left = MAX_BYTES;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let name = file.name()?.into_owned();
        if file.is_dir() {
            continue;
        }
        let mode = file.unix_mode().unwrap_or_default();
        if !is_inside(&name) || file.is_symlink() {
            return refuse(format!("expected a file inside the tree, found `{name}`"));
        }
        let mut bytes = Vec::new();
        file.by_ref().take(left + 1).read_to_end(&mut bytes)?;
        let Some(rest) = left.checked_sub(bytes.len() as u64) else {
            return refuse(format!("expected at most {MAX_BYTES} bytes in all files"));
        };
        left = rest;
        let is_executable = mode & 0o111 != 0;
        let member = Member {
            bytes,
            is_executable,
        };
        if members.insert(name.clone(), member).is_some() {
            return refuse(format!("expected each file once, found `{name}` twice"));
        }
    }
    Ok(members)
}

fn is_inside(name: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..");
    name.split('/').all(part) && !name.contains(['\\', '\0'])
}

/// Checks every member against `RECORD`, and that nothing recorded is missing.
fn check_record(members: &Members) -> Result<(), String> {
    let directory = dist_info(members)?;
    let own = |name: &str| format!("{directory}/{name}");
    let text = |name: &str| {
        let member = members.get(&own(name));
        let text = member.and_then(|member| std::str::from_utf8(&member.bytes).ok());
        text.ok_or_else(|| format!("expected the text file `{}` in it", own(name)))
    };
    check_format(text("WHEEL")?)?;
    let rows = rows(text("RECORD")?);
    let unrecorded = UNRECORDED.map(own);
    for (name, member) in members
        .iter()
        .filter(|(name, _)| !unrecorded.contains(name))
    {
        let row = rows.get(name.as_str());
        let row = row.ok_or_else(|| format!("`{name}` is not in `RECORD`"))?;
        check_row(name, &member.bytes, row)?;
    }
    match rows.keys().find(|name| !members.contains_key(**name)) {
        Some(name) => Err(format!("`RECORD` names `{name}`, which is not there")),
        None => Ok(()),
    }
}

fn dist_info(members: &Members) -> Result<&str, String> {
    let top = members
        .keys()
        .filter_map(|name| name.strip_suffix("/RECORD"));
    let found: Vec<_> = top
        .filter(|top| top.ends_with(".dist-info") && !top.contains('/'))
        .collect();
    match found[..] {
        [only] => Ok(only),
        _ => Err(format!(
            "expected one `*.dist-info/RECORD`, found {}",
            found.len()
        )),
    }
}

fn check_format(text: &str) -> Result<(), String> {
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("Wheel-Version:"));
    match version.map(str::trim) {
        Some(version) if version.starts_with("1.") => Ok(()),
        found => Err(format!(
            "expected `Wheel-Version: 1.…`, found `{}`",
            found.unwrap_or_default()
        )),
    }
}

/// Digest and size of each row of `RECORD`, by its path.
fn rows(text: &str) -> BTreeMap<&str, (&str, &str)> {
    let row = |line| {
        // The path may hold commas, in quotes then; digest and size hold none.
        let mut words = str::rsplitn(line, 3, ',');
        let (size, digest) = (words.next()?, words.next()?);
        let path = words.next()?;
        let inner = path
            .strip_prefix('"')
            .and_then(|path| path.strip_suffix('"'));
        Some((inner.unwrap_or(path), (digest, size)))
    };
    text.lines().filter_map(row).collect()
}

fn check_row(name: &str, bytes: &[u8], (digest, size): &(&str, &str)) -> Result<(), String> {
    let encoded = digest.strip_prefix("sha256=");
    let encoded = encoded
        .ok_or_else(|| format!("expected a SHA-256 of `{name}` in `RECORD`, found `{digest}`"))?;
    let mut expected = [0; 32];
    let decoded = Base64UrlUnpadded::decode(encoded.trim_end_matches('='), &mut expected);
    let is_same = decoded.is_ok_and(|decoded| decoded == Digest::of(bytes).as_bytes());
    let fits = size.is_empty() || size.parse() == Ok(bytes.len());
    match is_same && fits {
        true => Ok(()),
        false => Err(format!("`{name}` is not what `RECORD` says of it")),
    }
}

/// Where each member lies once installed; each place once.
fn place_all(members: Members) -> Result<Vec<WheelFile>, String> {
    let mut files: BTreeMap<PathBuf, WheelFile> = BTreeMap::new();
    for (name, member) in members {
        let Some(file) = place(&name, member)? else {
            continue;
        };
        if is_taken(&files, &file.path) {
            return Err(format!("two files of it lie at `{}`", file.path.display()));
        }
        files.insert(file.path.clone(), file);
    }
    Ok(files.into_values().collect())
}

/// Whether a file lies at `path`, or where a directory of it would be, or below it.
fn is_taken(files: &BTreeMap<PathBuf, WheelFile>, path: &Path) -> bool {
    let above = path.ancestors().any(|above| files.contains_key(above));
    let below = files.range(path.to_owned()..).next();
    above || below.is_some_and(|(below, _)| below.starts_with(path))
}

/// `NAME.data/KIND/…` goes where the kind says, all else to the top.
fn place(name: &str, member: Member) -> Result<Option<WheelFile>, String> {
    let file = |path: PathBuf, bytes, is_executable| {
        let mode = if is_executable { 0o755 } else { 0o644 };
        Ok(Some(WheelFile { path, bytes, mode }))
    };
    let Member {
        bytes,
        is_executable,
    } = member;
    let (top, rest) = name.split_once('/').unwrap_or((name, ""));
    if !top.ends_with(".data") {
        return file(name.into(), bytes, is_executable);
    }
    match rest.split_once('/') {
        Some(("purelib" | "platlib" | "data", path)) => file(path.into(), bytes, is_executable),
        Some(("scripts", path)) => file(Path::new("bin").join(path), script(bytes), true),
        Some(("headers", _)) => Ok(None),
        _ => Err(format!("expected a known kind of file, found `{name}`")),
    }
}

fn script(bytes: Vec<u8>) -> Vec<u8> {
    match bytes.strip_prefix(SHEBANG) {
        Some(rest) => [INTERPRETER, rest].concat(),
        None => bytes,
    }
}

/// The entries of a tree at `target` that holds `files`; sorted, directories first.
pub fn entries(files: Vec<WheelFile>, target: &Path) -> Vec<SourceEntry> {
    let mut all = BTreeMap::from([(target.to_owned(), SourceContent::Directory)]);
    for WheelFile { path, bytes, mode } in files {
        for above in path.ancestors().skip(1) {
            all.insert(target.join(above), SourceContent::Directory);
        }
        all.insert(target.join(path), SourceContent::File { bytes, mode });
    }
    let all = all.into_iter();
    all.map(|(path, content)| SourceEntry { path, content })
        .collect()
}

#[cfg(test)]
mod tests;
