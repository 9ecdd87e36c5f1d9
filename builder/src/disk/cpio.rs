//! A cpio archive of the kernel's kind ("newc"), written so that equal content gives equal bytes.
//!
//! Entries in, bytes out. Everything belongs to root and has time 0; entries stand sorted by path,
//! which puts each directory before what is in it. Directories that are implied are added.
//!
//! Source: kernel Documentation/driver-api/early-userspace/buffer-format.rst.

use std::collections::BTreeMap;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const MAGIC: &[u8] = b"070701";
const END: &str = "TRAILER!!!";

/// What one entry is.
#[derive(Debug)]
enum Entry<'a> {
    Directory,
    File { mode: u32, content: &'a [u8] },
}

/// An archive in the making; paths have no leading slash.
#[derive(Debug, Default)]
pub struct Archive<'a> {
    entries: BTreeMap<&'a str, Entry<'a>>,
}

/// A file too large for the eight hex digits of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot put `{path}` into the initramfs: {size} bytes, at most 4294967295 are possible")]
pub struct CpioError {
    path: String,
    size: usize,
}

impl<'a> Archive<'a> {
    /// Adds an empty directory with mode 0755.
    pub fn directory(&mut self, path: &'a str) {
        let path = path.trim_matches('/');
        self.parents(path);
        self.entries.insert(path, Entry::Directory);
    }

    /// Adds a file with the permission bits `mode`; one of the same path is replaced.
    pub fn file(&mut self, path: &'a str, mode: u32, content: &'a [u8]) {
        let path = path.trim_matches('/');
        self.parents(path);
        self.entries.insert(path, Entry::File { mode, content });
    }

    /// The archive.
    ///
    /// # Errors
    /// A file of 4 GiB or more.
    pub fn encode(&self) -> Result<Vec<u8>, CpioError> {
        let mut bytes = Vec::new();
        for (inode, (path, entry)) in (1..).zip(&self.entries) {
            match entry {
                Entry::Directory => append(&mut bytes, path, [inode, DIRECTORY | 0o755, 2], &[])?,
                Entry::File { mode, content } => {
                    append(&mut bytes, path, [inode, REGULAR | mode, 1], content)?;
                }
            }
        }
        append(&mut bytes, END, [0, 0, 1], &[])?;
        Ok(bytes)
    }

    fn parents(&mut self, path: &'a str) {
        for (at, _) in path.match_indices('/') {
            self.entries.insert(&path[..at], Entry::Directory);
        }
    }
}

/// One entry: a header of thirteen numbers in hex, the name, the content, each padded to 4 bytes.
fn append(
    bytes: &mut Vec<u8>,
    path: &str,
    [inode, mode, links]: [u32; 3],
    content: &[u8],
) -> Result<(), CpioError> {
    let size = u32::try_from(content.len()).map_err(|_| CpioError {
        path: path.to_owned(),
        size: content.len(),
    })?;
    // inode, mode, uid, gid, links, mtime, size, device, special device, length of name, checksum
    let name_length = path.len() as u32 + 1;
    let numbers = [
        inode,
        mode,
        0,
        0,
        links,
        0,
        size,
        0,
        0,
        0,
        0,
        name_length,
        0,
    ];
    bytes.extend(MAGIC);
    bytes.extend(
        numbers
            .map(|number| format!("{number:08x}"))
            .concat()
            .bytes(),
    );
    bytes.extend(path.bytes().chain([0]));
    pad(bytes);
    bytes.extend(content);
    pad(bytes);
    Ok(())
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_with_their_directories() {
        let mut archive = Archive::default();
        archive.file("/usr/lib/b", 0o644, b"bytes");
        archive.file("init", 0o755, b"x");
        archive.directory("/dev");
        let text = String::from_utf8(archive.encode().unwrap()).unwrap();
        let headers: Vec<_> = text.split("070701").skip(1).collect();
        let names: Vec<_> = headers
            .iter()
            .map(|h| h[104..].split('\0').next().unwrap())
            .collect();
        assert_eq!(names, ["dev", "init", "usr", "usr/lib", "usr/lib/b", END]);
        assert_eq!(&headers[4][8..16], "000081a4");
        assert_eq!(&headers[4][48..56], "00000005");
        assert!(headers[4].ends_with("bytes\0\0\0"));
        assert_eq!(text.len() % 4, 0);
    }

    #[test]
    fn order_of_calls_does_not_matter() {
        let bytes = |paths: [&str; 2]| {
            let mut archive = Archive::default();
            for path in paths {
                archive.file(path, 0o644, b"");
            }
            archive.encode().unwrap()
        };
        assert_eq!(bytes(["a/b", "c"]), bytes(["c", "a/b"]));
    }
}
