//! What a kernel module says of itself: the `.modinfo` section of its ELF file.
//!
//! Bytes of a `.ko` → names it depends on. `depmod` computes the same from symbols, but Debian runs
//! it only when a kernel package is configured, and no maintainer script of the kernel runs here.
//!
//! Source: System V ABI, ELF-64 object files; kernel include/linux/moduleinfo.h, `MODULE_SOFTDEP`.

use super::normal;

/// What `.modinfo` says; names of modules in their normal form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModInfo {
    /// Modules whose symbols this one uses.
    pub depends: Vec<String>,
    /// Modules it would like to find loaded; they may not exist.
    pub wants: Vec<String>,
    /// Its own version (`MODULE_VERSION`).
    pub version: Option<String>,
    /// Release of the kernel that it was built for: the first word of `vermagic`.
    pub release: Option<String>,
}

/// A module that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a 64-bit little-endian ELF file with a `.modinfo` section")]
pub struct ModInfoError;

/// Size of an ELF-64 section header.
const SECTION_HEADER: usize = 64;

/// Reads the uncompressed module `elf`.
///
/// # Errors
/// It is no ELF-64 file, or has no `.modinfo` section.
pub fn parse(elf: &[u8]) -> Result<ModInfo, ModInfoError> {
    let section = modinfo_section(elf).ok_or(ModInfoError)?;
    let mut info = ModInfo::default();
    for entry in section.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(entry);
        if let Some(names) = text.strip_prefix("depends=") {
            info.depends
                .extend(names.split(',').filter(|n| !n.is_empty()).map(normal));
        } else if let Some(words) = text.strip_prefix("softdep=") {
            info.wants.extend(wanted_before(words));
        } else if let Some(version) = text.strip_prefix("version=") {
            info.version = Some(version.to_owned());
        } else if let Some(words) = text.strip_prefix("vermagic=") {
            info.release = words.split_ascii_whitespace().next().map(str::to_owned);
        }
    }
    Ok(info)
}

/// The `pre:` names of `pre: a b post: c`.
fn wanted_before(softdep: &str) -> Vec<String> {
    let words = softdep.split_ascii_whitespace();
    let before = words.skip_while(|word| *word != "pre:").skip(1);
    before
        .take_while(|word| *word != "post:")
        .map(normal)
        .collect()
}

fn modinfo_section(elf: &[u8]) -> Option<&[u8]> {
    let is_elf64_little = elf.starts_with(b"\x7fELF\x02\x01");
    let table = usize::try_from(u64::from_le_bytes(array(elf, 40)?)).ok()?;
    let count = usize::from(u16::from_le_bytes(array(elf, 60)?));
    let names_index = usize::from(u16::from_le_bytes(array(elf, 62)?));
    let header = |index: usize| {
        let at = table.checked_add(index.checked_mul(SECTION_HEADER)?)?;
        elf.get(at..at.checked_add(SECTION_HEADER)?)
    };
    let names = content(elf, header(names_index)?)?;
    let is_modinfo = |header: &&[u8]| {
        let name = array(header, 0).map(|bytes| u32::from_le_bytes(bytes) as usize);
        let name = name.and_then(|at| names.get(at..));
        name.is_some_and(|name| name.starts_with(b".modinfo\0"))
    };
    let found = (0..count).filter_map(header).find(is_modinfo)?;
    content(elf, found).filter(|_| is_elf64_little)
}

/// The bytes that the section header `header` covers.
fn content<'a>(elf: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    let offset = usize::try_from(u64::from_le_bytes(array(header, 24)?)).ok()?;
    let size = usize::try_from(u64::from_le_bytes(array(header, 32)?)).ok()?;
    elf.get(offset..offset.checked_add(size)?)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An ELF file with nothing but `.modinfo`.
    pub fn module(modinfo: &str) -> Vec<u8> {
        let names = b"\0.modinfo\0";
        let content = modinfo.replace('\n', "\0");
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[40..48].copy_from_slice(&64u64.to_le_bytes());
        elf[60..62].copy_from_slice(&2u16.to_le_bytes());
        let body = 64 + 2 * SECTION_HEADER;
        for (name, offset, size) in [
            (0u32, body, names.len()),
            (1, body + names.len(), content.len()),
        ] {
            let mut header = [0; SECTION_HEADER];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            elf.extend(header);
        }
        [elf, names.to_vec(), content.into_bytes()].concat()
    }

    #[test]
    fn dependencies_are_read() {
        let info = parse(&module(
            "license=GPL\ndepends=dm-mod,libcrc32c\nsoftdep=pre: crc32c a-b post: c\nname=x",
        ))
        .unwrap();
        assert_eq!(info.depends, ["dm_mod", "libcrc32c"]);
        assert_eq!(info.wants, ["crc32c", "a_b"]);
        assert_eq!(parse(&module("depends=")).unwrap(), ModInfo::default());
        let info = parse(&module("version=550.163.01\nvermagic=6.12.1-cloud SMP")).unwrap();
        assert_eq!(info.version.as_deref(), Some("550.163.01"));
        assert_eq!(info.release.as_deref(), Some("6.12.1-cloud"));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(parse(b""), Err(ModInfoError));
        assert_eq!(parse(b"\x7fELF\x01\x01"), Err(ModInfoError));
        let mut big_endian = module("depends=");
        big_endian[5] = 2;
        assert_eq!(parse(&big_endian), Err(ModInfoError));
    }

    proptest! {
        #[test]
        fn never_panics(at in 0..200usize, value: u8, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut damaged = module("depends=a");
            let at = at % damaged.len();
            damaged[at] = value;
            let _ = (parse(&damaged), parse(&bytes));
        }
    }
}
