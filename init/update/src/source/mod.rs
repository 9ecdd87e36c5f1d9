//! Where bundles come from: a layout in a directory, in a tar file or on a block device, on a server.
//!
//! A source gives bytes and vouches for none of them: documents are bounded, blobs are read in the
//! ranges that their reader asks for, and the reader checks digests.

mod http;
mod local;
mod members;
mod tls;

use std::{io, ops::Range, path::Path};

use bedplate_contract::{Digest, bundle::Content, oci};

pub use http::{Http, Patience};
pub use local::Local;
pub use members::{Extent, Members, MembersError};

/// Something that has a layout.
pub trait Source: Send {
    /// The document at `path` of the layout, of at most `most` bytes.
    ///
    /// # Errors
    /// Any [`SourceError`].
    fn document(&mut self, path: &str, most: usize) -> Result<Vec<u8>, SourceError>;

    /// Makes [`Source::read`] begin at the first byte of `range` of the blob.
    ///
    /// # Errors
    /// Any [`SourceError`].
    fn open(&mut self, blob: &Digest, range: Range<u64>) -> Result<(), SourceError>;

    /// Fills `buffer` with the next bytes of the open range.
    ///
    /// # Errors
    /// Any [`SourceError`]; [`SourceError::Short`] past the end of the range too.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), SourceError>;
}

/// A source that does not give what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A directory, file or device that cannot be used.
    #[error("opening the source `{name}`")]
    Open {
        /// As it was named.
        name: String,
        /// Cause.
        source: io::Error,
    },
    /// Neither directory, file nor block device.
    #[error("expected a directory, a file, a block device or a URL, found `{0}`")]
    Kind(String),
    /// A file that is no tar archive of a layout.
    #[error("reading the archive `{name}`")]
    Archive {
        /// As it was named.
        name: String,
        /// Cause.
        source: MembersError,
    },
    /// No such file in the layout.
    #[error("the source has no `{0}`")]
    Missing(String),
    /// More bytes than are read.
    #[error("expected `{path}` of at most {most} bytes, found more")]
    TooLong {
        /// Path in the layout.
        path: String,
        /// Bytes that are read.
        most: usize,
    },
    /// Fewer bytes than were promised.
    #[error("`{path}` ends before its byte {expected}")]
    Short {
        /// Path in the layout.
        path: String,
        /// Bytes that were promised.
        expected: u64,
    },
    /// Reading failed.
    #[error("reading `{path}`")]
    Read {
        /// Path in the layout.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// A URL that is none.
    #[error("expected a URL such as `https://host/path`, found `{0}`")]
    Url(String),
    /// The server says no.
    #[error("fetching `{url}`: the server answers {status}")]
    Status {
        /// URL.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// No connection, and none that another attempt could bring: a certificate that nobody vouches
    /// for, redirects without end.
    #[error("fetching `{url}`")]
    Connection {
        /// URL.
        url: String,
        /// Cause.
        source: Box<ureq::Error>,
    },
    /// The server did not give it, as often as was tried.
    #[error("fetching `{url}`: given up after {attempts} attempts without a byte")]
    GivenUp {
        /// URL.
        url: String,
        /// How often it was tried in a row.
        attempts: u32,
        /// The last cause.
        source: Box<ureq::Error>,
    },
    /// The whole took too long.
    #[error("fetching `{url}`: not done within {} min", .seconds / 60)]
    Deadline {
        /// URL.
        url: String,
        /// Seconds that all fetches of a source together may take.
        seconds: u64,
    },
    /// Other bytes than were promised.
    #[error("expected {expected}, found {found}: the source is damaged or was changed")]
    Digest {
        /// Digest that was promised.
        expected: Digest,
        /// Digest of what came.
        found: Digest,
    },
}

/// The source that `name` stands for: a URL, or a path.
///
/// # Errors
/// Any [`SourceError`]; of a server nothing is asked yet.
pub fn open(name: &str) -> Result<Box<dyn Source>, SourceError> {
    if name.starts_with("http://") || name.starts_with("https://") {
        return Ok(Box::new(Http::new(name, Patience::default())?));
    }
    Ok(Box::new(Local::open(Path::new(name))?))
}

/// The whole blob `content`, of at most `most` bytes, with its digest checked.
///
/// # Errors
/// Any [`SourceError`].
pub fn whole(
    source: &mut dyn Source,
    content: &Content,
    most: usize,
) -> Result<Vec<u8>, SourceError> {
    let path = oci::blob(&content.digest);
    let size = usize::try_from(content.size).unwrap_or(usize::MAX);
    if size > most {
        return Err(SourceError::TooLong { path, most });
    }
    let mut bytes = vec![0; size];
    source.open(&content.digest, 0..content.size)?;
    source.read(&mut bytes)?;
    check(&bytes, &content.digest)?;
    Ok(bytes)
}

/// Checks that `bytes` are what `expected` names.
///
/// # Errors
/// [`SourceError::Digest`].
pub fn check(bytes: &[u8], expected: &Digest) -> Result<(), SourceError> {
    let found = Digest::of(bytes);
    let expected = *expected;
    match found == expected {
        true => Ok(()),
        false => Err(SourceError::Digest { expected, found }),
    }
}
