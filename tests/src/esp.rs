//! The ESP of a disk, read by mtools, which is not ours.

use std::path::Path;

use anyhow::Result;

use crate::toolbox;

/// Where the ESP begins on every disk: the first partition is aligned to 1 MiB.
const OFFSET: &str = "1M";

/// The ESP of `disk` as mtools name it.
pub fn image(disk: &Path) -> String {
    format!("{}@@{OFFSET}", disk.display())
}

/// File names in `EFI/Linux`, sorted; those that the loader looks at, which is whatever ends in
/// `.efi` in any case.
///
/// # Errors
/// mtools refuses the file system.
pub fn entries(disk: &Path) -> Result<Vec<String>> {
    let listing = toolbox::succeed(&["mdir", "-b", "-i", &image(disk), "::EFI/Linux"])?;
    let names = listing.lines().filter_map(|line| line.rsplit('/').next());
    let mut names: Vec<_> = names
        .filter(|name| name.to_ascii_lowercase().ends_with(".efi"))
        .map(str::to_owned)
        .collect();
    names.sort();
    Ok(names)
}
