//! Names of boot loader entries, with their boot counters.
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
    /// Name of the image; has no `_` and no `+`.
    pub name: String,
    /// Version of the image (UAPI.10); has no `+`.
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
    let filled = !name.is_empty() && !version.is_empty();
    filled.then(|| EntryName {
        name: name.to_owned(),
        version: version.to_owned(),
        counter,
    })
}

fn parse_counter(text: &str) -> Option<Counter> {
    match text.split_once('-') {
        None => Some(Counter {
            left: text.parse().ok()?,
            done: 0,
        }),
        Some((left, done)) => Some(Counter {
            left: left.parse().ok()?,
            done: done.parse().ok()?,
        }),
    }
}

#[cfg(test)]
mod tests {
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
}
