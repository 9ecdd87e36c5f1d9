//! Keys of the kernel command line that a UKI carries.

use crate::{Digest, EntryName};

/// `bedplate.roothash=<hex>`: the dm-verity root hash of the root this UKI belongs to.
///
/// The hash alone names the slot; letters never appear on a command line (DESIGN 4).
pub const ROOT_HASH: &str = "bedplate.roothash";

/// `bedplate.entry=<name>_<version>`: the loader entry of this UKI, without its counter.
///
/// The root hash covers the version, so this says nothing new; stage 1 reads it while the root may
/// be the very thing that cannot be read.
pub const ENTRY: &str = "bedplate.entry";

/// The value of `key=value` in `cmdline`; the last one wins, as in the kernel.
pub fn value<'a>(cmdline: &'a str, key: &str) -> Option<&'a str> {
    let words = cmdline.split_ascii_whitespace().rev();
    words
        .filter_map(|word| word.split_once('='))
        .find(|(k, _)| *k == key)
        .map(|(_, v)| v)
}

/// The root hash that `cmdline` names, if it names a well-formed one.
pub fn root_hash(cmdline: &str) -> Option<Digest> {
    value(cmdline, ROOT_HASH).and_then(|hex| Digest::from_hex(hex).ok())
}

/// The entry that `cmdline` names, blessed: its counter is known to the ESP alone.
pub fn entry(cmdline: &str) -> Option<EntryName> {
    let name: EntryName = format!("{}.efi", value(cmdline, ENTRY)?).parse().ok()?;
    name.counter.is_none().then_some(name)
}

/// The word by which [`entry`] finds `name`.
pub fn entry_word(name: &EntryName) -> String {
    format!("{ENTRY}={}_{}", name.name, name.version)
}

#[cfg(test)]
mod tests {
    use crate::EntryName;

    #[test]
    fn the_entry_is_named_without_its_counter() {
        let entry = EntryName::fresh("just-news", "4.0.1~rc1");
        let line = format!("quiet {}", super::entry_word(&entry));
        assert_eq!(super::entry(&line), Some(entry.blessed()));
        for line in ["", "bedplate.entry=a", "bedplate.entry=a_1+3"] {
            assert_eq!(super::entry(line), None, "{line}");
        }
    }

    #[test]
    fn last_value_wins() {
        let line = "console=tty0 console=ttyS0,115200 quiet";
        assert_eq!(super::value(line, "console"), Some("ttyS0,115200"));
        assert_eq!(super::value(line, "quiet"), None);
    }
}
