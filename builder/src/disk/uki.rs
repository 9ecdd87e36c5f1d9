//! The unified kernel image: stub, kernel, initramfs and command line as one EFI executable.
//!
//! Source: UAPI.5 Unified Kernel Image; systemd-stub(7), "Description"; UAPI.1 "Type #2".

use bedplate_contract::{Digest, EntryName, cmdline};

use super::pe::{self, PeError, Section};

/// Words of every command line. The kernel says only what is wrong, so that the boot story can be
/// read. Serial stands last, so `/dev/console` is the serial line; a panic
/// restarts after 10 s, for systemd-boot counted the try already; so does a kernel that goes on in name
/// only, where nobody may be there to see it: after an oops, with a processor that is stuck for 20 s or
/// gets no timer, with a task that waits for a device for four minutes. A profile's `[sysctl]` comes later, and wins.
///
/// Source: kernel Documentation/admin-guide/sysctl/kernel.rst, and `sysctl.*` of kernel-parameters.txt.
const COMMON: &str = "quiet console=tty0 console=ttyS0,115200 panic=10 oops=panic \
    sysctl.kernel.softlockup_panic=1 sysctl.kernel.panic_on_rcu_stall=1 \
    sysctl.kernel.hung_task_timeout_secs=240 sysctl.kernel.hung_task_panic=1";

/// What goes into a UKI.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// `os-release` text, see [`os_release`].
    pub os_release: &'a str,
    /// Kernel command line, see [`command_line`].
    pub command_line: &'a str,
    /// Release of the kernel, as `uname -r` prints it.
    pub release: &'a str,
    /// Compressed initramfs.
    pub initramfs: &'a [u8],
    /// `vmlinuz`.
    pub kernel: &'a [u8],
}

/// The UKI of `parts` on `stub`. The kernel stands last, as `ukify` puts it.
///
/// # Errors
/// `stub` is no executable that sections can be appended to.
pub fn assemble(stub: &[u8], parts: &Parts<'_>) -> Result<Vec<u8>, PeError> {
    let sections = [
        (".osrel", parts.os_release.as_bytes()),
        (".cmdline", parts.command_line.as_bytes()),
        (".uname", parts.release.as_bytes()),
        (".initrd", parts.initramfs),
        (".linux", parts.kernel),
    ];
    pe::append(
        stub,
        &sections.map(|(name, content)| Section { name, content }),
    )
}

/// The kernel command line: the root it belongs to, the `entry` that starts it, the common words, and
/// `extra` ones of the profile, which win because they stand last.
pub fn command_line(root_hash: &Digest, entry: &EntryName, extra: &[String]) -> String {
    let root = format!("{}={}", cmdline::ROOT_HASH, root_hash.hex());
    let words = [root, cmdline::entry_word(entry), COMMON.to_owned()];
    words
        .iter()
        .chain(extra)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The `os-release` by which systemd-boot names and sorts the entry: all versions of one image have
/// one sort key (`IMAGE_ID`) and are ordered by `IMAGE_VERSION`, the newest first.
///
/// Source: os-release(5); systemd-boot(7), "Sorting".
pub fn os_release(name: &str, version: &str) -> String {
    format!(
        "ID={name}\nNAME=\"{name}\"\nPRETTY_NAME=\"{name} {version}\"\nIMAGE_ID={name}\n\
         IMAGE_VERSION=\"{version}\"\nVERSION_ID=\"{version}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_the_root_and_ends_with_the_profiles_words() {
        let hash = Digest::of(b"root");
        let entry = EntryName::fresh("hello", "1.0");
        let line = command_line(&hash, &entry, &["extra".to_owned(), "panic=5".to_owned()]);
        assert_eq!(cmdline::root_hash(&line), Some(hash));
        assert_eq!(cmdline::entry(&line), Some(entry.blessed()));
        assert_eq!(cmdline::value(&line, "console"), Some("ttyS0,115200"));
        assert_eq!(cmdline::value(&line, "panic"), Some("5"));
    }

    #[test]
    fn sections_stand_in_order() {
        let parts = Parts {
            os_release: &os_release("hello", "1.0"),
            command_line: "quiet",
            release: "6.12",
            initramfs: b"initramfs",
            kernel: b"kernel",
        };
        let bytes = assemble(&pe::tests::stub(5), &parts).unwrap();
        let parsed = goblin::pe::PE::parse(&bytes).unwrap();
        let names: Vec<_> = parsed.sections.iter().map(|s| s.name().unwrap()).collect();
        assert_eq!(
            names,
            [".text", ".osrel", ".cmdline", ".uname", ".initrd", ".linux"]
        );
    }
}
