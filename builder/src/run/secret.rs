//! Secrets that a machine is provisioned with: a medium as a real host would be given it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use bedplate_contract::layout::{PROVISION_LABEL, PROVISION_SECRETS};

use crate::{
    definition::{self, Definition},
    disk::fat::{self, Volume},
};

/// Bytes of the medium, nearly all of them a hole: FAT32 takes no fewer.
const SIZE: u64 = 270 << 20;
/// The longest value that PID 1 takes.
const LONGEST: usize = 64 << 10;

/// A secret and the file that holds its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Name in the definition.
    pub name: String,
    /// Where its value is; the whole file is the value.
    pub file: PathBuf,
}

/// A secret that cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No `NAME=FILE`.
    #[error("expected `NAME=FILE`, found `{0}`")]
    Form(String),
    /// The image has no such secret, or makes it itself.
    #[error("the image asks for no secret `{name}`: {help}")]
    Unknown {
        /// What was given.
        name: String,
        /// Which there are.
        help: String,
    },
    /// Its file cannot be read.
    #[error("cannot read secret `{name}` from `{}`", file.display())]
    Read {
        /// Secret.
        name: String,
        /// Its file.
        file: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Its value is none.
    #[error("expected 1 to {LONGEST} bytes of secret `{name}`, found {found}")]
    Length {
        /// Secret.
        name: String,
        /// Bytes of the file.
        found: usize,
    },
    /// The medium cannot be written.
    #[error("cannot write the medium of the secrets")]
    Medium(#[source] io::Error),
}

impl SecretError {
    /// Whether it is what was asked that is wrong.
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::Medium(_))
    }
}

impl FromStr for Given {
    type Err = SecretError;
    fn from_str(text: &str) -> Result<Self, SecretError> {
        match text.split_once('=') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok(Self {
                name: name.to_owned(),
                file: file.into(),
            }),
            _ => Err(SecretError::Form(text.to_owned())),
        }
    }
}

/// Checks that the image asks for every one of `given`.
///
/// # Errors
/// [`SecretError::Unknown`], with the nearest name.
pub fn check(given: &[Given], definition: &Definition) -> Result<(), SecretError> {
    let secrets = definition.secrets.iter();
    let asked = secrets.filter(|secret| secret.source.is_brought());
    let names: Vec<_> = asked.map(|secret| secret.name.as_str()).collect();
    let unknown = given.iter().find(|one| !names.contains(&one.name.as_str()));
    unknown.map_or(Ok(()), |one| {
        Err(SecretError::Unknown {
            name: one.name.clone(),
            help: definition::suggestion(&one.name, &names),
        })
    })
}

/// Writes the medium into `scratch`, which nobody else may read; `None` when nothing is given.
///
/// # Errors
/// A value that cannot be read or is none; a medium that cannot be written.
pub fn medium(given: &[Given], scratch: &Path) -> Result<Option<PathBuf>, SecretError> {
    if given.is_empty() {
        return Ok(None);
    }
    let values = given.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let path = scratch.join("secrets.raw");
    write(&path, &values).map_err(SecretError::Medium)?;
    Ok(Some(path))
}

fn read(given: &Given) -> Result<(String, Vec<u8>), SecretError> {
    let name = given.name.clone();
    let value = fs::read(&given.file).map_err(|source| SecretError::Read {
        name: name.clone(),
        file: given.file.clone(),
        source,
    })?;
    match value.len() {
        1..=LONGEST => Ok((format!("{PROVISION_SECRETS}/{name}"), value)),
        found => Err(SecretError::Length { name, found }),
    }
}

fn write(path: &Path, values: &[(String, Vec<u8>)]) -> io::Result<()> {
    let files: Vec<(&str, &[u8])> = values
        .iter()
        .map(|(path, value)| (path.as_str(), value.as_slice()))
        .collect();
    let mut label = [b' '; 11];
    label[..PROVISION_LABEL.len()].copy_from_slice(PROVISION_LABEL.as_bytes());
    let medium = File::create(path)?;
    medium.set_len(SIZE)?;
    let volume = Volume {
        id: 0,
        label,
        files: &files,
    };
    fat::write(&medium, 0, SIZE, &volume)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use bedplate_contract::fat as reader;

    use super::*;

    #[test]
    fn names_and_files_are_read() {
        let given: Given = "db-password=/etc/x=y".parse().unwrap();
        assert_eq!(given.name, "db-password");
        assert_eq!(given.file, Path::new("/etc/x=y"));
        for text in ["", "name", "=file", "name="] {
            assert!(text.parse::<Given>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_medium_holds_the_values() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(medium(&[], scratch.path()).unwrap(), None);
        let file = scratch.path().join("value");
        let name = "a-rather-long-name".to_owned();
        let given = [Given {
            name,
            file: file.clone(),
        }];
        assert!(matches!(
            medium(&given, scratch.path()).unwrap_err(),
            SecretError::Read { .. }
        ));
        fs::write(&file, "").unwrap();
        assert!(matches!(
            medium(&given, scratch.path()).unwrap_err(),
            SecretError::Length { found: 0, .. }
        ));
        fs::write(&file, "hidden").unwrap();
        let path = medium(&given, scratch.path()).unwrap().unwrap();
        let mut sector = [0; reader::SECTOR];
        let mut medium = File::open(&path).unwrap();
        medium.read_exact(&mut sector).unwrap();
        assert_eq!(reader::label(&sector), Some(PROVISION_LABEL));
        let volume = fatfs::FileSystem::new(
            File::options().read(true).write(true).open(&path).unwrap(),
            fatfs::FsOptions::new(),
        )
        .unwrap();
        let mut value = String::new();
        let root = volume.root_dir();
        let mut file = root.open_file("secrets/a-rather-long-name").unwrap();
        file.read_to_string(&mut value).unwrap();
        assert_eq!(value, "hidden");
    }
}
