//! Kernel modules.

use std::{fs::File, io, path::Path};

use rustix::{io::Errno, system};

/// `MODULE_INIT_COMPRESSED_FILE` of linux/module.h: the kernel decompresses.
const COMPRESSED: i32 = 4;

/// What became of a module that the kernel took or turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It runs, from now or from before.
    Ready,
    /// It found none of its hardware.
    NoDevice,
    /// A symbol that it needs is not there: a module before it is not loaded.
    NoDependency,
}

/// Loads the module at `path` without parameters; one that is loaded already is ready.
///
/// A name that does not end in `.ko` is taken for a compressed module, which needs a kernel with
/// `CONFIG_MODULE_DECOMPRESS`. Returns after the module's own init function.
///
/// # Errors
/// As open(2) and finit_module(2), but for what [`Loaded`] says.
pub fn load(path: &Path) -> io::Result<Loaded> {
    let file = File::open(path)?;
    let plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = if plain { 0 } else { COMPRESSED };
    match system::finit_module(&file, c"", flags) {
        Ok(()) | Err(Errno::EXIST) => Ok(Loaded::Ready),
        Err(Errno::NODEV) => Ok(Loaded::NoDevice),
        Err(Errno::NOENT) => Ok(Loaded::NoDependency),
        Err(error) => Err(error.into()),
    }
}
