//! The ESP of a disk, read by mtools, which is not ours.

use std::path::Path;

use anyhow::Result;

use crate::bedplate;

/// Where the ESP begins on every disk: the first partition is aligned to 1 MiB.
const OFFSET: &str = "1M";

/// File names in `EFI/Linux`.
///
/// # Errors
/// mtools refuses the file system.
pub fn entries(disk: &Path) -> Result<Vec<String>> {
    let image = format!("{}@@{OFFSET}", disk.display());
    let listing = bedplate::succeed(&["tool", "mdir", "-b", "-i", &image, "::EFI/Linux"])?;
    let names = listing.lines().filter_map(|line| line.rsplit('/').next());
    Ok(names
        .filter(|name| name.ends_with(".efi"))
        .map(str::to_owned)
        .collect())
}
