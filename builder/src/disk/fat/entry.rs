//! Directory entries: the short name that every file has, and the long one before it.

/// Bytes of an entry.
pub const SIZE: usize = 32;
/// UTF-16 units of a long name in one entry, and where they lie.
const UNITS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/// Attributes that mark a part of a long name.
const LONG_NAME: u8 = 0x0f;
/// Set in the number of the last part, which stands first.
const LAST_PART: u8 = 0x40;
/// 1980-01-01, as FAT spells it.
const DATE: [u8; 2] = 0x0021u16.to_le_bytes();

/// A short name: eight bytes and three, padded with blanks.
pub type ShortName = [u8; 11];

/// What an entry stands for: its attribute byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The name of the volume.
    Label = 0x08,
    /// A directory.
    Directory = 0x10,
    /// A file.
    File = 0x20,
}

/// Where an entry points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// What it is.
    pub kind: Kind,
    /// First cluster; 0 for the empty file, and for the root in `..`.
    pub cluster: u32,
    /// Bytes; 0 for directories.
    pub size: u32,
}

/// The entry `name` without a long name.
pub fn short(name: ShortName, target: Target) -> [u8; SIZE] {
    let mut entry = [0; SIZE];
    let [low_0, low_1, high_0, high_1] = target.cluster.to_le_bytes();
    let fields: [(usize, &[u8]); 8] = [
        (0, &name),
        (11, &[target.kind as u8]),
        // Made, read, written.
        (16, &DATE),
        (18, &DATE),
        (24, &DATE),
        (20, &[high_0, high_1]),
        (26, &[low_0, low_1]),
        (28, &target.size.to_le_bytes()),
    ];
    for (at, field) in fields {
        entry[at..at + field.len()].copy_from_slice(field);
    }
    entry
}

/// All entries of `name`, which is ASCII; `number` tells it from others in its directory.
pub fn named(name: &str, number: usize, target: Target) -> Vec<u8> {
    if let Some(plain) = plain(name) {
        return short(plain, target).to_vec();
    }
    let alias = alias(name, number);
    let mut bytes = long(name, checksum(&alias));
    bytes.extend(short(alias, target));
    bytes
}

/// `name` itself, if it is a short one: capitals, at most eight and three.
fn plain(name: &str) -> Option<ShortName> {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let allowed = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let fits = (1..=8).contains(&stem.len()) && extension.len() <= 3;
    let fits = fits && allowed(stem) && allowed(extension) && !name.ends_with('.');
    fits.then(|| padded(stem, extension))
}

/// A short name that stands for a long one: `SYSTEM~1.EFI`.
fn alias(name: &str, number: usize) -> ShortName {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let capitals = |part: &str, length: usize| -> String {
        let kept = part.chars().filter(char::is_ascii_alphanumeric);
        kept.take(length).map(|c| c.to_ascii_uppercase()).collect()
    };
    let tail = format!("~{number}");
    let stem = capitals(stem, 8_usize.saturating_sub(tail.len()));
    padded(&format!("{stem}{tail}"), &capitals(extension, 3))
}

fn padded(stem: &str, extension: &str) -> ShortName {
    let mut name = [b' '; 11];
    let stem = name
        .iter_mut()
        .zip(stem.bytes().take(8))
        .collect::<Vec<_>>();
    stem.into_iter().for_each(|(place, byte)| *place = byte);
    let extension = name[8..].iter_mut().zip(extension.bytes());
    extension.for_each(|(place, byte)| *place = byte);
    name
}

/// The parts of a long name, the last one first.
fn long(name: &str, checksum: u8) -> Vec<u8> {
    let mut units: Vec<u16> = name.encode_utf16().collect();
    if !units.len().is_multiple_of(UNITS.len()) {
        units.push(0);
    }
    units.resize(units.len().next_multiple_of(UNITS.len()), 0xffff);
    let parts: Vec<_> = (1..).zip(units.chunks(UNITS.len())).collect();
    let count = parts.len();
    let entries = parts.into_iter().rev().map(|(number, part)| {
        let last = if usize::from(number) == count {
            LAST_PART
        } else {
            0
        };
        long_part(number | last, part, checksum)
    });
    entries.collect::<Vec<_>>().concat()
}

fn long_part(number: u8, units: &[u16], checksum: u8) -> [u8; SIZE] {
    let mut entry = [0; SIZE];
    entry[0] = number;
    entry[11] = LONG_NAME;
    entry[13] = checksum;
    for (at, unit) in UNITS.iter().zip(units) {
        entry[*at..at + 2].copy_from_slice(&unit.to_le_bytes());
    }
    entry
}

/// Ties the parts of a long name to the short one behind them.
fn checksum(name: &ShortName) -> u8 {
    let add = |sum: u8, byte: &u8| sum.rotate_right(1).wrapping_add(*byte);
    name.iter().fold(0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_stay_and_long_ones_get_an_alias() {
        for (name, short, parts) in [
            ("EFI", b"EFI        ", 0),
            ("BOOTX64.EFI", b"BOOTX64 EFI", 0),
            ("Linux", b"LINUX~7    ", 1),
            ("loader.conf", b"LOADER~7CON", 1),
            ("thirteen_char", b"THIRTE~7   ", 1),
            ("hello_1.0.2+3.efi", b"HELLO1~7EFI", 2),
            ("EFI.", b"EFI~7      ", 1),
        ] {
            let target = Target {
                kind: Kind::File,
                cluster: 0x0102_0304,
                size: 5,
            };
            let bytes = named(name, 7, target);
            assert_eq!(bytes.len(), (parts + 1) * SIZE, "{name}");
            let entry = &bytes[parts * SIZE..];
            assert_eq!(&entry[..11], short, "{name}");
            assert_eq!(
                (entry[11], entry[20], entry[26], entry[28]),
                (0x20, 2, 4, 5)
            );
        }
    }

    #[test]
    fn aliases_differ_by_number() {
        assert_eq!(&alias("systemd", 1), b"SYSTEM~1   ");
        assert_eq!(&alias("systemd", 123), b"SYST~123   ");
    }
}
