//! A route netlink socket.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
        setsockopt, socket, sockopt,
    },
    time::{TimeVal, TimeValLike},
};

/// Milliseconds that an answer may take; the kernel answers within the send itself.
const TIMEOUT_MS: i64 = 2_000;

/// A socket of family `NETLINK_ROUTE`.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// A socket whose answers must come within two seconds.
    ///
    /// # Errors
    /// As socket(2) and bind(2).
    pub fn open() -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        let timeout = TimeVal::milliseconds(TIMEOUT_MS);
        setsockopt(&fd.as_fd(), sockopt::ReceiveTimeout, &timeout)?;
        Ok(Self(fd))
    }

    /// Sends whole messages to the kernel.
    ///
    /// # Errors
    /// As sendto(2).
    pub fn send(&self, messages: &[u8]) -> io::Result<()> {
        let kernel = NetlinkAddr::new(0, 0);
        let flags = MsgFlags::empty();
        let sent = sendto(self.0.as_raw_fd(), messages, &kernel, flags)?;
        let whole = sent == messages.len();
        whole.then_some(()).ok_or(io::ErrorKind::WriteZero.into())
    }

    /// One datagram of messages.
    ///
    /// # Errors
    /// As recv(2); `WouldBlock` when nothing came in time.
    pub fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 16 * 1024];
        let length = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        buffer.truncate(length);
        Ok(buffer)
    }
}
