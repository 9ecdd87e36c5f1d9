//! A repository → the verified text of its `Packages` files.
//!
//! Nothing of a repository is read before its signature holds: `InRelease` by the keyring, each
//! index by the digest in it. Indexes are kept in the store under that digest, so locking again
//! fetches only what changed.

use std::{fs, io::Read, path::Path, time::SystemTime};

use super::{
    ResolveError, Sources,
    download::{DownloadError, Wanted},
    lock::LockedRepository,
    release::{IndexFile, Release},
    signature::Signed,
};
use crate::definition::Repository;

/// An `InRelease` is some 150 KB; nothing sensible is larger than this.
const IN_RELEASE_LIMIT: u64 = 16 << 20;

/// The indexes of one repository.
#[derive(Debug, Clone)]
pub struct Index {
    /// What the lock says about it.
    pub locked: LockedRepository,
    /// The verified `Packages` files.
    pub files: Vec<IndexFile>,
    /// Their text, in the same order.
    pub texts: Vec<String>,
}

/// Reads the indexes of `repository`; a relative keyring is below `directory`.
///
/// # Errors
/// Unsigned, expired, another suite, wrong digest, unreachable, offline.
pub fn load(
    repository: &Repository,
    directory: &Path,
    sources: &Sources,
) -> Result<Index, ResolveError> {
    let subject = format!("{} {}", repository.archive, repository.suite);
    sources.refuse_offline(Some(&subject))?;
    let base = sources.mirrors.url(&repository.archive)?;
    let dists = format!("{base}/dists/{}", repository.suite);
    let signed = in_release(&dists, &subject, sources)?;
    let verifying = Signed {
        subject: &format!("{dists}/InRelease"),
        bytes: &signed,
        keyring: &directory.join(&repository.keyring),
    };
    let text = verifying.verify(&sources.store)?;
    let release = Release::parse(&text, repository, now())?;
    let mut files = Vec::new();
    for component in &repository.components {
        files.extend(release.indexes(component)?);
    }
    let fetched = files.iter().map(|file| fetch_text(&dists, file, sources));
    Ok(Index {
        locked: LockedRepository {
            archive: repository.archive.clone(),
            suite: repository.suite.clone(),
            in_release: sources.store.put_blob(&signed)?,
        },
        texts: fetched.collect::<Result<_, _>>()?,
        files,
    })
}

fn in_release(dists: &str, subject: &str, sources: &Sources) -> Result<Vec<u8>, ResolveError> {
    let url = format!("{dists}/InRelease");
    match sources.downloader.text(&url, IN_RELEASE_LIMIT) {
        Err(DownloadError::Status { url, status: 404 }) => Err(ResolveError::NoRelease {
            subject: subject.to_owned(),
            url,
        }),
        other => Ok(other?),
    }
}

fn fetch_text(dists: &str, file: &IndexFile, sources: &Sources) -> Result<String, ResolveError> {
    let wanted = Wanted {
        url: format!("{dists}/{}", file.fetch_path()),
        digest: file.sha256,
        size: file.size,
    };
    let bar = sources.progress.bytes(&file.path, file.size);
    let blob = sources.downloader.blob(&wanted, &sources.store, &bar)?;
    let unreadable = |source| ResolveError::Index {
        url: wanted.url.clone(),
        source,
    };
    let mut text = String::new();
    let open = fs::File::open(&blob).map_err(unreadable)?;
    let mut decoder: Box<dyn Read> = match file.path.rsplit_once('.') {
        Some((_, "xz")) => Box::new(liblzma::read::XzDecoder::new_multi_decoder(open)),
        Some((_, "gz")) => Box::new(flate2::read::MultiGzDecoder::new(open)),
        _ => Box::new(open),
    };
    decoder.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |duration| duration.as_secs())
}
