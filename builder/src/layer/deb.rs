//! A .deb file: an `ar` archive of `debian-binary`, `control.tar*` and `data.tar*`.
//!
//! Source: deb(5), deb-control(5). Gives the two tar streams, decompressed; what they hold is for
//! [`super::extract`].

use std::{
    fs,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Magic of an `ar` archive.
const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Size of an `ar` member header.
const HEADER: usize = 60;
/// Bytes a control archive may unpack to: the largest in Debian has under 10 MiB.
const CONTROL_LIMIT: u64 = 64 << 20;

/// A .deb that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the package `{}`", path.display())]
pub struct DebError {
    path: PathBuf,
    #[source]
    source: DebFault,
}

/// What is wrong with a .deb.
#[derive(Debug, thiserror::Error)]
pub enum DebFault {
    /// The file cannot be read.
    #[error("cannot read the file")]
    Read(#[from] io::Error),
    /// No `ar` archive.
    #[error("expected an `ar` archive, found other bytes at offset {offset}")]
    NotAr {
        /// Offset of the first byte that does not fit.
        offset: u64,
    },
    /// A member is absent.
    #[error("expected a member `{0}`, found none")]
    Missing(&'static str),
    /// The format version is not 2.
    #[error("expected format version 2.x, found `{0}`")]
    Version(String),
    /// A compression that deb(5) does not know.
    #[error("expected .xz, .zst, .gz or no compression, found the member `{0}`")]
    Compression(String),
    /// The control archive has no `control` file, or one that is no text.
    #[error("expected a `control` file in the control archive, found none")]
    NoControl,
}

/// One member of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    offset: u64,
    size: u64,
}

/// An opened .deb.
#[derive(Debug)]
pub struct Deb {
    path: PathBuf,
    members: Vec<Member>,
}

impl Deb {
    /// Opens the package at `path` and reads its table of members.
    ///
    /// # Errors
    /// No `ar` archive, or a format version other than 2.
    pub fn open(path: &Path) -> Result<Self, DebError> {
        let read = || -> Result<Self, DebFault> {
            let mut file = BufReader::new(open(path)?);
            let members = read_members(&mut file)?;
            let deb = Self {
                path: path.to_owned(),
                members,
            };
            deb.check_version()?;
            Ok(deb)
        };
        read().map_err(|source| fail(path, source))
    }

    /// The path it was opened at.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The decompressed tar stream of the files.
    ///
    /// # Errors
    /// No such member, or an unknown compression.
    pub fn data(&self) -> Result<Box<dyn Read + Send>, DebError> {
        self.stream("data.tar")
            .map_err(|source| fail(&self.path, source))
    }

    /// The text of the `control` file.
    ///
    /// # Errors
    /// No control archive, or no such file in it.
    pub fn control(&self) -> Result<String, DebError> {
        self.read_control()
            .map_err(|source| fail(&self.path, source))
    }

    fn read_control(&self) -> Result<String, DebFault> {
        let stream = self.stream("control.tar")?.take(CONTROL_LIMIT);
        let mut archive = tar::Archive::new(stream);
        for entry in archive.entries()? {
            let mut entry = entry?;
            if is_control(&entry.path_bytes()) {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                return Ok(text);
            }
        }
        Err(DebFault::NoControl)
    }

    fn check_version(&self) -> Result<(), DebFault> {
        let mut text = String::new();
        self.open_member("debian-binary")?
            .take(16)
            .read_to_string(&mut text)?;
        match text.starts_with("2.") {
            true => Ok(()),
            false => Err(DebFault::Version(text.trim_end().to_owned())),
        }
    }

    fn stream(&self, stem: &'static str) -> Result<Box<dyn Read + Send>, DebFault> {
        let member = self.find(stem)?;
        let bytes = BufReader::with_capacity(1 << 18, self.open_at(member)?);
        Ok(match &member.name[stem.len()..] {
            "" => Box::new(bytes),
            ".xz" => Box::new(liblzma::read::XzDecoder::new_multi_decoder(bytes)),
            ".zst" => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
            ".gz" => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
            _ => return Err(DebFault::Compression(member.name.clone())),
        })
    }

    fn open_member(&self, name: &'static str) -> Result<io::Take<fs::File>, DebFault> {
        Ok(self.open_at(self.find(name)?)?)
    }

    fn open_at(&self, member: &Member) -> io::Result<io::Take<fs::File>> {
        let mut file = open(&self.path)?;
        file.seek(SeekFrom::Start(member.offset))?;
        Ok(file.take(member.size))
    }

    fn find(&self, stem: &'static str) -> Result<&Member, DebFault> {
        let fits = |member: &&Member| {
            let rest = member.name.strip_prefix(stem);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.members
            .iter()
            .find(fits)
            .ok_or(DebFault::Missing(stem))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a blob of the store, not a file of a root"
)]
fn open(path: &Path) -> io::Result<fs::File> {
    fs::File::open(path)
}

fn is_control(path: &[u8]) -> bool {
    path.strip_prefix(b"./").unwrap_or(path) == b"control"
}

fn read_members(file: &mut (impl Read + Seek)) -> Result<Vec<Member>, DebFault> {
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(DebFault::NotAr { offset: 0 });
    }
    let mut members = Vec::new();
    let mut header = [0; HEADER];
    let mut offset = MAGIC.len() as u64;
    while read_header(file, &mut header)? {
        let (name, size) = parse_header(&header).ok_or(DebFault::NotAr { offset })?;
        offset += HEADER as u64;
        members.push(Member { name, offset, size });
        // Members start at even offsets. The size has ten digits at most, so nothing overflows.
        offset += size.next_multiple_of(2);
        file.seek(SeekFrom::Start(offset))?;
    }
    Ok(members)
}

/// Reads one header; `false` at the end of the archive.
fn read_header(file: &mut impl Read, header: &mut [u8; HEADER]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < HEADER {
        match file.read(&mut header[filled..])? {
            0 if filled == 0 => return Ok(false),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(true)
}

/// Name and size: bytes 0..16 and 48..58, padded with spaces; the header ends in a fixed pair.
fn parse_header(header: &[u8; HEADER]) -> Option<(String, u64)> {
    let text = std::str::from_utf8(header).ok()?;
    let name = text.get(..16)?.trim_end().trim_end_matches('/');
    let size = text.get(48..58)?.trim_end().parse().ok()?;
    text.ends_with("`\n").then(|| (name.to_owned(), size))
}

fn fail(path: &Path, source: DebFault) -> DebError {
    DebError {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, size: &str, end: &str) -> [u8; HEADER] {
        let text = format!("{name:<16}{:<32}{size:<10}{end}", "0");
        text.as_bytes().try_into().unwrap()
    }

    #[test]
    fn headers() {
        for (name, size, end, wanted) in [
            ("data.tar.xz", "12", "`\n", Some(("data.tar.xz", 12))),
            ("data.tar/", "0", "`\n", Some(("data.tar", 0))),
            ("x", "12", "xx", None),
            ("x", "-1", "`\n", None),
            ("x", "", "`\n", None),
        ] {
            let found = parse_header(&header(name, size, end));
            assert_eq!(found, wanted.map(|(name, size)| (name.to_owned(), size)));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [
            &b""[..],
            b"!<arch",
            b"PK\x03\x04aaaaaaaa",
            b"!<arch>\nshort",
        ] {
            assert!(read_members(&mut io::Cursor::new(bytes)).is_err());
        }
    }
}
