//! The name of a FAT file system, from its first sector.
//!
//! PID 1 has no udev that would tell it which medium is which. Source: Microsoft "FAT32 File System
//! Specification" 1.03, "Boot Sector and BPB".

/// Bytes of the first sector that [`label`] looks at.
pub const SECTOR: usize = 512;

/// The label of the FAT12, FAT16 or FAT32 whose first sector this is, without the blanks that fill it
/// up; `None` of anything else, or of a label that is not ASCII.
pub fn label(sector: &[u8]) -> Option<&str> {
    let at = |from: usize, length: usize| sector.get(from..from + length);
    let marked = at(510, 2)? == [0x55, 0xaa];
    // A table of 0 sectors here is FAT32's, whose fields go on behind it.
    let (kind, fields) = match at(22, 2)? {
        [0, 0] => (at(82, 5)?, 66),
        _ => (at(54, 3)?, 38),
    };
    // 0x29 says that serial number, label and type are there.
    let extended = marked && kind.starts_with(b"FAT") && at(fields, 1)? == [0x29];
    let text = std::str::from_utf8(at(fields + 5, 11)?).ok()?;
    (extended && text.is_ascii()).then(|| text.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As mkfs.vfat(8) writes it.
    fn sector(kind: &[u8], fields: usize, label: &[u8; 11]) -> Vec<u8> {
        let mut bytes = vec![0; SECTOR];
        let mut put = |at: usize, text: &[u8]| bytes[at..at + text.len()].copy_from_slice(text);
        put(fields, &[0x29]);
        put(fields + 5, label);
        put(fields + 16, kind);
        put(510, &[0x55, 0xaa]);
        bytes[22] = u8::from(fields == 38);
        bytes
    }

    #[test]
    fn labels_are_read() {
        let name = b"BEDPLATE   ";
        for bytes in [
            sector(b"FAT32   ", 66, name),
            sector(b"FAT16   ", 38, name),
            sector(b"FAT12   ", 38, name),
        ] {
            assert_eq!(label(&bytes), Some("BEDPLATE"));
            for (at, other) in [(510, 0), (511, 0), (38, 0), (66, 0)] {
                let mut broken = bytes.clone();
                if broken[at] != other {
                    broken[at] = other;
                    assert_eq!(label(&broken), None, "byte {at}");
                }
            }
            assert_eq!(label(&bytes[..511]), None);
        }
        assert_eq!(label(&sector(b"FAT32   ", 66, b"\xffEDPLATE   ")), None);
        assert_eq!(label(&sector(b"NTFS    ", 66, name)), None);
        assert_eq!(label(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(label(&bytes).is_none_or(|label| label.len() <= 11));
        }
    }
}
