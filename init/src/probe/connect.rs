//! One TCP connection on its way.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
};

use bedplate_sys::{poll::Interest, socket};

/// A connection that was begun.
#[derive(Debug)]
pub(super) struct Connecting(TcpStream);

impl Connecting {
    pub fn begin(address: SocketAddr) -> io::Result<Self> {
        socket::connect_tcp(address).map(Self)
    }

    pub fn watch(&self) -> (BorrowedFd<'_>, Interest) {
        (self.0.as_fd(), Interest::Write)
    }

    /// Whether the connection stands; called once it is writable.
    pub fn advance(&mut self) -> io::Result<bool> {
        self.0.take_error()?.map_or(Ok(()), Err)?;
        Ok(self.0.peer_addr().is_ok())
    }

    /// The stream, which stays non-blocking.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.0
    }
}
