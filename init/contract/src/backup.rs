//! Backups: what is kept of a running appliance, and the manifest beside each archive.
//!
//! An archive is a zstd stream `<archive>.zst` with a manifest `<archive>.json`. The manifest is
//! written last and durably, so that what has none was never finished.

use serde::{Deserialize, Serialize};

use crate::{Digest, SchemaVersion, utc::Time};

/// One `[[backup]]` of the definition; its work is done by a service of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Unique.
    pub name: String,
    /// The scheduled service that runs `bedplatectl archive <name>`, with the step as its arguments.
    pub service: String,
    /// Absolute directory of the archives, on a volume; made for the service's user.
    pub directory: String,
    /// What is archived.
    pub content: Content,
    /// Seconds after which an archive is deleted, counted from its time; the newest one stays.
    pub keep_seconds: u64,
    /// Services that are stopped during a restore, with all that require them.
    #[serde(default)]
    pub stops: Vec<String>,
}

/// What is archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Whatever programs write and read.
    Commands {
        /// Absolute program and arguments: writes the archive to its standard output.
        create: Vec<String>,
        /// Absolute program and arguments: reads the archive from its standard input.
        restore: Vec<String>,
        /// As `restore`, but only looks; exit 0 is good.
        #[serde(default)]
        verify: Option<Vec<String>>,
    },
    /// An absolute directory, as a tar archive.
    Directory(String),
}

/// What is done with a backup: the word that `bedplatectl archive` is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupStep {
    /// Makes an archive, then deletes those that are past their time.
    Create,
    /// Reads an archive against its manifest, and lets the backup's own command look at it.
    Verify,
    /// Verifies an archive, then puts its content back.
    Restore,
}

impl BackupStep {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Verify => "verify",
            Self::Restore => "restore",
        }
    }
}

/// Longest manifest that is read, in bytes.
pub const MAX_MANIFEST: usize = 4096;

/// What stands beside an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub schema: SchemaVersion<1>,
    /// Name of the backup.
    pub backup: String,
    /// Name of the archive: [`archive_name`] of its time.
    pub archive: String,
    /// Image that made it.
    pub image: String,
    /// Version of that image.
    pub version: String,
    /// When it was begun, by the wall clock.
    pub time: Time,
    /// Bytes of content, before compression.
    pub content_bytes: u64,
    /// Bytes of the compressed file.
    pub bytes: u64,
    /// SHA-256 of the compressed file.
    pub sha256: Digest,
}

/// A text that is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Longer than any manifest.
    #[error("expected a manifest of at most {MAX_MANIFEST} bytes, found {0}")]
    TooLong(usize),
    /// Not JSON of this schema: torn, or of a later version.
    #[error("expected a manifest")]
    Json(#[from] serde_json::Error),
    /// The manifest of another archive.
    #[error("expected the manifest of archive `{expected}`, found that of `{found}`")]
    Other {
        /// The name that its time gives.
        expected: String,
        /// The name it has.
        found: String,
    },
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Any [`ManifestError`]; one that was read names its archive by its own time, so that no name
    /// in it can lead out of its directory.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLong(bytes.len()));
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        let expected = archive_name(manifest.time);
        if manifest.archive != expected {
            let found = manifest.archive;
            return Err(ManifestError::Other { expected, found });
        }
        Ok(manifest)
    }

    /// The canonical text, with a newline at its end.
    pub fn encode(&self) -> String {
        // Strings and numbers always serialize; an empty text would be refused by every reader.
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .unwrap_or_default()
    }
}

/// The name of the archive that was begun at `time`, such as `20270630T020000Z`.
pub fn archive_name(time: Time) -> String {
    time.compact()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let time = Time::new(1_814_320_800);
        Manifest {
            schema: SchemaVersion,
            backup: "database".to_owned(),
            archive: archive_name(time),
            image: "justnews".to_owned(),
            version: "4.0.0".to_owned(),
            time,
            content_bytes: 9,
            bytes: 20,
            sha256: Digest::of(b"archive"),
        }
    }

    #[test]
    fn a_manifest_round_trips() {
        let text = manifest().encode();
        assert!(
            text.contains("\"time\": \"2027-06-30T02:00:00Z\""),
            "{text}"
        );
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest());
    }

    #[test]
    fn a_torn_manifest_is_none() {
        let text = manifest().encode();
        let whole = text.trim_end().len();
        for end in 0..whole {
            assert!(Manifest::parse(&text.as_bytes()[..end]).is_err(), "{end}");
        }
        let long = " ".repeat(MAX_MANIFEST) + &text;
        assert!(matches!(
            Manifest::parse(long.as_bytes()),
            Err(ManifestError::TooLong(_))
        ));
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let mut other = manifest();
        other.archive = "../../etc/shadow".to_owned();
        let error = Manifest::parse(other.encode().as_bytes()).unwrap_err();
        let words = "expected the manifest of archive `20270630T020000Z`";
        assert!(error.to_string().starts_with(words), "{error}");
    }
}
