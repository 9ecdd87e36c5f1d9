//! A layout in a directory, in a tar file, or on a block device that a tar file was written to.

use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::{FileExt, FileTypeExt},
    path::{Path, PathBuf},
};

use bedplate_contract::{Digest, oci};

use super::{Extent, Members, Source, SourceError};

/// A layout that lies on this machine.
#[derive(Debug)]
pub struct Local {
    place: Place,
    reading: Option<Reading>,
}

#[derive(Debug)]
enum Place {
    Directory(PathBuf),
    Archive(File, Members),
}

#[derive(Debug)]
struct Reading {
    path: String,
    file: File,
    at: u64,
    end: u64,
}

impl Local {
    /// Opens the layout at `path`; of an archive the headers are read.
    ///
    /// # Errors
    /// [`SourceError::Open`], [`SourceError::Kind`], [`SourceError::Archive`].
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        let failed = |source| SourceError::Open {
            name: path.display().to_string(),
            source,
        };
        let kind = fs::metadata(path).map_err(failed)?.file_type();
        let place = if kind.is_dir() {
            Place::Directory(path.to_owned())
        } else if kind.is_file() || kind.is_block_device() {
            let mut file = File::open(path).map_err(failed)?;
            let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
            let members = Members::read(&mut file, length);
            let members = members.map_err(|source| SourceError::Archive { name, source })?;
            Place::Archive(file, members)
        } else {
            // A pipe would keep the reader waiting for ever.
            return Err(SourceError::Kind(name));
        };
        Ok(Self {
            place,
            reading: None,
        })
    }

    fn find(&self, path: &str) -> Result<(File, Extent), SourceError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => SourceError::Missing(path.to_owned()),
            _ => read_error(path, source),
        };
        match &self.place {
            Place::Directory(root) => open_file(&root.join(path)).map_err(failed),
            Place::Archive(file, members) => {
                let extent = members.get(path);
                let extent = extent.ok_or_else(|| SourceError::Missing(path.to_owned()))?;
                Ok((file.try_clone().map_err(failed)?, extent))
            }
        }
    }
}

fn open_file(path: &Path) -> io::Result<(File, Extent)> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("expected a file"));
    }
    let extent = Extent {
        offset: 0,
        size: metadata.len(),
    };
    Ok((File::open(path)?, extent))
}

fn read_error(path: &str, source: io::Error) -> SourceError {
    let path = path.to_owned();
    SourceError::Read { path, source }
}

impl Source for Local {
    fn document(&mut self, path: &str, most: usize) -> Result<Vec<u8>, SourceError> {
        let (file, extent) = self.find(path)?;
        let size = usize::try_from(extent.size).unwrap_or(usize::MAX);
        if size > most {
            let path = path.to_owned();
            return Err(SourceError::TooLong { path, most });
        }
        let mut bytes = vec![0; size];
        let read = file.read_exact_at(&mut bytes, extent.offset);
        read.map_err(|source| read_error(path, source))?;
        Ok(bytes)
    }

    fn open(&mut self, blob: &Digest, range: Range<u64>) -> Result<(), SourceError> {
        let path = oci::blob(blob);
        let (file, extent) = self.find(&path)?;
        let expected = range.end;
        if expected > extent.size {
            return Err(SourceError::Short { path, expected });
        }
        self.reading = Some(Reading {
            path,
            file,
            at: extent.offset.saturating_add(range.start),
            end: extent.offset.saturating_add(range.end),
        });
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), SourceError> {
        let reading = self.reading.as_mut();
        let reading = reading.ok_or_else(|| SourceError::Missing("open blob".to_owned()))?;
        let after = reading.at.saturating_add(buffer.len() as u64);
        if after > reading.end {
            return Err(SourceError::Short {
                path: reading.path.clone(),
                expected: after,
            });
        }
        let read = reading.file.read_exact_at(buffer, reading.at);
        read.map_err(|source| read_error(&reading.path, source))?;
        reading.at = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::whole;
    use bedplate_contract::bundle::Content;

    const BLOB: &[u8] = b"some bytes of a blob";

    fn content() -> Content {
        Content {
            digest: Digest::of(BLOB),
            size: BLOB.len() as u64,
        }
    }

    fn layout() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(oci::BLOBS)).unwrap();
        fs::write(root.path().join(oci::INDEX), "{}").unwrap();
        fs::write(root.path().join(oci::blob(&content().digest)), BLOB).unwrap();
        root
    }

    /// The layout as a file with zeros behind it, as a stick has them.
    fn archive(root: &Path) -> PathBuf {
        let path = root.join("layout.tar");
        let mut builder = tar::Builder::new(File::create(&path).unwrap());
        builder.append_dir_all("blobs", root.join("blobs")).unwrap();
        builder
            .append_path_with_name(root.join(oci::INDEX), "./index.json")
            .unwrap();
        let file = builder.into_inner().unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length + (1 << 20)).unwrap();
        path
    }

    fn both() -> (tempfile::TempDir, [Local; 2]) {
        let root = layout();
        let archive = archive(root.path());
        let sources = [root.path(), &archive].map(|path| Local::open(path).unwrap());
        (root, sources)
    }

    #[test]
    fn a_directory_and_an_archive_give_the_same() {
        let (_root, sources) = both();
        for mut source in sources {
            assert_eq!(source.document(oci::INDEX, 2).unwrap(), b"{}");
            assert_eq!(whole(&mut source, &content(), 100).unwrap(), BLOB);
            source.open(&content().digest, 5..10).unwrap();
            let mut bytes = [0; 3];
            source.read(&mut bytes).unwrap();
            assert_eq!(bytes, BLOB[5..8]);
            source.read(&mut bytes[..2]).unwrap();
            assert_eq!(bytes[..2], BLOB[8..10]);
            let error = source.read(&mut bytes).unwrap_err();
            assert!(matches!(error, SourceError::Short { .. }), "{error}");
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (_root, sources) = both();
        for mut source in sources {
            let other = Digest::of(b"other");
            let missing = |error| matches!(error, SourceError::Missing(_));
            assert!(missing(source.document("a", 1).unwrap_err()));
            assert!(missing(source.open(&other, 0..1).unwrap_err()));
            let long = source.document(oci::INDEX, 1).unwrap_err();
            assert!(matches!(long, SourceError::TooLong { .. }));
            let long = whole(&mut source, &content(), 3).unwrap_err();
            assert!(matches!(long, SourceError::TooLong { .. }));
            let more = Content {
                size: 21,
                ..content()
            };
            let short = whole(&mut source, &more, 100).unwrap_err();
            assert!(matches!(short, SourceError::Short { .. }));
        }
        assert!(matches!(
            Local::open(Path::new("/dev/null")),
            Err(SourceError::Kind(_))
        ));
        assert!(matches!(
            Local::open(Path::new("/no/such")),
            Err(SourceError::Open { .. })
        ));
    }

    #[test]
    fn changed_bytes_are_noticed() {
        let (root, _) = both();
        let path = root.path().join(oci::blob(&content().digest));
        fs::write(path, [b'x'; BLOB.len()]).unwrap();
        let mut source = Local::open(root.path()).unwrap();
        let error = whole(&mut source, &content(), 100).unwrap_err();
        assert!(matches!(error, SourceError::Digest { .. }));
    }
}
