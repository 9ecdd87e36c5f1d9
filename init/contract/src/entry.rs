//! Names of boot loader entries, with their boot counters.
//!
//! A name is read only in the one spelling that [`EntryName`] writes: whoever parses a name and
//! formats it again names the same file. systemd-boot writes counters in that spelling too.
//!
//! Source: UAPI.1 Boot Loader Specification, "Boot counting"; systemd-boot(7).

use std::{fmt, str::FromStr};

/// Tries that a freshly staged or provisioned entry gets.
///
/// Three survive one power cut and one spurious reset, and still leave a try that counts.
pub const TRIES: u32 = 3;

/// The boot counter of an entry: `+LEFT` or `+LEFT-DONE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Boots that are still allowed; 0 makes the entry bad: the loader sorts it last.
    pub left: u32,
    /// Boots that were tried and not blessed.
    pub done: u32,
}

/// The file name of a UKI in `EFI/Linux`: `<name>_<version>[+LEFT[-DONE]].efi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName {
    /// Name of the image: letters, digits, `.`, `~`, `^`, `-`; has no `_` and no `+`.
    pub name: String,
    /// Version of the image (UAPI.10), of the same characters.
    pub version: String,
    /// `None` once blessed.
    pub counter: Option<Counter>,
}

/// A file name that is no entry's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `<name>_<version>[+LEFT[-DONE]].efi`, found `{0}`")]
pub struct EntryNameError(String);

impl EntryName {
    /// The name under which a version is provisioned or staged: all tries left.
    pub fn fresh(name: &str, version: &str) -> Self {
        let counter = Some(Counter {
            left: TRIES,
            done: 0,
        });
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            counter,
        }
    }

    /// The name of the same entry once it is blessed.
    pub fn blessed(&self) -> Self {
        Self {
            counter: None,
            ..self.clone()
        }
    }

    /// The name of the same entry once it is bad: no try left.
    pub fn bad(&self) -> Self {
        let done = self.counter.map_or(0, |counter| counter.done);
        Self {
            counter: Some(Counter { left: 0, done }),
            ..self.clone()
        }
    }

    /// Whether two names are one entry, whatever their counters say.
    pub fn same_entry(&self, other: &Self) -> bool {
        self.name == other.name && self.version == other.version
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.name, self.version)?;
        match self.counter {
            None => {}
            Some(Counter { left, done: 0 }) => write!(f, "+{left}")?,
            Some(Counter { left, done }) => write!(f, "+{left}-{done}")?,
        }
        f.write_str(".efi")
    }
}

impl FromStr for EntryName {
    type Err = EntryNameError;
    fn from_str(text: &str) -> Result<Self, EntryNameError> {
        parse(text).ok_or_else(|| EntryNameError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<EntryName> {
    let stem = text.strip_suffix(".efi")?;
    let (identity, counter) = match stem.split_once('+') {
        None => (stem, None),
        Some((identity, counter)) => (identity, Some(parse_counter(counter)?)),
    };
    let (name, version) = identity.split_once('_')?;
    (is_part(name) && is_part(version)).then(|| EntryName {
        name: name.to_owned(),
        version: version.to_owned(),
        counter,
    })
}

/// Whether `text` can be a name or a version. Path separators and what FAT refuses stay out, so a
/// file name read from a disk can be joined to a directory.
fn is_part(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".~^-".contains(c);
    !text.is_empty() && text.chars().all(fits)
}

fn parse_counter(text: &str) -> Option<Counter> {
    let (left, done) = match text.split_once('-') {
        None => (text, 0),
        // `+3-0` would be written as `+3`.
        Some((left, done)) => (left, parse_number(done).filter(|done| *done > 0)?),
    };
    let left = parse_number(left)?;
    Some(Counter { left, done })
}

/// A decimal number without sign and without leading zeros.
fn parse_number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_round_trip() {
        for text in [
            "a_1.efi",
            "a_1.0+3.efi",
            "a_1.0+2-1.efi",
            "just-news_4.0.1~rc1+0-3.efi",
        ] {
            assert_eq!(text.parse::<EntryName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "",
            "a.efi",
            "a_1",
            "_1.efi",
            "a_.efi",
            "a_1+x.efi",
            "a_1+1-.efi",
            "a_1+.efi",
            "a_1++3.efi",
            "a_1+03.efi",
            "a_1+3-0.efi",
            "a_1+4294967296.efi",
            "a_1.EFI",
            "a_b_1.efi",
            "../a_1.efi",
            "a_..\\1.efi",
            "a_1 .efi",
            "a_1\0.efi",
            "\u{e4}_1.efi",
        ] {
            assert!(text.parse::<EntryName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_life_in_names() {
        let fresh = EntryName::fresh("a", "1");
        assert_eq!(fresh.to_string(), "a_1+3.efi");
        let tried: EntryName = "a_1+2-1.efi".parse().unwrap();
        assert!(fresh.same_entry(&tried));
        assert_eq!(tried.blessed().to_string(), "a_1.efi");
        assert_eq!(tried.bad().to_string(), "a_1+0-1.efi");
    }

    proptest! {
        #[test]
        fn a_name_has_one_spelling(text in "[ab_+0-9./-]{0,12}(\\.efi)?") {
            if let Ok(name) = text.parse::<EntryName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }

        #[test]
        fn any_counter_round_trips(left: u32, done: u32) {
            let counter = Some(Counter { left, done });
            let name = EntryName { counter, ..EntryName::fresh("a", "1") };
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
}
