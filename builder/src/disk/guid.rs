//! GUIDs that follow from content, so that two builds name everything alike.
//!
//! Source: RFC 9562 5.8 (version 8) and 4.1 (variant); UEFI 2.10 appendix A (byte order in a GPT);
//! UAPI.2 Discoverable Partitions, "Verity" (identifiers from the root hash).

use std::fmt;

use bedplate_contract::Digest;

/// A GUID, bytes in the order of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guid([u8; 16]);

/// A text that is no GUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a GUID such as `c12a7328-f81f-11d2-ba4b-00a0c93ec93b`, found `{0}`")]
pub struct GuidError(String);

impl Guid {
    /// The GUID of the thing called `purpose` that belongs to `content`: version 8, from SHA-256.
    pub fn derive(purpose: &str, content: &Digest) -> Self {
        let digest = Digest::of(&[purpose.as_bytes(), b"\0", content.as_bytes()].concat());
        let mut bytes = halves(&digest)[0];
        bytes[6] = 0x80 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// The identifiers of the root partition and of its verity partition: the first and the last
    /// 128 bits of the root hash, as UAPI.2 wants them.
    pub fn of_root_hash(root_hash: &Digest) -> [Self; 2] {
        halves(root_hash).map(Self)
    }

    /// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
    ///
    /// # Errors
    /// Anything but that.
    pub fn parse(text: &str) -> Result<Self, GuidError> {
        let lengths = text.split('-').map(str::len);
        let digits = text.replace('-', "");
        let value = u128::from_str_radix(&digits, 16);
        match value {
            Ok(value) if lengths.eq([8, 4, 4, 4, 12]) => Ok(Self(value.to_be_bytes())),
            _ => Err(GuidError(text.to_owned())),
        }
    }

    /// The bytes in the order of the text, as file systems and verity superblocks store them.
    pub const fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// The bytes as a GPT stores them: the first three groups little-endian.
    pub const fn gpt_bytes(&self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, tail @ ..] = self.0;
        let [i, j, k, l, m, n, o, p] = tail;
        [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
    }
}

/// The first and the last 16 bytes.
fn halves(digest: &Digest) -> [[u8; 16]; 2] {
    let value = digest.as_bytes();
    let half = |start: usize| std::array::from_fn(|at| value[start + at]);
    [half(0), half(16)]
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:032x}", u128::from_be_bytes(self.0));
        let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| &text[group]);
        f.write_str(&groups.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

    #[test]
    fn text_round_trips() {
        let guid = Guid::parse(ESP).unwrap();
        assert_eq!(guid.to_string(), ESP);
        assert_eq!(
            guid.gpt_bytes()[..8],
            [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11]
        );
        assert_eq!(guid.gpt_bytes()[8..], guid.bytes()[8..]);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            &ESP[1..],
            &ESP.replace('-', ""),
            &ESP.replace('c', "g"),
            "é",
        ] {
            assert!(Guid::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn derived_guids_are_version_8_and_differ_by_purpose_and_content() {
        let guid =
            |purpose, content: &[u8]| Guid::derive(purpose, &Digest::of(content)).to_string();
        let disk = guid("disk", b"a");
        assert_eq!(&disk[14..15], "8");
        assert!("89ab".contains(&disk[19..20]));
        assert_eq!(disk, guid("disk", b"a"));
        assert_ne!(disk, guid("disk", b"b"));
        assert_ne!(disk, guid("esp", b"a"));
    }

    #[test]
    fn slots_are_named_by_their_root_hash() {
        let hash = Digest::from_bytes(std::array::from_fn(|at| at as u8));
        let [root, verity] = Guid::of_root_hash(&hash);
        assert_eq!(root.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(verity.to_string(), "10111213-1415-1617-1819-1a1b1c1d1e1f");
    }
}
