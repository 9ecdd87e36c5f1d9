//! An OCI layout as one uncompressed tar file, which tools call an `oci-archive`.
//!
//! The bytes follow from the content alone. A host reads the file as it is, also from the raw bytes
//! of a disk or stick: what follows the end of the archive does not matter.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use bedplate_contract::oci;
use tar::{Builder, EntryType, Header};

use super::ImageError;

/// Marks a directory as a layout (OCI image-spec, image-layout).
const LAYOUT: &str = "oci-layout";

/// Archives the layout in the directory `layout` to the file `to`.
///
/// The index comes first: a reader knows what it wants before it meets the content.
///
/// # Errors
/// A file of the layout that cannot be read, or an archive that cannot be written.
pub fn write(layout: &Path, to: &Path) -> Result<(), ImageError> {
    let file = File::create(to).map_err(|source| ImageError::write(to, source))?;
    let mut builder = Builder::new(BufWriter::new(file));
    for path in files(layout)? {
        let full = layout.join(&path);
        append(&mut builder, &full, &path).map_err(|source| ImageError::archive(&full, source))?;
    }
    let finished = builder
        .into_inner()
        .and_then(|buffer| Ok(buffer.into_inner()?));
    finished
        .map(drop)
        .map_err(|source| ImageError::write(to, source))
}

/// The files of a layout, relative to it, in the order of the archive.
fn files(layout: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let blobs = layout.join(oci::BLOBS);
    let names = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&blobs)?;
        entries
            .map(|entry| Ok(Path::new(oci::BLOBS).join(entry?.file_name())))
            .collect()
    };
    let mut names = names().map_err(|source| ImageError::archive(&blobs, source))?;
    names.sort();
    let documents = [LAYOUT, oci::INDEX].map(PathBuf::from);
    Ok(documents.into_iter().chain(names).collect())
}

fn append(builder: &mut Builder<impl io::Write>, full: &Path, path: &Path) -> io::Result<()> {
    let file = File::open(full)?;
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(crate::layer::EPOCH.unsigned_abs());
    header.set_size(file.metadata()?.len());
    builder.append_data(&mut header, path, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(directory: &Path) {
        fs::create_dir_all(directory.join(oci::BLOBS)).unwrap();
        for (name, text) in [
            ("oci-layout", "{}"),
            ("index.json", "index"),
            ("blobs/sha256/bb", "second"),
            ("blobs/sha256/aa", "first"),
            ("sign-request.json", "no part of a layout"),
        ] {
            fs::write(directory.join(name), text).unwrap();
        }
    }

    #[test]
    fn the_archive_follows_from_the_content() {
        let directory = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| {
            let tree = directory.path().join(name);
            layout(&tree);
            let to = directory.path().join(format!("{name}.tar"));
            write(&tree, &to).unwrap();
            fs::read(to).unwrap()
        });
        assert!(one == two && one.len().is_multiple_of(512));
        let mut archive = tar::Archive::new(&one[..]);
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned())
            .collect();
        let expected = [
            "oci-layout",
            "index.json",
            "blobs/sha256/aa",
            "blobs/sha256/bb",
        ];
        assert_eq!(names, expected.map(PathBuf::from));
    }

    #[test]
    fn a_directory_that_is_no_layout_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = write(directory.path(), &directory.path().join("x.tar")).unwrap_err();
        assert!(error.to_string().contains("blobs"), "{error}");
    }
}
