//! Kernel modules.

use std::{fs::File, io, path::Path};

use rustix::{io::Errno, system};

/// `MODULE_INIT_COMPRESSED_FILE` of linux/module.h: the kernel decompresses.
const COMPRESSED: i32 = 4;

/// Loads the module at `path` without parameters; one that is loaded already is no error.
///
/// A name that does not end in `.ko` is taken for a compressed module, which needs a kernel with
/// `CONFIG_MODULE_DECOMPRESS`. Returns after the module's own init function.
///
/// # Errors
/// As open(2) and finit_module(2).
pub fn load(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = if plain { 0 } else { COMPRESSED };
    match system::finit_module(&file, c"", flags) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
