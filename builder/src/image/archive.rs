//! An overlay's upper directory as a tar archive.
//!
//! Entries are sorted by path, hard links point to the first path of their file, overlay whiteouts
//! become `.wh.` files (OCI image-spec, layer, "Whiteouts"). Times come from the tree, which is
//! normalised already.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, BufWriter, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use bedplate_contract::Digest;
use tar::{Builder, EntryType, Header};

use super::ImageError;
use crate::stream::Hashing;

/// The one attribute that a file needs to work elsewhere.
const CAPABILITY: &str = "security.capability";
/// Marks of an opaque directory, as root and in a user namespace (kernel, overlayfs.rst).
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];
/// Prefix of a deleted name.
const WHITEOUT: &str = ".wh.";
/// Name that hides all of a lower directory.
const OPAQUE_WHITEOUT: &str = ".wh..wh..opq";

/// Archives the directory `tree` to the file `to`; returns the digest of the archive.
pub fn write(tree: &Path, to: &Path) -> Result<Digest, ImageError> {
    let file = File::create(to).map_err(|source| ImageError::write(to, source))?;
    let mut archive = Archive {
        tree,
        builder: Builder::new(Hashing::new(BufWriter::new(file))),
        first_links: BTreeMap::new(),
    };
    archive.directory(Path::new(""))?;
    let finished = archive.builder.into_inner().and_then(Hashing::finish);
    finished
        .map(|(digest, _)| digest)
        .map_err(|source| ImageError::write(to, source))
}

struct Archive<'a, W: Write> {
    tree: &'a Path,
    builder: Builder<W>,
    /// Inode → first path, for files with several names.
    first_links: BTreeMap<u64, PathBuf>,
}

impl<W: Write> Archive<'_, W> {
    /// Appends what is in the directory `path`, relative to the tree.
    fn directory(&mut self, path: &Path) -> Result<(), ImageError> {
        let full = self.tree.join(path);
        let read = || -> io::Result<Vec<PathBuf>> {
            fs::read_dir(&full)?
                .map(|entry| Ok(path.join(entry?.file_name())))
                .collect()
        };
        let mut children = read().map_err(|source| ImageError::archive(&full, source))?;
        children.sort();
        for child in children {
            self.entry(&child)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path) -> Result<(), ImageError> {
        let full = self.tree.join(path);
        let failed = |source| ImageError::archive(&full, source);
        let metadata = fs::symlink_metadata(&full).map_err(failed)?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.opened_directory(path, &metadata).map_err(failed)?;
            return self.directory(path);
        }
        let appended = if kind.is_symlink() {
            self.symlink(path, &metadata)
        } else if kind.is_file() {
            self.file(path, &metadata)
        } else if kind.is_char_device() && metadata.rdev() == 0 {
            self.whiteout(path)
        } else {
            // Sockets and pipes of the build mean nothing in an image.
            Ok(())
        };
        appended.map_err(failed)
    }

    fn opened_directory(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        let mut header = header(metadata, EntryType::Directory);
        self.builder
            .append_data(&mut header, with_slash(path), io::empty())?;
        match OPAQUE
            .iter()
            .any(|name| attribute(&self.tree.join(path), name).is_some())
        {
            true => self.empty(&path.join(OPAQUE_WHITEOUT)),
            false => Ok(()),
        }
    }

    fn symlink(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        let target = fs::read_link(self.tree.join(path))?;
        let mut header = header(metadata, EntryType::Symlink);
        self.builder.append_link(&mut header, path, target)
    }

    fn file(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        if metadata.nlink() > 1 {
            if let Some(first) = self.first_links.get(&metadata.ino()) {
                let mut header = header(metadata, EntryType::Link);
                return self.builder.append_link(&mut header, path, first);
            }
            self.first_links.insert(metadata.ino(), path.to_owned());
        }
        let full = self.tree.join(path);
        if let Some(capability) = attribute(&full, CAPABILITY) {
            let key = format!("SCHILY.xattr.{CAPABILITY}");
            self.builder
                .append_pax_extensions([(key.as_str(), capability.as_slice())])?;
        }
        let mut header = header(metadata, EntryType::Regular);
        header.set_size(metadata.len());
        self.builder
            .append_data(&mut header, path, File::open(full)?)
    }

    fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        let mut name = std::ffi::OsString::from(WHITEOUT);
        name.push(path.file_name().unwrap_or_default());
        self.empty(&path.with_file_name(name))
    }

    fn empty(&mut self, path: &Path) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(crate::layer::EPOCH.unsigned_abs());
        header.set_size(0);
        self.builder.append_data(&mut header, path, io::empty())
    }
}

fn header(metadata: &Metadata, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_uid(metadata.uid().into());
    header.set_gid(metadata.gid().into());
    header.set_mtime(metadata.mtime().max(0).unsigned_abs());
    header.set_size(0);
    header
}

/// Directories end in `/`, which every reader of tar expects.
fn with_slash(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if !name.as_bytes().ends_with(b"/") {
        name.push("/");
    }
    PathBuf::from(name)
}

/// An extended attribute; `None` when it is not set or the file system has none.
fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    // A capability takes 24 bytes at most, a mark one (xattr(7), capabilities(7)).
    let mut value = [0_u8; 64];
    let length = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
    value.get(..length).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn listing(archive: &Path) -> Vec<String> {
        let mut archive = tar::Archive::new(File::open(archive).unwrap());
        let line = |entry: tar::Entry<'_, File>| {
            let link = entry
                .link_name()
                .unwrap()
                .map_or(String::new(), |to| format!(" -> {}", to.display()));
            format!("{}{link}", entry.path().unwrap().display())
        };
        archive
            .entries()
            .unwrap()
            .map(|entry| line(entry.unwrap()))
            .collect()
    }

    #[test]
    fn entries_are_sorted_and_links_kept() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("usr/bin")).unwrap();
        fs::write(tree.join("usr/bin/b"), "b").unwrap();
        fs::hard_link(tree.join("usr/bin/b"), tree.join("usr/bin/a")).unwrap();
        symlink("usr/bin", tree.join("bin")).unwrap();
        let long = format!("usr/{}", "x".repeat(180));
        fs::write(tree.join(&long), "").unwrap();
        let to = dir.path().join("layer.tar");
        let digest = write(&tree, &to).unwrap();
        assert_eq!(digest, Digest::of(&fs::read(&to).unwrap()));
        let expected = [
            "bin -> usr/bin",
            "usr/",
            "usr/bin/",
            "usr/bin/a",
            "usr/bin/b -> usr/bin/a",
            &long,
        ];
        assert_eq!(listing(&to), expected);
        assert_eq!(write(&tree, &dir.path().join("again.tar")).unwrap(), digest);
    }
}
