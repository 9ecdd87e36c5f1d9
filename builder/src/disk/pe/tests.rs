//! Sections appended to a stub that is made here, read back by goblin.

use proptest::prelude::*;

use super::*;

/// A stub with one section of 0x200 bytes, image base 0x14df90000, room for `free` more
/// sections, and a symbol table behind it.
pub fn stub(free: usize) -> Vec<u8> {
    let headers = 0x40 + 4 + COFF_HEADER + 240 + (1 + free) * SECTION_HEADER;
    let mut bytes = vec![0; headers];
    bytes[..2].copy_from_slice(b"MZ");
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0x3c, &0x40u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(0x44, &0x8664u16.to_le_bytes());
    put(0x46, &1u16.to_le_bytes());
    put(0x4c, &0x5000u32.to_le_bytes());
    put(0x50, &9u32.to_le_bytes());
    put(0x54, &240u16.to_le_bytes());
    put(0x56, &0x22u16.to_le_bytes());
    let optional = 0x58;
    put(optional, &0x20bu16.to_le_bytes());
    put(optional + 24, &0x1_4df9_0000u64.to_le_bytes());
    put(optional + 32, &0x1000u32.to_le_bytes());
    put(optional + 36, &0x200u32.to_le_bytes());
    put(optional + 56, &0x3000u32.to_le_bytes());
    put(optional + 60, &(headers as u32).to_le_bytes());
    put(optional + 68, &10u16.to_le_bytes());
    put(optional + 108, &16u32.to_le_bytes());
    let section = optional + 240;
    let raw = headers.next_multiple_of(0x200);
    put(section, b".text");
    put(section + 8, &0x1001u32.to_le_bytes());
    put(section + 12, &0x1000u32.to_le_bytes());
    put(section + 16, &0x200u32.to_le_bytes());
    put(section + 20, &(raw as u32).to_le_bytes());
    put(section + 36, &0x6000_0020u32.to_le_bytes());
    bytes.resize(raw + 0x200, 0x90);
    bytes.extend(b"symbols");
    bytes
}

const SECTIONS: [Section<'static>; 2] = [
    Section {
        name: ".osrel",
        content: b"NAME=x\n",
    },
    Section {
        name: ".linux",
        content: &[7; 0x1200],
    },
];

#[test]
fn another_reader_finds_the_sections() {
    let bytes = append(&stub(2), &SECTIONS).unwrap();
    let parsed = goblin::pe::PE::parse(&bytes).unwrap();
    let found: Vec<_> = parsed
        .sections
        .iter()
        .map(|s| {
            (
                s.name().unwrap(),
                s.virtual_address,
                s.virtual_size,
                s.size_of_raw_data,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (".text", 0x1000, 0x1001, 0x200),
            (".osrel", 0x3000, 7, 0x200),
            (".linux", 0x4000, 0x1200, 0x1200),
        ]
    );
    let linux = &parsed.sections[2];
    let start = linux.pointer_to_raw_data as usize;
    assert_eq!(&bytes[start..start + 0x1200], SECTIONS[1].content);
    let optional = parsed.header.optional_header.unwrap();
    assert_eq!(optional.windows_fields.size_of_image, 0x6000);
    assert_eq!(optional.standard_fields.size_of_initialized_data, 0x1400);
    assert_eq!(parsed.header.coff_header.number_of_symbol_table, 0);
    assert!(!bytes.windows(7).any(|window| window == b"symbols"));
}

#[test]
fn header_space_and_names_are_checked() {
    let error = append(&stub(1), &SECTIONS).unwrap_err();
    assert_eq!(error, PeError::HeaderSpace { wanted: 2, free: 1 });
    let long = Section {
        name: ".too-long",
        content: b"",
    };
    assert_eq!(
        append(&stub(1), &[long]).unwrap_err(),
        PeError::Name(".too-long".to_owned())
    );
}

#[test]
fn other_files_are_refused() {
    for bytes in [
        &b""[..],
        b"MZ",
        &[0; 512],
        &stub(1)[..0x100],
        &stub(1)[..0x250],
    ] {
        assert!(matches!(append(bytes, &[]), Err(PeError::NotPe(_))));
    }
}

#[test]
fn checksums_add_words_with_carry() {
    for (bytes, expected) in [(&[1, 2, 3][..], 0x204), (&[0xff, 0xff, 2, 0], 2), (&[], 0)] {
        assert_eq!(checksum(bytes), expected);
    }
}

proptest! {
    #[test]
    fn damaged_stubs_never_panic(at in 0..0x200usize, value: u8) {
        let mut bytes = stub(2);
        bytes[at] = value;
        let _ = append(&bytes, &SECTIONS);
    }
}
