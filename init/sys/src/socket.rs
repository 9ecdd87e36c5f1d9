//! Sockets beyond what `std` offers.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::{
    fs::OFlags,
    net::{AddressFamily, SocketFlags, SocketType, connect, socket_with},
};

/// Begins a TCP connection without waiting for it.
///
/// The stream is non-blocking. Once it is writable, [`TcpStream::take_error`] tells whether the
/// connection stands.
///
/// # Errors
/// What the kernel knows at once, such as a refused connection to the machine itself.
pub fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

/// Numeric user of the process at the other end, as it was when it connected.
///
/// # Errors
/// A socket that has no peer.
pub fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    Ok(getsockopt(stream, PeerCredentials)?.uid())
}

/// Makes reads and writes of `fd` return at once.
///
/// # Errors
/// What `fcntl` says.
pub fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    Ok(rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?)
}
