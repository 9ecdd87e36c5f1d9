//! Loopback, and the first Ethernet link with a carrier: static or by DHCP.
//!
//! Never blocks: the event loop polls [`Network::fd`] until [`Network::deadline`] and calls
//! [`Network::turn`], for as long as the machine runs; leases are renewed that way. At boot
//! [`Network::wait`] does the same for a bounded time.

mod client;
mod datagram;
pub mod dhcp;
pub mod link;
mod message;

use std::{
    io,
    net::Ipv4Addr,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bedplate_contract::appliance::{self, NetworkMode};
use bedplate_sys::{clock, netlink};

use crate::{
    durable::{self, DurableError},
    identity::RandomError,
    watchdog,
};
use client::{Client, configure};
use dhcp::Lease;
use link::Link;

/// Event of a link that has its address: `link`, `address`, `gateway`.
pub const UP: &str = "network.up";
/// Event of a link that lost its address: `link`, `address`.
pub const DOWN: &str = "network.down";

const SYS_NET: &str = "/sys/class/net";
/// What `/etc/resolv.conf` of the root points to.
const RESOLV_CONF: &str = "/run/resolv.conf";
/// Between two looks for a link with carrier, while the boot waits and later.
const LOOK: Duration = Duration::from_millis(50);
const LOOK_LATER: Duration = Duration::from_secs(1);
/// Until when since the start a link is looked for often.
const HURRY: Duration = Duration::from_secs(30);
/// Between two turns of [`Network::wait`].
const POLL: Duration = Duration::from_millis(5);

/// A network that is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A socket.
    #[error("opening a {what} socket")]
    Socket {
        /// Kind of socket.
        what: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// A change of a link.
    #[error("{what} of link `{link}`")]
    Link {
        /// What was being done.
        what: &'static str,
        /// Kernel name.
        link: String,
        /// Cause.
        source: io::Error,
    },
    /// Links cannot be listed.
    #[error("listing links in `{SYS_NET}`")]
    List(#[source] io::Error),
    /// An address of the definition that the builder should have refused.
    #[error("expected a numeric IPv4 {what}, found `{found}`")]
    Address {
        /// `address with prefix`, `gateway` or `name server`.
        what: &'static str,
        /// As it is written.
        found: String,
    },
    /// Nobody can reach the machine.
    #[error("no address: {0}")]
    NoAddress(String),
    /// No seed.
    #[error("preparing DHCP")]
    Random(#[source] RandomError),
    /// Name servers could not be written.
    #[error("writing the name servers")]
    Resolv(#[source] DurableError),
}

/// The network as it is driven by the event loop.
#[derive(Debug)]
pub struct Network {
    netlink: netlink::Socket,
    hostname: String,
    state: State,
    started: Duration,
    next_look: Duration,
}

#[derive(Debug)]
enum State {
    /// Loopback alone.
    Off,
    /// No link with a carrier yet.
    Looking(Wanted),
    /// A fixed address is set.
    Fixed(Lease),
    /// DHCP drives the link.
    Dhcp(Box<Client>),
}

#[derive(Debug, Clone)]
enum Wanted {
    Fixed(Lease),
    Dhcp,
}

impl Network {
    /// Sets loopback and every Ethernet link up; the rest is done in turns.
    ///
    /// # Errors
    /// No netlink socket; addresses that cannot be parsed. Links that do not come up are looked for
    /// again.
    pub fn start(wanted: &appliance::Network, now: Duration) -> Result<Self, NetworkError> {
        let what = "netlink";
        let netlink = netlink::Socket::open();
        let netlink = netlink.map_err(|source| NetworkError::Socket { what, source })?;
        let state = match &wanted.mode {
            NetworkMode::None => State::Off,
            NetworkMode::Dhcp => State::Looking(Wanted::Dhcp),
            mode => State::Looking(Wanted::Fixed(fixed_lease(mode)?)),
        };
        let network = Self {
            netlink,
            hostname: wanted.hostname.clone(),
            state,
            started: now,
            next_look: now,
        };
        write_resolv_conf(&[])?;
        let loopback = link::set_up(&network.netlink, link::LOOPBACK);
        loopback.map_err(failed("setting up", "lo"))?;
        Ok(network)
    }

    /// Turns until there is an address, for at most `limit`; without DHCP or links it returns sooner
    /// or later, never later than that.
    ///
    /// # Errors
    /// The last failure, when there is no address at the end.
    pub fn wait(&mut self, limit: Duration) -> Result<(), NetworkError> {
        let end = clock::since_boot().saturating_add(limit);
        let mut result = Ok(());
        while !self.is_settled() && clock::since_boot() < end {
            if let Err(error) = self.turn(clock::since_boot()) {
                result = Err(error);
            }
            watchdog::pet();
            thread::sleep(POLL);
        }
        match self.is_settled() {
            true => Ok(()),
            false => result.and(Err(NetworkError::NoAddress(self.obstacle()))),
        }
    }

    /// What stands between the machine and an address, in words.
    fn obstacle(&self) -> String {
        let links = link::list(Path::new(SYS_NET)).unwrap_or_default();
        let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
        match (&self.state, names.as_slice()) {
            (State::Dhcp(client), _) => format!("no DHCP server answers on `{}`", client.link()),
            (_, []) => "no Ethernet link; the kernel may have no driver for it".to_owned(),
            (_, names) => format!("no carrier on `{}`", names.join("`, `")),
        }
    }

    /// Whether there is nothing to wait for: an address is set, or none is wanted.
    pub fn is_settled(&self) -> bool {
        matches!(self.state, State::Off) || self.lease().is_some()
    }

    /// What to poll for reading; `None` while there is nothing to read.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Dhcp(client) => Some(client.fd()),
            _ => None,
        }
    }

    /// When the next turn is due, since the kernel started; `None` for never.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Off | State::Fixed(_) => None,
            State::Looking(_) => Some(self.next_look),
            State::Dhcp(client) => Some(client.deadline()),
        }
    }

    /// `a.b.c.d/prefix`, when there is one.
    pub fn address(&self) -> Option<String> {
        let lease = self.lease()?;
        Some(format!("{}/{}", lease.address, lease.prefix))
    }

    fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Off | State::Looking(_) => None,
            State::Fixed(lease) => Some(lease),
            State::Dhcp(client) => client.lease(),
        }
    }

    /// Takes what can be read and does what is due. Returns at once; after it the deadline lies in
    /// the future.
    ///
    /// # Errors
    /// What went wrong now; the network goes on and tries again by itself.
    pub fn turn(&mut self, now: Duration) -> Result<(), NetworkError> {
        match &mut self.state {
            State::Off | State::Fixed(_) => Ok(()),
            State::Looking(wanted) => {
                let wanted = wanted.clone();
                self.look(wanted, now)
            }
            State::Dhcp(client) => client.turn(&self.netlink, now),
        }
    }

    /// Sets links up until one has a carrier.
    fn look(&mut self, wanted: Wanted, now: Duration) -> Result<(), NetworkError> {
        if now < self.next_look {
            return Ok(());
        }
        let hurry = now < self.started.saturating_add(HURRY);
        let pause = if hurry { LOOK } else { LOOK_LATER };
        self.next_look = now.saturating_add(pause);
        let links = link::list(Path::new(SYS_NET)).map_err(NetworkError::List)?;
        for link in links.iter().filter(|link| !link.has_carrier) {
            let up = link::set_up(&self.netlink, link.index);
            up.map_err(failed("setting up", &link.name))?;
        }
        match links.into_iter().find(|link| link.has_carrier) {
            Some(link) => self.take(link, wanted, now),
            None => Ok(()),
        }
    }

    fn take(&mut self, link: Link, wanted: Wanted, now: Duration) -> Result<(), NetworkError> {
        match wanted {
            Wanted::Fixed(lease) => {
                configure(&self.netlink, &link, &lease)?;
                self.state = State::Fixed(lease);
                Ok(())
            }
            Wanted::Dhcp => {
                let mut client = Box::new(Client::new(link, &self.hostname, now)?);
                let result = client.turn(&self.netlink, now);
                self.state = State::Dhcp(client);
                result
            }
        }
    }
}

fn write_resolv_conf(nameservers: &[Ipv4Addr]) -> Result<(), NetworkError> {
    let lines = nameservers
        .iter()
        .map(|server| format!("nameserver {server}\n"));
    let text: String = lines.collect();
    let path = PathBuf::from(RESOLV_CONF);
    durable::write(&path, text.as_bytes(), 0o644).map_err(NetworkError::Resolv)
}

fn fixed_lease(mode: &NetworkMode) -> Result<Lease, NetworkError> {
    let NetworkMode::Static {
        address,
        gateway,
        nameservers,
    } = mode
    else {
        return Err(bad("address with prefix")(""));
    };
    let (ip, prefix) = address.split_once('/').unwrap_or((address, ""));
    let prefix: u8 = prefix.parse().unwrap_or(u8::MAX);
    if prefix > 32 {
        return Err(bad("address with prefix")(address));
    }
    let servers = nameservers.iter().map(|text| parse("name server", text));
    Ok(Lease {
        address: parse("address with prefix", ip)?,
        prefix,
        gateway: gateway
            .as_ref()
            .map(|text| parse("gateway", text))
            .transpose()?,
        nameservers: servers.collect::<Result<_, _>>()?,
        mtu: None,
    })
}

fn parse(what: &'static str, text: &str) -> Result<Ipv4Addr, NetworkError> {
    text.parse().map_err(|_| bad(what)(text))
}

fn bad(what: &'static str) -> impl Fn(&str) -> NetworkError {
    move |found| NetworkError::Address {
        what,
        found: found.to_owned(),
    }
}

fn failed(what: &'static str, link: &str) -> impl FnOnce(io::Error) -> NetworkError {
    let link = link.to_owned();
    move |source| NetworkError::Link { what, link, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(address: &str, gateway: Option<&str>) -> Result<Lease, NetworkError> {
        fixed_lease(&NetworkMode::Static {
            address: address.to_owned(),
            gateway: gateway.map(str::to_owned),
            nameservers: vec!["192.0.2.53".to_owned()],
        })
    }

    #[test]
    fn fixed_addresses_are_parsed() {
        let lease = fixed("192.0.2.7/24", Some("192.0.2.1")).unwrap();
        assert_eq!(
            (lease.address, lease.prefix),
            (Ipv4Addr::new(192, 0, 2, 7), 24)
        );
        assert_eq!(lease.gateway, Some(Ipv4Addr::new(192, 0, 2, 1)));
        for address in ["192.0.2.7", "192.0.2.7/33", "host/24", ""] {
            assert!(fixed(address, None).is_err(), "{address}");
        }
        assert!(fixed("192.0.2.7/24", Some("gw")).is_err());
    }
}
