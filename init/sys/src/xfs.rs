//! XFS: size and growth of a mounted file system.
//!
//! Source: `XFS_IOC_FSGEOMETRY_V1`, `XFS_IOC_FSGROWFSDATA` of the kernel's xfs_fs.h.

use std::{fs::File, io, os::fd::AsRawFd};

/// `struct xfs_fsop_geom_v1`, as far as it is read here.
#[repr(C, align(8))]
#[derive(Default)]
struct RawGeometry {
    block_size: u32,
    skipped: [u32; 6],
    inode_percent: u32,
    data_blocks: u64,
    rest: [u64; 9],
}

/// `struct xfs_growfs_data`.
#[repr(C)]
struct RawGrowth {
    blocks: u64,
    inode_percent: u32,
}

mod raw {
    use super::{RawGeometry, RawGrowth};
    nix::ioctl_read!(geometry, b'X', 100, RawGeometry);
    nix::ioctl_write_ptr!(grow, b'X', 110, RawGrowth);
}

/// Size of an XFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of one block.
    pub block_size: u32,
    /// Blocks of the data section.
    pub blocks: u64,
    /// Percentage of the space that inodes may take.
    pub inode_percent: u32,
}

/// Size of the XFS that `directory` is on.
///
/// # Errors
/// `ENOTTY` on any other file system.
pub fn geometry(directory: &File) -> io::Result<Geometry> {
    let mut geometry = RawGeometry::default();
    // SAFETY: the kernel writes 112 bytes, the size of `RawGeometry`, to a live local.
    unsafe { raw::geometry(directory.as_raw_fd(), &mut geometry) }?;
    Ok(Geometry {
        block_size: geometry.block_size,
        blocks: geometry.data_blocks,
        inode_percent: geometry.inode_percent,
    })
}

/// Grows the XFS that `directory` is on to `geometry.blocks`; logged, so safe under power loss.
///
/// # Errors
/// `EINVAL` for fewer blocks than now or more than the device has.
pub fn grow(directory: &File, geometry: Geometry) -> io::Result<()> {
    let growth = RawGrowth {
        blocks: geometry.blocks,
        inode_percent: geometry.inode_percent,
    };
    // SAFETY: the kernel reads one `struct xfs_growfs_data` from a live local.
    unsafe { raw::grow(directory.as_raw_fd(), &growth) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_the_kernel_s() {
        assert_eq!(size_of::<RawGeometry>(), 112);
        assert_eq!(std::mem::offset_of!(RawGeometry, data_blocks), 32);
        assert_eq!(size_of::<RawGrowth>(), 16);
    }
}
