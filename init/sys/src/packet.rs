//! A packet socket for DHCP: IPv4 on one link, before the link has an address.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    libc,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socket},
};

/// EtherType of IPv4, in network order, as `sockaddr_ll` has it.
const ETH_P_IP: u16 = 0x0800u16.to_be();

/// Classic BPF over an IPv4 datagram: UDP, not a later fragment, to port 68; else nothing.
///
/// Without it PID 1 would wake for every packet that the host receives.
const FILTER: [libc::sock_filter; 9] = [
    op(0x30, 0, 0, 9),       // A = protocol
    op(0x15, 0, 6, 17),      // UDP, or reject
    op(0x28, 0, 0, 6),       // A = flags and fragment offset
    op(0x45, 4, 0, 0x1fff),  // a later fragment: reject
    op(0xb1, 0, 0, 0),       // X = header length
    op(0x48, 0, 0, 2),       // A = destination port at X + 2
    op(0x15, 0, 1, 68),      // the client's, or reject
    op(0x06, 0, 0, 0x40000), // accept
    op(0x06, 0, 0, 0),       // reject
];

const fn op(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// A non-blocking socket that sends IPv4 datagrams to a link's broadcast address and receives those
/// for UDP port 68.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    link: i32,
}

impl Socket {
    /// A socket on the link with index `link`.
    ///
    /// # Errors
    /// As socket(2), setsockopt(2), bind(2).
    pub fn open(link: u32) -> io::Result<Self> {
        let link = i32::try_from(link).map_err(|_| io::ErrorKind::InvalidInput)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Protocol 0 receives nothing: no packet slips in before the filter stands.
        let fd = socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
        let socket = Self { fd, link };
        socket.attach_filter()?;
        socket.bind()?;
        Ok(socket)
    }

    fn attach_filter(&self) -> io::Result<()> {
        let mut filter = FILTER;
        let program = libc::sock_fprog {
            len: 9,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: `program` points to nine live instructions; the kernel copies them.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of_val(&program) as libc::socklen_t,
            )
        };
        Errno::result(result)?;
        Ok(())
    }

    fn address(&self) -> libc::sockaddr_ll {
        libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: ETH_P_IP,
            sll_ifindex: self.link,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
        }
    }

    fn bind(&self) -> io::Result<()> {
        let address = self.address();
        // SAFETY: the pointer is to a live `sockaddr_ll` of the size given.
        let result = unsafe {
            libc::bind(
                self.fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        };
        Errno::result(result)?;
        Ok(())
    }

    /// Sends one IPv4 datagram, header included, to every host on the link.
    ///
    /// # Errors
    /// As sendto(2); `ENETDOWN` while the link is down.
    pub fn broadcast(&self, datagram: &[u8]) -> io::Result<()> {
        let address = self.address();
        // SAFETY: buffer and address are live, their lengths those given.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                datagram.as_ptr().cast(),
                datagram.len(),
                0,
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        };
        Errno::result(sent)?;
        Ok(())
    }

    /// One IPv4 datagram, header included; `None` when none waits.
    ///
    /// # Errors
    /// As recv(2).
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; 2048];
        match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => {
                buffer.truncate(length);
                Ok(Some(buffer))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
