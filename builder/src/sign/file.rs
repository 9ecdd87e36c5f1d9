//! Key files: a pair that is made once, and the private half with its passphrase.

use std::{
    ffi::OsString,
    fs, io,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bedplate_contract::signature::PublicKey;
use tempfile::NamedTempFile;

use super::key::{self, KeyError, PublicKeyError, SigningKey};

/// Environment variable of the passphrase.
pub const PASSPHRASE: &str = "BEDPLATE_PASSPHRASE";

/// A key file that cannot be read or written: the caller's to mend.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A key that is there is never overwritten.
    #[error("`{}` is there already; a key is never overwritten, name another", .0.display())]
    Exists(PathBuf),
    /// A passphrase that would protect nothing.
    #[error("the passphrase in {0} is empty")]
    EmptyPassphrase(String),
    /// The private key.
    #[error("cannot use the private key `{}`", path.display())]
    Private {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: KeyError,
    },
    /// A public key.
    #[error("cannot use the public key `{}`", path.display())]
    Public {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: PublicKeyError,
    },
}

/// Where a pair lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// `PATH.key`, for its owner alone.
    pub private: PathBuf,
    /// `PATH.pub`.
    pub public: PathBuf,
}

impl Pair {
    /// The files of the pair `path`.
    pub fn new(path: &Path) -> Self {
        let with = |ending: &str| {
            let mut name = OsString::from(path);
            name.push(ending);
            PathBuf::from(name)
        };
        Self {
            private: with(".key"),
            public: with(".pub"),
        }
    }

    /// Writes both halves of `key`; neither file may be there.
    ///
    /// A crash leaves both, neither, or the private one alone, which has signed nothing yet.
    ///
    /// # Errors
    /// One is there, or cannot be written; then neither is left.
    pub fn write(&self, key: &SigningKey, passphrase: Option<&[u8]>) -> Result<(), KeyFileError> {
        for path in [&self.private, &self.public] {
            if path.exists() {
                return Err(KeyFileError::Exists(path.clone()));
            }
        }
        let private = key.to_pem(passphrase);
        let private = private.map_err(|source| KeyFileError::Private {
            path: self.private.clone(),
            source,
        })?;
        write_new(&self.private, private.as_bytes(), 0o600)?;
        let written = write_new(&self.public, key.public().to_pem().as_bytes(), 0o644);
        if written.is_err() {
            // Nobody has the public half, so the private one is of no use; the first error counts.
            let _left = fs::remove_file(&self.private);
        }
        written
    }
}

/// Reads the private key in `path`.
///
/// # Errors
/// No such file, no private key, or not its passphrase.
pub fn read_private(path: &Path, passphrase: Option<&[u8]>) -> Result<SigningKey, KeyFileError> {
    let key = SigningKey::from_pem(&read(path)?, passphrase);
    key.map_err(|source| KeyFileError::Private {
        path: path.to_owned(),
        source,
    })
}

/// Reads the public key in `path`.
///
/// # Errors
/// No such file, or no public key.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyFileError> {
    key::public_key(&read(path)?).map_err(|source| KeyFileError::Public {
        path: path.to_owned(),
        source,
    })
}

/// The passphrase in `file`, else in `$BEDPLATE_PASSPHRASE`, without its line end.
///
/// # Errors
/// The file cannot be read; an empty passphrase.
pub fn passphrase(file: Option<&Path>) -> Result<Option<Vec<u8>>, KeyFileError> {
    let (text, place) = match (file, std::env::var_os(PASSPHRASE)) {
        (Some(path), _) => (read(path)?.into_bytes(), format!("`{}`", path.display())),
        (None, Some(text)) => (text.into_encoded_bytes(), format!("`${PASSPHRASE}`")),
        (None, None) => return Ok(None),
    };
    match text.trim_ascii_end() {
        [] => Err(KeyFileError::EmptyPassphrase(place)),
        passphrase => Ok(Some(passphrase.to_vec())),
    }
}

fn read(path: &Path) -> Result<String, KeyFileError> {
    fs::read_to_string(path).map_err(|source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file that is not there: whole or not at all, and never over another.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyFileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Write {
            path: path.to_owned(),
            source,
        },
    };
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let write = || -> io::Result<()> {
        // For its owner alone until its mode is set.
        let mut file = NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        Ok(())
    };
    write().map_err(failed)
}

#[cfg(test)]
mod tests {
    use bedplate_contract::signature::Algorithm;

    use super::*;

    #[test]
    fn a_pair_is_written_once() {
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(&directory.path().join("release.2027"));
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        pair.write(&key, Some(b"secret")).unwrap();
        assert_eq!(pair.private, directory.path().join("release.2027.key"));
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(&pair.private), mode(&pair.public)], [0o600, 0o644]);
        let read = read_private(&pair.private, Some(b"secret")).unwrap();
        assert_eq!(read.public(), &read_public(&pair.public).unwrap());
        let again = pair.write(&key, None).unwrap_err();
        assert!(matches!(again, KeyFileError::Exists(_)), "{again}");
        fs::remove_file(&pair.private).unwrap();
        assert!(pair.write(&key, None).is_err());
        assert!(!pair.private.exists());
    }

    #[test]
    fn a_passphrase_ends_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        fs::write(&path, "two words\n").unwrap();
        assert_eq!(passphrase(Some(&path)).unwrap().unwrap(), b"two words");
        fs::write(&path, "\n").unwrap();
        assert!(passphrase(Some(&path)).is_err());
    }
}
