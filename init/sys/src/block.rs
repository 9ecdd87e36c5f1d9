//! Block devices.
//!
//! Source: linux/fs.h, linux/blkpg.h.

use std::{
    ffi::c_void,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

use nix::libc;

mod raw {
    nix::ioctl_read!(blkgetsize64, 0x12, 114, u64);
    nix::ioctl_none!(blkrrpart, 0x12, 95);
    nix::ioctl_read_bad!(blksszget, 0x1268, i32);
}

/// `BLKPG` of linux/blkpg.h, `_IO(0x12, 105)`.
const BLKPG: libc::Ioctl = 0x1269;
/// `BLKPG_RESIZE_PARTITION`.
const RESIZE: i32 = 3;

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct Argument {
    operation: i32,
    flags: i32,
    length: i32,
    data: *mut c_void,
}

/// `struct blkpg_partition`.
#[repr(C)]
struct Extent {
    start: i64,
    length: i64,
    number: i32,
    names: [u8; 128],
}

/// A partition's place on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// From 1.
    pub number: u32,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub length: u64,
}

/// Opens a block device for reading and writing that nothing else holds: no mount, no mapped device.
///
/// A plain file is opened as it is.
///
/// # Errors
/// As open(2); `EBUSY` for a device that is in use.
pub fn open_unused(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_EXCL);
    options.open(path)
}

/// Size of the block device in bytes.
///
/// # Errors
/// `ENOTTY` for what is no block device.
pub fn size(device: &File) -> io::Result<u64> {
    let mut bytes = 0;
    // SAFETY: `BLKGETSIZE64` writes one u64 through the pointer, which is that of a live local.
    unsafe { raw::blkgetsize64(device.as_raw_fd(), &mut bytes) }?;
    Ok(bytes)
}

/// Bytes of one logical sector.
///
/// # Errors
/// `ENOTTY` for what is no block device.
pub fn sector_size(device: &File) -> io::Result<u32> {
    let mut bytes = 0;
    // SAFETY: `BLKSSZGET` writes one int through the pointer, which is that of a live local.
    unsafe { raw::blksszget(device.as_raw_fd(), &mut bytes) }?;
    u32::try_from(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads the partition table again.
///
/// # Errors
/// `EBUSY` while a partition of the disk is in use.
pub fn reread_partitions(disk: &File) -> io::Result<()> {
    // SAFETY: `BLKRRPART` takes no argument.
    unsafe { raw::blkrrpart(disk.as_raw_fd()) }?;
    Ok(())
}

/// Tells the kernel the new length of a partition, which may be mounted; writes nothing to the disk.
///
/// # Errors
/// `EINVAL` for a length that is no multiple of the sector, `EBUSY` where it overlaps another,
/// `ENXIO` for a number that the kernel does not know.
pub fn resize_partition(disk: &File, partition: Partition) -> io::Result<()> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut extent = Extent {
        start: i64::try_from(partition.start).map_err(invalid)?,
        length: i64::try_from(partition.length).map_err(invalid)?,
        number: i32::try_from(partition.number).map_err(invalid)?,
        names: [0; 128],
    };
    let mut argument = Argument {
        operation: RESIZE,
        flags: 0,
        length: i32::try_from(size_of::<Extent>()).map_err(invalid)?,
        data: (&raw mut extent).cast(),
    };
    blkpg(disk.as_raw_fd(), &mut argument)
}

fn blkpg(disk: RawFd, argument: &mut Argument) -> io::Result<()> {
    // SAFETY: `argument` is a `struct blkpg_ioctl_arg` whose data points to a live
    // `struct blkpg_partition`; the kernel reads both during the call and keeps neither.
    let result = unsafe { libc::ioctl(disk, BLKPG, std::ptr::from_mut(argument)) };
    nix::errno::Errno::result(result)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_the_kernel_s() {
        assert_eq!(size_of::<Argument>(), 24);
        assert_eq!(size_of::<Extent>(), 152);
    }

    #[test]
    fn a_file_is_no_block_device() {
        let file = File::open("/proc/version").unwrap();
        assert!(size(&file).is_err());
    }
}
