//! Device mapper: one read-only device with one target.
//!
//! Source: linux/dm-ioctl.h, interface version 4.

use std::{fs::OpenOptions, io, os::fd::AsRawFd, path::PathBuf};

use nix::{errno::Errno, libc, request_code_readwrite};

/// Node of the control device; there once the `dm-mod` module is loaded.
pub const CONTROL: &str = "/dev/mapper/control";

/// Size of `struct dm_ioctl`.
const HEADER: usize = 312;
/// Size of `struct dm_target_spec`.
const TARGET: usize = 40;

const DEV_CREATE: u8 = 3;
const DEV_REMOVE: u8 = 4;
const DEV_SUSPEND: u8 = 6;
const TABLE_LOAD: u8 = 9;

/// `DM_READONLY_FLAG`.
const READ_ONLY: u32 = 1;

/// What a device consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table<'a> {
    /// Length in sectors of 512 bytes.
    pub sectors: u64,
    /// Name of the target type, such as `verity`; at most 15 bytes.
    pub target: &'a str,
    /// Parameters of the target; no NUL.
    pub parameters: &'a str,
}

/// Makes the device `name` (at most 127 bytes), read-only and ready, and returns its node.
///
/// A device that cannot be made ready is removed again.
///
/// # Errors
/// As open(2) of [`CONTROL`]; `EBUSY` for a name that is taken; what the target says of its
/// parameters (the kernel log has its words); `InvalidInput` for what the formats cannot hold.
pub fn create(name: &str, table: &Table<'_>) -> io::Result<PathBuf> {
    let created = call(DEV_CREATE, &header(name, 0, 0)?)?;
    let ready = load(name, table).and_then(|()| resume(name));
    if let Err(error) = ready {
        // The first error says more than one of the clean-up could.
        let _ = header(name, 0, 0).and_then(|request| call(DEV_REMOVE, &request));
        return Err(error);
    }
    let minor = device_minor(&created).ok_or(io::ErrorKind::InvalidData)?;
    Ok(PathBuf::from(format!("/dev/dm-{minor}")))
}

fn load(name: &str, table: &Table<'_>) -> io::Result<()> {
    let mut request = header(name, READ_ONLY, 1)?;
    request.extend(target_spec(table)?);
    let length = u32::try_from(request.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    put(&mut request, 12, &length.to_ne_bytes());
    call(TABLE_LOAD, &request).map(drop)
}

fn resume(name: &str) -> io::Result<()> {
    call(DEV_SUSPEND, &header(name, READ_ONLY, 0)?).map(drop)
}

fn header(name: &str, flags: u32, targets: u32) -> io::Result<Vec<u8>> {
    if name.len() >= 128 || name.contains('\0') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = vec![0; HEADER];
    put(&mut bytes, 0, &4u32.to_ne_bytes());
    put(&mut bytes, 12, &(HEADER as u32).to_ne_bytes());
    put(&mut bytes, 16, &(HEADER as u32).to_ne_bytes());
    put(&mut bytes, 20, &targets.to_ne_bytes());
    put(&mut bytes, 28, &flags.to_ne_bytes());
    put(&mut bytes, 48, name.as_bytes());
    Ok(bytes)
}

fn target_spec(table: &Table<'_>) -> io::Result<Vec<u8>> {
    let bad = table.target.len() >= 16 || table.target.contains('\0');
    if bad || table.parameters.contains('\0') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = vec![0; TARGET];
    put(&mut bytes, 8, &table.sectors.to_ne_bytes());
    put(&mut bytes, 24, table.target.as_bytes());
    bytes.extend(table.parameters.as_bytes());
    bytes.push(0);
    // Kernel: the next target would have to be 8-byte aligned; so is the end.
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    Ok(bytes)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let room = bytes.iter_mut().skip(at);
    room.zip(value).for_each(|(byte, new)| *byte = *new);
}

/// Runs one command; returns the header that the kernel wrote back.
fn call(command: u8, request: &[u8]) -> io::Result<Vec<u8>> {
    let control = OpenOptions::new().read(true).write(true).open(CONTROL)?;
    let mut buffer = request.to_vec();
    let code = request_code_readwrite!(0xfd, command, HEADER);
    // SAFETY: `buffer` starts with a `struct dm_ioctl` whose data_size is the length of the buffer
    // at most; the kernel reads and writes no further.
    let result = unsafe { libc::ioctl(control.as_raw_fd(), code, buffer.as_mut_ptr()) };
    Errno::result(result)?;
    Ok(buffer)
}

/// Minor number out of `dev`, which is in the kernel's `huge_encode_dev` form.
fn device_minor(header: &[u8]) -> Option<u64> {
    let bytes = header.get(40..48)?.try_into().ok()?;
    let device = u64::from_ne_bytes(bytes);
    Some((device & 0xff) | ((device >> 12) & 0xf_ff00))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_codes_are_the_kernel_s() {
        // From `strace -X raw dmsetup`.
        assert_eq!(
            request_code_readwrite!(0xfd, DEV_CREATE, HEADER),
            0xc138_fd03
        );
        assert_eq!(
            request_code_readwrite!(0xfd, TABLE_LOAD, HEADER),
            0xc138_fd09
        );
    }

    #[test]
    fn minors_are_decoded() {
        let mut bytes = vec![0; HEADER];
        put(&mut bytes, 40, &(0xfd00u64 | 5).to_ne_bytes());
        assert_eq!(device_minor(&bytes), Some(5));
        assert_eq!(device_minor(&[]), None);
    }

    #[test]
    fn requests_are_laid_out() {
        let table = Table {
            sectors: 8,
            target: "verity",
            parameters: "1 a b",
        };
        let spec = target_spec(&table).unwrap();
        assert_eq!(spec.len(), 48);
        assert_eq!(&spec[24..31], b"verity\0");
        assert_eq!(&spec[40..46], b"1 a b\0");
        let header = header("root", READ_ONLY, 1).unwrap();
        assert_eq!(&header[48..53], b"root\0");
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        for name in ["x".repeat(128).as_str(), "a\0b"] {
            assert!(header(name, 0, 0).is_err());
        }
    }
}
