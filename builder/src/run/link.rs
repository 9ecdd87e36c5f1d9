//! The network of a machine: QEMU's own, and one that two machines of this host share.
//!
//! A linked machine has its one network card on a switch with two more ports: QEMU's user network, for
//! this host and forwarded ports, and the other machine, by datagrams between two Unix sockets. So
//! neither takes privileges, and either machine may come late, leave and come back. Source: qemu(1),
//! "-netdev".

use std::{
    fs::{self, File, TryLockError},
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use bedplate_contract::appliance::NetworkMode;

use super::switch::{self, Cable, Cables};

/// What the user network needs in a network beside the machine: itself, and a name server.
const OWN_ADDRESSES: u32 = 2;
/// Longest path of a Unix socket, with its end (unix(7)).
const LONGEST_PATH: usize = 107;

/// A machine that cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The directory of the link.
    #[error("cannot join the link `{}`", path.display())]
    Directory {
        /// Directory, or a file in it.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Both ends have a machine.
    #[error("expected a free end of the link `{}`, found two machines on it", .0.display())]
    Full(PathBuf),
    /// A path that no socket can have.
    #[error(
        "expected a link whose sockets have paths of at most {LONGEST_PATH} bytes, found `{}`",
        .0.display()
    )]
    Long(PathBuf),
    /// A machine that asks for its address.
    #[error(
        "expected `[network] mode = \"static\"` for a machine on a link, found another mode: nobody hands out addresses there"
    )]
    NotStatic,
    /// A network without room.
    #[error(
        "expected a network of /29 or larger whose last {OWN_ADDRESSES} addresses are free for QEMU, found `{0}`"
    )]
    NoRoom(String),
}

impl LinkError {
    /// Whether the definition's `[network]` is what has to change.
    pub const fn is_definition(&self) -> bool {
        matches!(self, Self::NotStatic | Self::NoRoom(_))
    }
}

/// One of the two ends of a link; held while the value lives.
#[derive(Debug)]
pub struct End {
    wire: Cable,
    side: Side,
    _held: File,
}

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first machine.
    A,
    /// The second.
    B,
}

/// The cables of a linked machine, from QEMU's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Of its network card.
    pub card: Cable,
    /// Of its user network.
    pub user: Cable,
    /// Which end this machine has.
    pub side: Side,
}

impl End {
    /// Takes a free end of the link in `directory`, which is made when it is not there.
    ///
    /// # Errors
    /// Two machines have it, or the directory cannot be written.
    pub fn join(directory: &Path) -> Result<Self, LinkError> {
        fs::create_dir_all(directory).map_err(failed(directory))?;
        let directory = directory.canonicalize().map_err(failed(directory))?;
        for side in [Side::A, Side::B] {
            if let Some(held) = hold(&directory.join(side.name()).with_extension("lock"))? {
                return Self::new(&directory, side, held);
            }
        }
        Err(LinkError::Full(directory))
    }

    fn new(directory: &Path, side: Side, held: File) -> Result<Self, LinkError> {
        let own = directory.join(side.name());
        if own.as_os_str().len() > LONGEST_PATH {
            return Err(LinkError::Long(own));
        }
        let other = directory.join(side.other().name());
        Ok(Self {
            wire: Cable { own, other },
            side,
            _held: held,
        })
    }

    /// Starts the switch of the machine, with the other sockets in `scratch`; what QEMU is told of it.
    ///
    /// # Errors
    /// A socket cannot be made.
    pub fn connect(&self, scratch: &Path) -> Result<Link, LinkError> {
        let cable = |name: &str| Cable {
            own: scratch.join(name),
            other: scratch.join(format!("{name}-of-qemu")),
        };
        let cables = Cables {
            card: cable("card"),
            user: cable("user"),
            wire: self.wire.clone(),
        };
        switch::start(&cables).map_err(failed(&self.wire.own))?;
        Ok(Link {
            card: cables.card.turned(),
            user: cables.user.turned(),
            side: self.side,
        })
    }
}

/// The lock on `path`, unless another process has it; it goes with the process, however that ends.
fn hold(path: &Path) -> Result<Option<File>, LinkError> {
    let file = File::create(path).map_err(failed(path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(failed(path)(source)),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> LinkError {
    let path = path.to_owned();
    move |source| LinkError::Directory { path, source }
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The hardware address of the machine's card: two on one wire must differ.
    pub const fn mac(self) -> &'static str {
        match self {
            // The one that QEMU gives a machine's first card.
            Self::A => "52:54:00:12:34:56",
            Self::B => "52:54:00:12:34:57",
        }
    }
}

/// The user network of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserNetwork {
    /// Hands out 10.0.2.15 by DHCP.
    Dhcp,
    /// The network of a fixed address.
    Fixed {
        /// First address of the network.
        network: Ipv4Addr,
        /// Bits of the netmask.
        prefix: u8,
        /// Of the machine; forwarded ports go there.
        machine: Ipv4Addr,
        /// Of this host, as the machine sees it.
        host: Ipv4Addr,
        /// Of the name server, which passes questions on.
        nameserver: Ipv4Addr,
    },
}

impl UserNetwork {
    /// Where the machine sees connections of this host come from (qemu(1), "-netdev user").
    pub const fn host(&self) -> Ipv4Addr {
        match self {
            Self::Dhcp => Ipv4Addr::new(10, 0, 2, 2),
            Self::Fixed { host, .. } => *host,
        }
    }
}

/// The user network that suits a definition's `[network]`, on a link or without one.
///
/// # Errors
/// A linked machine without a fixed address; a network too small for QEMU's own addresses.
pub fn user_network(mode: &NetworkMode, is_linked: bool) -> Result<UserNetwork, LinkError> {
    let NetworkMode::Static {
        address, gateway, ..
    } = mode
    else {
        return match is_linked {
            false => Ok(UserNetwork::Dhcp),
            true => Err(LinkError::NotStatic),
        };
    };
    let no_room = || LinkError::NoRoom(address.clone());
    let (machine, prefix) = split(address).ok_or_else(no_room)?;
    let mask = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let last = u32::from(machine) | mask;
    let free = last.saturating_sub(OWN_ADDRESSES)..last;
    if mask < 7 || free.contains(&u32::from(machine)) {
        return Err(no_room());
    }
    let gateway = gateway.as_ref().and_then(|text| text.parse().ok());
    let from_end = |n: u32| Ipv4Addr::from(last.saturating_sub(n));
    Ok(UserNetwork::Fixed {
        network: Ipv4Addr::from(u32::from(machine) & !mask),
        prefix,
        machine,
        // QEMU plays the definition's gateway.
        host: gateway.unwrap_or(from_end(1)),
        nameserver: from_end(2),
    })
}

fn split(address: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = address.split_once('/')?;
    Some((address.parse().ok()?, prefix.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(address: &str, gateway: Option<&str>) -> NetworkMode {
        NetworkMode::Static {
            address: address.to_owned(),
            gateway: gateway.map(str::to_owned),
            nameservers: Vec::new(),
        }
    }

    fn host_of(mode: &NetworkMode, is_linked: bool) -> Option<String> {
        match user_network(mode, is_linked).ok()? {
            UserNetwork::Dhcp => Some("dhcp".to_owned()),
            UserNetwork::Fixed {
                network,
                prefix,
                machine,
                host,
                nameserver,
            } => Some(format!(
                "{machine} in {network}/{prefix} by {host} {nameserver}"
            )),
        }
    }

    #[test]
    fn the_user_network_suits_the_address() {
        let with_gateway = fixed("192.0.2.7/24", Some("192.0.2.1"));
        for (mode, is_linked, expected) in [
            (NetworkMode::Dhcp, false, Some("dhcp")),
            (NetworkMode::None, false, Some("dhcp")),
            (NetworkMode::Dhcp, true, None),
            (
                with_gateway.clone(),
                false,
                Some("192.0.2.7 in 192.0.2.0/24 by 192.0.2.1 192.0.2.253"),
            ),
            (
                with_gateway,
                true,
                Some("192.0.2.7 in 192.0.2.0/24 by 192.0.2.1 192.0.2.253"),
            ),
            (
                fixed("192.0.2.8/24", None),
                true,
                Some("192.0.2.8 in 192.0.2.0/24 by 192.0.2.254 192.0.2.253"),
            ),
            (
                fixed("10.1.2.3/8", None),
                false,
                Some("10.1.2.3 in 10.0.0.0/8 by 10.255.255.254 10.255.255.253"),
            ),
            (fixed("192.0.2.7/30", None), false, None),
            (fixed("192.0.2.253/24", None), false, None),
        ] {
            assert_eq!(
                host_of(&mode, is_linked).as_deref(),
                expected,
                "{mode:?} {is_linked}"
            );
        }
    }

    #[test]
    fn a_link_has_two_ends_and_a_left_one_is_free_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lan");
        let first = End::join(&path).unwrap();
        let second = End::join(&path).unwrap();
        assert_eq!((first.side, second.side), (Side::A, Side::B));
        assert_eq!(first.wire, second.wire.turned());
        assert!(matches!(End::join(&path), Err(LinkError::Full(_))));
        drop(first);
        assert_eq!(End::join(&path).unwrap().side, Side::A);
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x".repeat(100));
        assert!(matches!(End::join(&path), Err(LinkError::Long(_))));
    }
}
