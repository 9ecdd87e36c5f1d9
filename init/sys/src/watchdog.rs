//! The hardware watchdog: resets a machine whose PID 1 falls silent.
//!
//! Source: kernel Documentation/watchdog/watchdog-api.rst; linux/watchdog.h.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::fd::AsRawFd,
    path::Path,
};

/// The first watchdog that a driver registered.
pub const DEVICE: &str = "/dev/watchdog";

/// What tells the driver that the close which follows is meant ("magic close").
const MAGIC: &[u8] = b"V";

mod raw {
    // `_IOR` in the header, though the kernel writes nothing.
    nix::ioctl_read!(keep_alive, b'W', 5, i32);
    nix::ioctl_readwrite!(set_timeout, b'W', 6, i32);
    nix::ioctl_read!(get_timeout, b'W', 7, i32);
}

/// An open watchdog. It ticks from the moment it is opened.
///
/// Dropping it leaves it ticking: whoever takes over must open it within its time.
#[derive(Debug)]
pub struct Watchdog(File);

impl Watchdog {
    /// Opens and thereby starts the watchdog at `device`, with the time it had or the driver's.
    ///
    /// # Errors
    /// `ENOENT` or `ENODEV` where there is none; `EBUSY` while another process has it open.
    pub fn open(device: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).open(device).map(Self)
    }

    /// Resets the machine after `seconds` without [`Self::keep_alive`]; returns the seconds that
    /// the hardware made of it.
    ///
    /// # Errors
    /// `EINVAL` for a time out of the hardware's range, `EOPNOTSUPP` where it is fixed.
    pub fn set_timeout(&self, seconds: u32) -> io::Result<u32> {
        let mut value = i32::try_from(seconds).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: `WDIOC_SETTIMEOUT` reads and writes one int, which is that of a live local.
        unsafe { raw::set_timeout(self.0.as_raw_fd(), &mut value) }?;
        u32::try_from(value).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Seconds without [`Self::keep_alive`] after which it resets the machine.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the driver does not know.
    pub fn timeout(&self) -> io::Result<u32> {
        let mut value = 0;
        // SAFETY: `WDIOC_GETTIMEOUT` writes one int through the pointer to a live local.
        unsafe { raw::get_timeout(self.0.as_raw_fd(), &mut value) }?;
        u32::try_from(value).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Begins its time anew.
    ///
    /// # Errors
    /// As ioctl(2).
    pub fn keep_alive(&self) -> io::Result<()> {
        let mut unused = 0;
        // SAFETY: `WDIOC_KEEPALIVE` looks at no argument; what it is given is a live local.
        unsafe { raw::keep_alive(self.0.as_raw_fd(), &mut unused) }?;
        Ok(())
    }

    /// Stops it; a driver without "magic close" or with `nowayout` goes on ticking all the same.
    ///
    /// # Errors
    /// As write(2).
    pub fn disarm(mut self) -> io::Result<()> {
        self.0.write_all(MAGIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From linux/watchdog.h: `_IOR('W', 5, int)`, `_IOWR('W', 6, int)`, `_IOR('W', 7, int)`.
    #[test]
    fn command_codes_are_the_kernel_s() {
        assert_eq!(nix::request_code_readwrite!(b'W', 6, 4), 0xc004_5706);
        assert_eq!(nix::request_code_read!(b'W', 7, 4), 0x8004_5707);
        assert_eq!(nix::request_code_read!(b'W', 5, 4), 0x8004_5705);
    }

    #[test]
    fn a_file_is_no_watchdog() {
        let watchdog = Watchdog::open(Path::new("/dev/null")).unwrap();
        assert!(watchdog.set_timeout(60).is_err());
        assert!(watchdog.timeout().is_err());
        assert!(watchdog.keep_alive().is_err());
        assert!(watchdog.disarm().is_ok());
        assert!(Watchdog::open(Path::new("/dev/no-such-watchdog")).is_err());
    }
}
