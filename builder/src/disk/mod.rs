//! A root tree and a kernel → what boots: EROFS image, hash tree, UKI, GPT disk.
//!
//! [`build`] writes into a directory that the caller moves into the store when everything is there.
//! The same request gives the same bytes on any host. Signing, other disk formats and the update
//! bundle are made of these artifacts elsewhere.

pub mod artifacts;
pub mod cpio;
pub mod error;
pub mod esp;
pub mod fat;
pub mod gpt;
pub mod guid;
pub mod initramfs;
pub mod layout;
pub mod modules;
pub mod output;
pub mod pe;
pub mod raw;
pub mod root;
pub mod uki;
pub mod verity;

use std::{fs, io, path::Path};

use bedplate_contract::{Digest, EntryName};

pub use self::{
    artifacts::{Artifact, Artifacts},
    error::DiskError,
};
use self::{error::unread, layout::Layout, modules::Modules};
use crate::{
    definition::{Disk, Image},
    layer::{KernelTree, tree::Tree},
    tool::Tools,
};

/// Version of what [`build`] makes; part of its key.
pub const VERSION: u32 = 2;
/// File name of the root image.
pub const ROOT: &str = "root.erofs";
/// File name of its hash tree.
pub const VERITY: &str = "root.verity";
/// File name of the disk.
pub const DISK: &str = "disk.raw";

const STUB: &str = "usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const LOADER: &str = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";

/// What a disk is made of.
#[derive(Debug, Clone, Copy)]
pub struct DiskRequest<'a> {
    /// Name and version.
    pub image: &'a Image,
    /// Sizes of the partitions, from the profile.
    pub disk: &'a Disk,
    /// Words that the profile adds to the kernel command line.
    pub cmdline: &'a [String],
    /// The merged root.
    pub root: &'a Path,
    /// Names the content of `root`.
    pub root_key: &'a Digest,
    /// The kernel image and its modules.
    pub kernel: &'a KernelTree,
    /// The init binary, `/init` of the initramfs.
    pub init: &'a [u8],
}

/// Makes everything in `directory`, which is empty and on a file system with sparse files.
///
/// On an error `directory` holds what was begun; the caller throws it away.
///
/// # Errors
/// Sizes that do not fit the profile, a kernel without what stage 1 needs, no space.
pub fn build(
    request: &DiskRequest<'_>,
    tools: &Tools,
    directory: &Path,
) -> Result<Artifacts, DiskError> {
    let image = directory.join(ROOT);
    root::write(tools, request.root, request.root_key, &image)?;
    let boot = Boot {
        stub: read_tool(tools, STUB)?,
        loader: read_tool(tools, LOADER)?,
    };
    assemble(request, &boot, directory)
}

/// The programs that stand before the kernel.
#[derive(Debug, Clone)]
pub struct Boot {
    /// `linuxx64.efi.stub` of systemd.
    pub stub: Vec<u8>,
    /// `systemd-bootx64.efi`.
    pub loader: Vec<u8>,
}

/// Makes everything else in `directory`, where [`ROOT`] is already.
///
/// # Errors
/// As [`build`].
pub fn assemble(
    request: &DiskRequest<'_>,
    boot: &Boot,
    directory: &Path,
) -> Result<Artifacts, DiskError> {
    let image = request.image;
    let [root, tree] = [ROOT, VERITY].map(|name| directory.join(name));
    let root_hash = verity::write(&root, &verity::salt(&image.name), &tree)?;
    let modules = Modules::open(&request.kernel.modules)?;
    let uki = uki(request, &boot.stub, &modules, &root_hash)?;
    let entry = EntryName::fresh(&image.name, &image.version);
    let parts = raw::Parts {
        root: &root,
        tree: &tree,
        esp: esp::Content {
            loader: &boot.loader,
            entry: &entry.to_string(),
            uki: &uki,
        },
        root_hash: &root_hash,
    };
    let size = fs::metadata(&root).map_err(|e| unread(&root, e))?.len();
    let layout = Layout::plan(request.disk, size)?;
    raw::write(&directory.join(DISK), &layout, &parts)?;
    let uki_name = entry.blessed().to_string();
    output::save(&directory.join(&uki_name), &uki)?;
    let artifacts = Artifacts::measure(directory, &uki_name, root_hash, modules.release())?;
    artifacts.save(directory)?;
    Ok(artifacts)
}

fn uki(
    request: &DiskRequest<'_>,
    stub: &[u8],
    modules: &Modules,
    root_hash: &Digest,
) -> Result<Vec<u8>, DiskError> {
    let image = request.image;
    let release = modules.release();
    let kernel = read(&request.kernel.vmlinuz)?;
    let parts = uki::Parts {
        os_release: &uki::os_release(&image.name, &image.version),
        command_line: &uki::command_line(
            root_hash,
            &EntryName::fresh(&image.name, &image.version),
            request.cmdline,
        ),
        release,
        initramfs: &initramfs::build(request.init, modules)?,
        kernel: &kernel,
    };
    Ok(uki::assemble(stub, &parts)?)
}

fn read_tool(tools: &Tools, path: &str) -> Result<Vec<u8>, DiskError> {
    let root = tools.root();
    let read = Tree::open(&root).and_then(|tree| tree.read(Path::new(path)));
    let read = read.map_err(|error| unread(&root.join(path), io::Error::other(error)))?;
    read.ok_or_else(|| unread(&root.join(path), io::ErrorKind::NotFound.into()))
}

fn read(path: &Path) -> Result<Vec<u8>, DiskError> {
    fs::read(path).map_err(|e| unread(path, e))
}

#[cfg(test)]
pub(crate) mod tests;
