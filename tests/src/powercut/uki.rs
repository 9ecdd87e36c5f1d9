//! What a UKI says, as goblin reads it.

use goblin::pe::PE;

use super::loader::Seen;

/// A file in `EFI/Linux` that the loader lists: it has the header of a program, and an `.osrel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uki {
    /// As the loader sorts it.
    pub seen: Seen,
    /// `bedplate.roothash=` of `.cmdline`, hex.
    pub root_hash: Option<String>,
    /// What is missing for a boot; empty for a whole one.
    pub faults: Vec<String>,
}

/// Sections without which nothing boots.
const NEEDED: [&str; 3] = [".linux", ".initrd", ".cmdline"];

/// Reads `bytes` of the file `name`; `None` for what the loader leaves out.
pub fn read(name: &str, bytes: &[u8]) -> Option<Uki> {
    if !bytes.starts_with(b"MZ") {
        return None;
    }
    let header = PE::parse(bytes).ok()?;
    let section = |wanted: &str| {
        let found = header
            .sections
            .iter()
            .find(|section| section.name().is_ok_and(|n| n == wanted));
        found.map(|section| {
            let start = section.pointer_to_raw_data as usize;
            let end = start.checked_add(section.virtual_size as usize)?;
            bytes.get(start..end)
        })
    };
    let release = String::from_utf8_lossy(section(".osrel")??).into_owned();
    let field = |key: &str| field(&release, key);
    let faults = NEEDED.iter().filter_map(|name| match section(name) {
        None => Some(format!("no section {name}")),
        Some(None) => Some(format!("section {name} is cut short")),
        Some(Some(_)) => None,
    });
    let cmdline = section(".cmdline").flatten().unwrap_or_default();
    Some(Uki {
        seen: Seen {
            file: name.to_owned(),
            sort_key: field("IMAGE_ID").or_else(|| field("ID")),
            version: field("IMAGE_VERSION").or_else(|| field("VERSION_ID")),
        },
        root_hash: root_hash(&String::from_utf8_lossy(cmdline)),
        faults: faults.collect(),
    })
}

/// A field of os-release(5).
fn field(release: &str, key: &str) -> Option<String> {
    let mut lines = release.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(name, _)| *name == key)?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

fn root_hash(cmdline: &str) -> Option<String> {
    let mut words = cmdline.split(|c: char| c.is_whitespace() || c == '\0');
    words
        .find_map(|word| word.strip_prefix("bedplate.roothash="))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use anyhow::{Result, ensure};

    use super::*;

    #[test]
    fn what_is_no_program_is_left_out() {
        for bytes in [&b""[..], b"\0\0", b"MZ", &[0; 4096]] {
            assert_eq!(read("a_1.efi", bytes), None);
        }
    }

    #[test]
    fn words_of_other_documents() -> Result<()> {
        let release = "NAME=x\nIMAGE_ID=\"lab\"\nIMAGE_VERSION=1.0.0\n";
        ensure!(field(release, "IMAGE_ID").as_deref() == Some("lab"));
        ensure!(field(release, "ID").is_none());
        ensure!(root_hash("quiet bedplate.roothash=ab panic=1\0").as_deref() == Some("ab"));
        Ok(())
    }
}
