//! Keys of the kernel command line that a UKI carries.

use crate::Digest;

/// `bedplate.roothash=<hex>`: the dm-verity root hash of the root this UKI belongs to.
///
/// The hash alone names the slot; letters never appear on a command line (DESIGN 4).
pub const ROOT_HASH: &str = "bedplate.roothash";

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

#[cfg(test)]
mod tests {
    #[test]
    fn last_value_wins() {
        let line = "console=tty0 console=ttyS0,115200 quiet";
        assert_eq!(super::value(line, "console"), Some("ttyS0,115200"));
        assert_eq!(super::value(line, "quiet"), None);
    }
}
