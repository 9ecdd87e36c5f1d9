//! A link under DHCP: the state machine with its sockets, and what a lease means to the kernel.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use bedplate_sys::{netlink, packet};

use super::{
    DOWN, NetworkError, UP, datagram,
    dhcp::{Action, Dhcp, Identity, Lease},
    failed,
    link::{self, Link},
    write_resolv_conf,
};
use crate::{console, identity};

/// Packets taken in one turn: a flood must not hold the event loop.
const PACKETS: usize = 32;

/// A link under DHCP.
#[derive(Debug)]
pub struct Client {
    link: Link,
    dhcp: Dhcp,
    socket: packet::Socket,
    // Bound to the client's port while there is an address, so that the kernel does not tell the
    // server that nobody listens.
    unicast: Option<UdpSocket>,
}

impl Client {
    /// A client on `link` whose first message is due now.
    ///
    /// # Errors
    /// No packet socket, no random numbers.
    pub fn new(link: Link, hostname: &str, now: Duration) -> Result<Self, NetworkError> {
        let what = "packet";
        let socket = packet::Socket::open(link.index);
        let socket = socket.map_err(|source| NetworkError::Socket { what, source })?;
        let identity = Identity {
            mac: link.mac,
            hostname: hostname.to_owned(),
            seed: u64::from_ne_bytes(identity::bytes().map_err(NetworkError::Random)?),
        };
        Ok(Self {
            link,
            dhcp: Dhcp::new(identity, now),
            socket,
            unicast: None,
        })
    }

    /// Name of its link.
    pub fn link(&self) -> &str {
        &self.link.name
    }

    /// What to poll for reading.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// When the next turn is due.
    pub fn deadline(&self) -> Duration {
        self.dhcp.deadline()
    }

    /// The lease that is held.
    pub fn lease(&self) -> Option<&Lease> {
        self.dhcp.lease()
    }

    /// Takes what can be read, at most [`PACKETS`], and does what is due.
    ///
    /// # Errors
    /// The first failure; everything is tried.
    pub fn turn(&mut self, netlink: &netlink::Socket, now: Duration) -> Result<(), NetworkError> {
        let mut actions = Vec::new();
        let mut received = Ok(());
        for _ in 0..PACKETS {
            match self.socket.receive() {
                Ok(None) => break,
                Ok(Some(datagram)) => {
                    if let Some(message) = datagram::unwrap(&datagram) {
                        actions.extend(self.dhcp.on_packet(now, message));
                    }
                }
                Err(error) => {
                    received = Err(failed("receiving", &self.link.name)(error));
                    break;
                }
            }
        }
        actions.extend(self.dhcp.on_timer(now));
        // Every action is tried: a lost packet is sent again, a lost address is not.
        let done = actions.iter().map(|action| self.perform(netlink, action));
        done.fold(received, Result::and)
    }

    fn perform(&mut self, netlink: &netlink::Socket, action: &Action) -> Result<(), NetworkError> {
        let sending = failed("sending", &self.link.name);
        match action {
            Action::Broadcast(source, message) => {
                let datagram = datagram::wrap(*source, message);
                self.socket.broadcast(&datagram).map_err(sending)
            }
            Action::Unicast(server, message) => self.send(*server, message).map_err(sending),
            Action::Configure(lease) => {
                let result = configure(netlink, &self.link, lease);
                self.unicast = listen(lease.address).ok();
                result
            }
            Action::Deconfigure(lease) => {
                self.unicast = None;
                deconfigure(netlink, &self.link, lease)
            }
        }
    }

    fn send(&self, server: Ipv4Addr, message: &[u8]) -> io::Result<()> {
        let socket = self.unicast.as_ref();
        let socket = socket.ok_or(io::ErrorKind::NotConnected)?;
        socket.send_to(message, (server, 67)).map(drop)
    }
}

/// Answers are read from the packet socket, which sees them too; this one's queue fills and stays so.
fn listen(address: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, 68))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Gives the link the address, the default route and the name servers of `lease`.
///
/// # Errors
/// The first failure; what came before it stays.
pub fn configure(
    netlink: &netlink::Socket,
    link: &Link,
    lease: &Lease,
) -> Result<(), NetworkError> {
    // An MTU that the device refuses must not cost the address.
    let mtu = lease.mtu.map_or(Ok(()), |mtu| {
        let set = link::set_mtu(netlink, link.index, mtu);
        set.map_err(failed("setting the MTU", &link.name))
    });
    let added = link::add_address(netlink, link.index, lease.address, lease.prefix);
    added.map_err(failed("setting the address", &link.name))?;
    let mut event = console::event(UP)
        .with("link", &link.name)
        .with("address", format!("{}/{}", lease.address, lease.prefix));
    if let Some(gateway) = lease.gateway {
        let routed = link::set_default_route(netlink, link.index, gateway);
        routed.map_err(failed("setting the default route", &link.name))?;
        event = event.with("gateway", gateway);
    }
    console::emit(&event);
    write_resolv_conf(&lease.nameservers).and(mtu)
}

/// The routes go with the address.
fn deconfigure(netlink: &netlink::Socket, link: &Link, lease: &Lease) -> Result<(), NetworkError> {
    let address = format!("{}/{}", lease.address, lease.prefix);
    let event = console::event(DOWN).with("link", &link.name);
    console::emit(&event.with("address", address));
    let removed = link::remove_address(netlink, link.index, lease.address, lease.prefix);
    removed.map_err(failed("removing the address", &link.name))?;
    write_resolv_conf(&[])
}
