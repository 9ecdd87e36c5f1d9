//! Clear-signed text → the text that a key of the keyring signed.
//!
//! `gpgv` does the cryptography: what apt trusts, we trust. Its status lines are parsed strictly,
//! and only the text that it wrote out is used, never the file that was signed.
//!
//! Source: GnuPG `doc/DETAILS`, "Format of the --status-fd output".

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::store::{Store, StoreError};

/// Why a text is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Not signed at all.
    #[error("`{subject}` is not signed")]
    Unsigned {
        /// What was verified.
        subject: String,
    },
    /// Signed, but by no valid key of the keyring.
    #[error(
        "`{subject}` has no valid signature of a key in `{}`: {reason}",
        keyring.display()
    )]
    Untrusted {
        /// What was verified.
        subject: String,
        /// Keyring.
        keyring: PathBuf,
        /// What the verifier found.
        reason: String,
    },
    /// The keyring cannot be read.
    #[error("cannot read the keyring `{}`", keyring.display())]
    Keyring {
        /// Keyring.
        keyring: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The verifier is missing.
    #[error("cannot run `gpgv`, which verifies repositories; install the package `gpgv`")]
    Verifier(#[source] io::Error),
    /// The verifier's output cannot be read.
    #[error("cannot read what `gpgv` verified of `{subject}`")]
    Output {
        /// What was verified.
        subject: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The store refused a scratch directory.
    #[error("cannot verify a signature")]
    Store(#[from] StoreError),
}

/// What is verified against what.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Name for messages, such as `debian trixie InRelease`.
    pub subject: &'a str,
    /// Clear-signed bytes.
    pub bytes: &'a [u8],
    /// Binary or armored keyring.
    pub keyring: &'a Path,
}

impl Signed<'_> {
    /// The text inside, once at least one key of the keyring signed it validly and no signature of
    /// a known key is wrong. Signatures of unknown keys do not count either way.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify(&self, store: &Store) -> Result<String, SignatureError> {
        let scratch = store.scratch()?;
        let keyring = self.binary_keyring(scratch.path())?;
        let input = scratch.path().join("signed");
        let text = scratch.path().join("text");
        let output = |source| SignatureError::Output {
            subject: self.subject.to_owned(),
            source,
        };
        fs::write(&input, self.bytes).map_err(output)?;
        let mut gpgv = Command::new("gpgv");
        gpgv.args(["--status-fd", "1", "--homedir"])
            .arg(scratch.path());
        gpgv.arg("--keyring")
            .arg(&keyring)
            .arg("--output")
            .arg(&text)
            .arg(&input);
        gpgv.env("LC_ALL", "C");
        let result = gpgv.output().map_err(SignatureError::Verifier)?;
        self.judge(&result)?;
        fs::read_to_string(&text).map_err(output)
    }

    /// `gpgv` reads binary keyrings only; vendors hand out armored ones.
    fn binary_keyring(&self, scratch: &Path) -> Result<PathBuf, SignatureError> {
        let fail = |source| SignatureError::Keyring {
            keyring: self.keyring.to_owned(),
            source,
        };
        let bytes = fs::read(self.keyring).map_err(fail)?;
        let path = scratch.join("keyring.gpg");
        let binary = if bytes.starts_with(b"-----BEGIN PGP") {
            let invalid = || io::Error::new(io::ErrorKind::InvalidData, "the armor is damaged");
            dearmor(&bytes).ok_or_else(invalid).map_err(fail)?
        } else {
            bytes
        };
        fs::write(&path, binary).map_err(fail)?;
        Ok(path)
    }

    fn judge(&self, result: &Output) -> Result<(), SignatureError> {
        let status = String::from_utf8_lossy(&result.stdout);
        match Verdict::of(&status) {
            Verdict::Valid => Ok(()),
            Verdict::Unsigned => Err(SignatureError::Unsigned {
                subject: self.subject.to_owned(),
            }),
            Verdict::Refused(reason) => Err(SignatureError::Untrusted {
                subject: self.subject.to_owned(),
                keyring: self.keyring.to_owned(),
                reason,
            }),
        }
    }
}

/// What the status lines say.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Valid,
    Unsigned,
    Refused(String),
}

impl Verdict {
    fn of(status: &str) -> Self {
        let lines = status
            .lines()
            .filter_map(|line| line.strip_prefix("[GNUPG:] "));
        let mut valid = false;
        let mut good = false;
        let mut seen = Vec::new();
        for line in lines {
            let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
            match keyword {
                "NEWSIG" => good = false,
                "GOODSIG" => good = true,
                // VALIDSIG follows EXPSIG and EXPKEYSIG too, so it counts behind GOODSIG alone.
                "VALIDSIG" if good => match weak_hash(rest) {
                    None => valid = true,
                    Some(name) => seen.push(format!("the signature uses {name}")),
                },
                "BADSIG" => return Self::Refused(format!("wrong signature of key {rest}")),
                "EXPSIG" => seen.push(format!("expired signature of key {rest}")),
                "EXPKEYSIG" => seen.push(format!("signature of the expired key {rest}")),
                "REVKEYSIG" => seen.push(format!("signature of the revoked key {rest}")),
                "NO_PUBKEY" => seen.push(format!("key {rest} is not in the keyring")),
                "NODATA" | "UNEXPECTED" if seen.is_empty() && !valid => return Self::Unsigned,
                _ => {}
            }
        }
        match (valid, seen.is_empty()) {
            (true, _) => Self::Valid,
            (false, true) => Self::Unsigned,
            (false, false) => Self::Refused(seen.join("; ")),
        }
    }
}

/// Hash algorithms that no longer prove anything. Source: RFC 9580, section 9.5.
fn weak_hash(validsig: &str) -> Option<&'static str> {
    match validsig.split(' ').nth(7)? {
        "1" => Some("MD5"),
        "2" => Some("SHA-1"),
        "3" => Some("RIPEMD-160"),
        _ => None,
    }
}

/// The bytes inside an ASCII armor; its checksum is not read, for `gpgv` finds damage itself.
///
/// Source: RFC 9580, section 6.
fn dearmor(armored: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(armored).ok()?.replace('\r', "");
    let (_, behind_headers) = text.split_once("\n\n")?;
    let digits = behind_headers
        .lines()
        .take_while(|line| !line.starts_with(['=', '-']))
        .flat_map(|line| line.bytes().filter(|byte| *byte != b'='));
    let mut bytes = Vec::new();
    let (mut pending, mut bits) = (0_u32, 0);
    for digit in digits {
        pending = pending << 6 | u32::from(base64_value(digit)?);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((pending >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

fn base64_value(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Verdict, dearmor};

    fn verdict(lines: &[&str]) -> Verdict {
        let text: String = lines
            .iter()
            .map(|line| format!("[GNUPG:] {line}\n"))
            .collect();
        Verdict::of(&text)
    }

    const VALID: &str = "VALIDSIG F 2026-09-12 1 0 4 0 1 8 01 F";

    #[test]
    fn one_valid_signature_is_enough() {
        for lines in [
            &["NEWSIG", "GOODSIG K name", VALID][..],
            &[
                "NEWSIG",
                "ERRSIG K 1",
                "NO_PUBKEY K",
                "NEWSIG",
                "GOODSIG L name",
                VALID,
            ],
            &[
                "NEWSIG",
                "EXPKEYSIG K name",
                VALID,
                "NEWSIG",
                "GOODSIG L name",
                VALID,
            ],
        ] {
            assert_eq!(verdict(lines), Verdict::Valid, "{lines:?}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (lines, reason) in [
            (&["NEWSIG", "EXPKEYSIG K name", VALID][..], "expired key"),
            (&["NEWSIG", "EXPSIG K name", VALID], "expired signature"),
            (&["NEWSIG", "REVKEYSIG K name", VALID], "revoked"),
            (&["NEWSIG", "BADSIG K name"], "wrong signature"),
            (
                &["GOODSIG L n", VALID, "NEWSIG", "BADSIG K name"],
                "wrong signature",
            ),
            (
                &["NEWSIG", "ERRSIG K 1 8 01 1 9", "NO_PUBKEY K"],
                "not in the keyring",
            ),
            (
                &["GOODSIG K n", "VALIDSIG F 2026-09-12 1 0 4 0 1 2 01 F"],
                "SHA-1",
            ),
        ] {
            match verdict(lines) {
                Verdict::Refused(found) => assert!(found.contains(reason), "{found}"),
                other => panic!("{lines:?}: {other:?}"),
            }
        }
        for lines in [
            &["NODATA 1", "NODATA 2"][..],
            &[],
            &["GOODSIG K name"],
            &[VALID],
        ] {
            assert_eq!(verdict(lines), Verdict::Unsigned, "{lines:?}");
        }
    }

    #[test]
    fn armor_is_taken_off() {
        let armored =
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\naGVs\nbG8=\n=abcd\n-----END";
        assert_eq!(dearmor(armored).unwrap(), b"hello");
        assert_eq!(dearmor(b"-----BEGIN PGP\n\na*b\n"), None);
    }
}
