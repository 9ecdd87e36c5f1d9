//! The members of a tar archive, found in one pass over its headers.
//!
//! Only regular files of a layout's names are kept. Long names and other records of PAX and GNU are
//! passed over unread: what they could rename or resize is not found, or fails its digest.
//!
//! Source: POSIX.1-1988 (ustar); a block of zeros ends the archive, whatever follows on a device.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom},
};

use bedplate_contract::oci;
use tar::{EntryType, Header};

/// Bytes of a header; members are padded to a multiple of it.
const BLOCK: usize = 512;
/// Most headers that are read: hundreds of bundles in one archive.
pub const MAX_MEMBERS: usize = 16_384;

/// Where a member's bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// The files of a layout in an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(BTreeMap<String, Extent>);

/// Bytes that are no archive.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// Reading.
    #[error("reading the header at byte {at}")]
    Read {
        /// Where.
        at: u64,
        /// Cause.
        source: io::Error,
    },
    /// No header.
    #[error("expected the header of a tar archive at byte {at}, found something else")]
    Header {
        /// Where.
        at: u64,
    },
    /// A member that goes on past the end.
    #[error("the archive is cut short: the member at byte {at} ends past byte {length}")]
    Short {
        /// Where its header is.
        at: u64,
        /// Bytes of the archive.
        length: u64,
    },
    /// Too many members.
    #[error("expected at most {MAX_MEMBERS} members in the archive, found more")]
    TooMany,
}

impl Members {
    /// Reads the headers of `archive`, which has `length` bytes.
    ///
    /// # Errors
    /// Any [`MembersError`].
    pub fn read(archive: &mut (impl Read + Seek), length: u64) -> Result<Self, MembersError> {
        let mut members = Self::default();
        let mut at = 0;
        for _ in 0..MAX_MEMBERS {
            // Archives are written with their closing blocks; one without is whole all the same.
            if at == length {
                return Ok(members);
            }
            let Some(header) = read_header(archive, at)? else {
                return Ok(members);
            };
            at = members.take(&header, at, length)?;
        }
        Err(MembersError::TooMany)
    }

    /// Where the file `path` of the layout lies.
    pub fn get(&self, path: &str) -> Option<Extent> {
        self.0.get(path).copied()
    }

    /// All of them.
    pub fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.0.values().copied()
    }

    /// Keeps the member whose header is at `at`, if it is a layout's; returns where the next is.
    fn take(&mut self, header: &Header, at: u64, length: u64) -> Result<u64, MembersError> {
        let size = header.entry_size();
        let size = size.map_err(|_| MembersError::Header { at })?;
        let offset = at.saturating_add(BLOCK as u64);
        let end = offset.checked_add(size).filter(|end| *end <= length);
        let end = end.ok_or(MembersError::Short { at, length })?;
        let is_file = matches!(header.entry_type(), EntryType::Regular);
        if let Some(name) = layout_name(&header.path_bytes()).filter(|_| is_file) {
            self.0.insert(name, Extent { offset, size });
        }
        // The padding of the last member may be missing.
        let next = end.checked_next_multiple_of(BLOCK as u64);
        Ok(next.unwrap_or(length).min(length))
    }
}

/// The header at `at`; `None` at the end of the archive.
fn read_header(archive: &mut (impl Read + Seek), at: u64) -> Result<Option<Header>, MembersError> {
    let mut header = Header::new_old();
    let found = archive.seek(SeekFrom::Start(at));
    let read = found.and_then(|_| archive.read_exact(header.as_mut_bytes()));
    read.map_err(|source| MembersError::Read { at, source })?;
    if header.as_bytes().iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    match header.cksum().is_ok_and(|sum| sum == checksum(&header)) {
        true => Ok(Some(header)),
        false => Err(MembersError::Header { at }),
    }
}

/// The sum of all bytes, those of the sum itself taken as spaces.
fn checksum(header: &Header) -> u32 {
    let bytes = header.as_bytes().iter().enumerate();
    bytes.fold(0, |sum, (at, byte)| {
        let byte = if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        };
        sum.wrapping_add(u32::from(byte))
    })
}

fn layout_name(path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok()?;
    let path = path.strip_prefix("./").unwrap_or(path);
    let blob = path.strip_prefix(oci::BLOBS).is_some_and(|rest| {
        rest.strip_prefix('/')
            .is_some_and(|name| !name.is_empty() && !name.contains('/'))
    });
    (path == oci::INDEX || blob).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Members, MembersError> {
        Members::read(&mut Cursor::new(bytes), bytes.len() as u64)
    }

    #[test]
    fn the_files_of_a_layout_are_found() {
        let bytes = archive(&[
            ("oci-layout", b"{}"),
            ("blobs/sha256/aa", &[7; 700]),
            ("index.json", b"index"),
            ("blobs/sha512/aa", b"other"),
        ]);
        for bytes in [bytes.clone(), [&bytes[..], &[9; 4096]].concat()] {
            let members = read(&bytes).unwrap();
            assert_eq!(members.extents().count(), 2);
            for (name, content) in [
                ("index.json", &b"index"[..]),
                ("blobs/sha256/aa", &[7; 700]),
            ] {
                let extent = members.get(name).unwrap();
                let range = extent.offset as usize..(extent.offset + extent.size) as usize;
                assert_eq!(&bytes[range], content);
            }
        }
    }

    #[test]
    fn an_archive_without_its_closing_blocks_is_whole() {
        let bytes = archive(&[("index.json", b"index")]);
        for length in [BLOCK + 5, 2 * BLOCK] {
            let members = read(&bytes[..length]).unwrap();
            assert_eq!(members.get("index.json").unwrap().size, 5);
        }
        assert_eq!(read(&[]).unwrap(), Members::default());
    }

    #[test]
    fn other_bytes_are_refused() {
        let bytes = archive(&[("index.json", &[1; 1000])]);
        let short = read(&bytes[..1024]).unwrap_err();
        assert!(matches!(short, MembersError::Short { at: 0, .. }));
        let mut changed = bytes.clone();
        changed[0] ^= 1;
        assert!(matches!(
            read(&changed).unwrap_err(),
            MembersError::Header { at: 0 }
        ));
        assert!(matches!(
            read(&bytes[..100]).unwrap_err(),
            MembersError::Read { at: 0, .. }
        ));
    }

    #[test]
    fn headers_without_end_are_not_followed() {
        let one = archive(&[("a", b"")])[..BLOCK].to_vec();
        let many = one.repeat(MAX_MEMBERS + 1);
        assert!(matches!(read(&many).unwrap_err(), MembersError::TooMany));
    }

    /// A size near the end of the numbers must not wrap to an early place.
    #[test]
    fn a_member_without_end_is_refused() {
        let mut header = Header::new_gnu();
        header.set_path("index.json").unwrap();
        header.set_size(u64::MAX - 600);
        header.set_cksum();
        let error = read(header.as_bytes()).unwrap_err();
        assert!(matches!(error, MembersError::Short { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            if let Ok(members) = read(&bytes) {
                for extent in members.extents() {
                    prop_assert!(extent.offset + extent.size <= bytes.len() as u64);
                }
            }
        }
    }
}
