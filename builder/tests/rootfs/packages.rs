//! Tiny packages, made byte by byte.

use std::{fs, path::Path};

/// One entry of a data archive.
#[derive(Debug)]
pub enum Entry<'a> {
    /// Path, permission bits.
    Directory(&'a str, u32),
    /// Path, bytes, permission bits.
    File(&'a str, &'a [u8], u32),
    /// Path, text.
    Symlink(&'a str, &'a str),
    /// Path, existing path.
    HardLink(&'a str, &'a str),
    /// A device node.
    Device(&'a str),
}

/// The bytes of a tar archive; names are written raw, so hostile ones get in too.
pub fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let (header, content) = header(entry);
        archive.append(&header, content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn header<'a>(entry: &Entry<'a>) -> (tar::Header, &'a [u8]) {
    let (path, kind, content, mode, link): (_, _, &[u8], _, _) = match *entry {
        Entry::Directory(path, mode) => (path, tar::EntryType::Directory, b"", mode, ""),
        Entry::File(path, content, mode) => (path, tar::EntryType::Regular, content, mode, ""),
        Entry::Symlink(path, text) => (path, tar::EntryType::Symlink, b"", 0o777, text),
        Entry::HardLink(path, existing) => (path, tar::EntryType::Link, b"", 0o644, existing),
        Entry::Device(path) => (path, tar::EntryType::Char, b"", 0o666, ""),
    };
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(u64::from(rustix::process::getuid().as_raw()));
    header.set_gid(u64::from(rustix::process::getgid().as_raw()));
    header.set_mtime(1_000_000_000);
    header.set_size(content.len() as u64);
    header.set_cksum();
    (header, content)
}

/// Writes a .deb with the control file `control` and the data archive `data`, gzip compressed.
pub fn write_deb(path: &Path, control: &str, data: &[u8]) {
    let control = tar(&[Entry::File("./control", control.as_bytes(), 0o644)]);
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", gzip(&control)),
        ("data.tar.gz", gzip(data)),
    ];
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let size = content.len();
        bytes.extend(format!("{name:<16}{:<32}{size:<10}`\n", 0).into_bytes());
        bytes.extend(&content);
        bytes.extend(vec![b'\n'; size % 2]);
    }
    fs::write(path, bytes).unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}
