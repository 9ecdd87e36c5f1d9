//! A layout as something to read: a directory, or a tar of one. Nothing is believed unchecked.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bedplate_contract::{Digest, oci};
use oci_spec::image::{Descriptor, ImageIndex};
use serde::de::DeserializeOwned;

use super::OciError;
use crate::stream::Hashing;

/// Most bytes of an index or manifest: those of a tree with many bundles too.
const MOST: usize = oci::MAX_DOCUMENT;

/// A layout to read.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Directory,
    /// A tar, and where each of its files lies: first byte and length.
    Archive {
        file: File,
        places: BTreeMap<String, (u64, u64)>,
    },
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Layout {
    /// Opens the layout at `path`: a directory, or a tar.
    ///
    /// # Errors
    /// There is nothing, or something else.
    pub fn open(path: &Path) -> Result<Self, OciError> {
        let source = match path.is_dir() {
            true => Source::Directory,
            false => open_archive(path).map_err(|error| OciError::read(path, error))?,
        };
        let layout = Self {
            path: path.to_owned(),
            source,
        };
        match layout.has(oci::INDEX) {
            true => Ok(layout),
            false => Err(layout.without(oci::INDEX)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    ///
    /// # Errors
    /// The index cannot be read or understood.
    pub fn index(&self) -> Result<ImageIndex, OciError> {
        let mut bytes = Vec::new();
        let mut file = self.file(oci::INDEX)?.take(MOST as u64);
        let read = file.read_to_end(&mut bytes);
        read.map_err(|error| OciError::read(&self.path.join(oci::INDEX), error))?;
        serde_json::from_slice(&bytes).map_err(|error| OciError::document("index", error))
    }

    /// A document of the layout, checked and understood.
    ///
    /// # Errors
    /// As [`Self::bytes`]; other JSON.
    pub fn document<T: DeserializeOwned>(
        &self,
        what: &'static str,
        of: &Descriptor,
    ) -> Result<T, OciError> {
        let bytes = self.bytes(of, MOST)?;
        serde_json::from_slice(&bytes).map_err(|error| OciError::document(what, error))
    }

    /// The bytes of a blob, checked, if they are at most `most`.
    ///
    /// # Errors
    /// As [`Self::copy`]; a longer blob.
    pub fn bytes(&self, of: &Descriptor, most: usize) -> Result<Vec<u8>, OciError> {
        let digest = super::digest(of)?;
        if of.size() > most as u64 {
            let found = of.size();
            return Err(OciError::TooLong {
                digest,
                most,
                found,
            });
        }
        let mut bytes = Vec::new();
        self.copy(&digest, of.size(), &mut bytes)?;
        Ok(bytes)
    }

    /// Copies a blob to `to`; only after a success are the bytes there the blob's.
    ///
    /// # Errors
    /// The blob is not there, has another size or digest, or `to` takes no more.
    pub fn copy(&self, digest: &Digest, size: u64, to: &mut impl Write) -> Result<(), OciError> {
        let name = oci::blob(digest);
        let failed = |error| OciError::read(&self.path.join(&name), error);
        let mut checked = Hashing::new(to);
        // One more byte than expected is enough to know that there are too many.
        let mut file = self.file(&name)?.take(size.saturating_add(1));
        io::copy(&mut file, &mut checked).map_err(failed)?;
        let (found, found_size) = checked.finish().map_err(failed)?;
        if found_size != size {
            return Err(OciError::Size {
                digest: *digest,
                expected: size,
                found: found_size,
            });
        }
        match found == *digest {
            true => Ok(()),
            false => Err(OciError::Damaged {
                expected: *digest,
                found,
                found_size,
            }),
        }
    }

    /// Opens a blob to read in pieces; whoever does checks it.
    ///
    /// # Errors
    /// It is not there.
    pub fn open_blob(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, OciError> {
        self.file(&oci::blob(digest))
    }

    fn has(&self, name: &str) -> bool {
        match &self.source {
            Source::Directory => self.path.join(name).is_file(),
            Source::Archive { places, .. } => places.contains_key(name),
        }
    }

    fn file(&self, name: &str) -> Result<Box<dyn Read + '_>, OciError> {
        match &self.source {
            Source::Directory => {
                let path = self.path.join(name);
                match File::open(&path) {
                    Ok(file) => Ok(Box::new(file)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        Err(self.without(name))
                    }
                    Err(error) => Err(OciError::read(&path, error)),
                }
            }
            Source::Archive { file, places } => match places.get(name) {
                Some(&(at, size)) => Ok(Box::new(Section {
                    file,
                    at,
                    end: at.saturating_add(size),
                })),
                None => Err(self.without(name)),
            },
        }
    }

    fn without(&self, missing: &str) -> OciError {
        OciError::NoLayout {
            path: self.path.clone(),
            missing: missing.to_owned(),
        }
    }
}

/// Notes where the files of a tar lie; their bytes are passed over.
fn open_archive(path: &Path) -> io::Result<Source> {
    let file = File::open(path)?;
    let mut places = BTreeMap::new();
    let mut archive = tar::Archive::new(&file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let name = name.trim_start_matches("./").to_owned();
        places.insert(name, (entry.raw_file_position(), entry.size()));
    }
    Ok(Source::Archive { file, places })
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use oci_spec::image::MediaType;

    use super::*;
    use crate::oci::{LayoutDirectory, write_archive};

    fn layout(directory: &Path) -> (LayoutDirectory, Descriptor) {
        let layout = LayoutDirectory::create(directory).unwrap();
        let kind = MediaType::Other("application/test".to_owned());
        let blob = layout.put(kind, b"\"blob\"").unwrap();
        layout.save_index(vec![blob.clone()]).unwrap();
        (layout, blob)
    }

    #[test]
    fn a_directory_and_its_tar_read_alike() {
        let directory = tempfile::tempdir().unwrap();
        let [tree, tar] = ["tree", "tree.tar"].map(|name| directory.path().join(name));
        let (_, blob) = layout(&tree);
        write_archive(&Layout::open(&tree).unwrap(), &[&blob], &tar).unwrap();
        for path in [tree, tar] {
            let layout = Layout::open(&path).unwrap();
            assert_eq!(layout.index().unwrap().manifests(), &vec![blob.clone()]);
            let text: String = layout.document("text", &blob).unwrap();
            assert_eq!(text, "blob");
        }
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (written, blob) = layout(directory.path());
        let path = written.blob(&super::super::digest(&blob).unwrap());
        let layout = Layout::open(directory.path()).unwrap();
        for (bytes, words) in [
            ("\"bolb\"", "is damaged: its 6 bytes have digest"),
            ("\"blob", "is damaged: expected 6 bytes, found 5"),
            ("\"blob\" and more", "is damaged: expected 6 bytes, found 7"),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = layout.bytes(&blob, 100).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(matches!(
            layout.bytes(&blob, 5),
            Err(OciError::TooLong { .. })
        ));
        fs::remove_file(&path).unwrap();
        let error = layout.bytes(&blob, 100).unwrap_err().to_string();
        assert!(error.contains("found no `blobs/sha256/"), "{error}");
    }

    #[test]
    fn other_places_are_no_layouts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "text").unwrap();
        for path in [directory.path(), &file, Path::new("/nowhere")] {
            assert!(Layout::open(path).is_err(), "{}", path.display());
        }
    }
}
