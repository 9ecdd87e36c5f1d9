//! Which ports of the guest are reached at which ports of this host.

use std::{
    collections::BTreeSet,
    fmt,
    net::{Ipv4Addr, TcpListener},
    str::FromStr,
};

use bedplate_contract::service::{Check, Probe};

use crate::definition::Definition;

/// One forwarded TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// Port on 127.0.0.1 of this host.
    pub host: u16,
    /// Port of the guest.
    pub guest: u16,
}

/// A text that is no forward.
#[derive(Debug, thiserror::Error)]
#[error("expected `HOST:GUEST` with two port numbers, found `{0}`")]
pub struct ForwardError(String);

impl Forward {
    fn settled(&self) -> Self {
        let host = if self.host == 0 {
            free_port(0)
        } else {
            self.host
        };
        Self { host, ..*self }
    }
}

impl FromStr for Forward {
    type Err = ForwardError;
    fn from_str(text: &str) -> Result<Self, ForwardError> {
        let bad = || ForwardError(text.to_owned());
        let (host, guest) = text.split_once(':').ok_or_else(bad)?;
        let number = |text: &str| text.parse::<u16>().map_err(|_| bad());
        Ok(Self {
            host: number(host)?,
            guest: number(guest)?,
        })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "127.0.0.1:{} → {}", self.host, self.guest)
    }
}

/// What the user asked for, then every port on which a service listens or is probed that is not named
/// yet, and that the firewall of the image, if it has one, lets in from `source`, where the machine
/// sees connections come from.
///
/// A host port of 0 stands for a free one.
pub fn forwards(asked: &[Forward], definition: &Definition, source: Ipv4Addr) -> Vec<Forward> {
    let named: BTreeSet<u16> = asked.iter().map(|forward| forward.guest).collect();
    let open = |port: &u16| {
        let firewall = definition.firewall.as_ref();
        firewall.is_none_or(|firewall| firewall.lets_in(source, *port))
    };
    let found: BTreeSet<u16> = ports(definition).into_iter().filter(open).collect();
    let found = found.difference(&named).map(|guest| Forward {
        host: free_port(*guest),
        guest: *guest,
    });
    asked
        .iter()
        .map(|forward| forward.settled())
        .chain(found)
        .collect()
}

fn ports(definition: &Definition) -> BTreeSet<u16> {
    let declared = definition.services.iter().flat_map(|s| &s.ports).copied();
    let probes = definition
        .services
        .iter()
        .flat_map(|s| [&s.startup, &s.ready, &s.live]);
    declared.chain(probes.flatten().filter_map(port)).collect()
}

fn port(probe: &Probe) -> Option<u16> {
    match probe.check {
        Check::Http { port, .. } | Check::Tcp { port, .. } => Some(port),
        Check::Exec { .. } => None,
    }
}

/// `wanted` when it is free here, else a port that the kernel names.
///
/// Another program may take it before QEMU does; QEMU then ends and says so.
fn free_port(wanted: u16) -> u16 {
    let bind = |port| TcpListener::bind(("127.0.0.1", port)).and_then(|socket| socket.local_addr());
    bind(wanted)
        .or_else(|_| bind(0))
        .map_or(wanted, |address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_read() {
        assert_eq!(
            "8080:80".parse::<Forward>().unwrap(),
            Forward {
                host: 8080,
                guest: 80
            }
        );
        for text in ["", "80", "a:80", "80:70000"] {
            assert!(text.parse::<Forward>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(port), port);
    }
}
