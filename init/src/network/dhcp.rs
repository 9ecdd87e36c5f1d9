//! A DHCPv4 client as a state machine: packets and time in, actions out; no I/O.
//!
//! Source: RFC 2131, section 4.4. INIT-REBOOT is left out: an appliance asks anew at every boot.

use std::{net::Ipv4Addr, time::Duration};

use super::message::{Answer, Kind, Query};

/// First wait for an answer; doubles. Shorter than the RFC's 4 s: the boot waits for it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait for an answer.
const LAST_WAIT: Duration = Duration::from_secs(64);
/// Requests before the client begins again with a discovery.
const REQUESTS: u32 = 4;
/// Least time between two requests while a lease is held.
const RENEW_WAIT: Duration = Duration::from_secs(60);
/// Shortest lease that is believed: a server must not keep PID 1 busy.
const LEAST_LEASE: Duration = Duration::from_secs(60);

/// What the client wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send the message to everyone on the link, from this address.
    Broadcast(Ipv4Addr, Vec<u8>),
    /// Send the message to the server by the ordinary route.
    Unicast(Ipv4Addr, Vec<u8>),
    /// Use the lease, in place of any other.
    Configure(Lease),
    /// Stop using the lease.
    Deconfigure(Lease),
}

/// What a server gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Address of the link.
    pub address: Ipv4Addr,
    /// Bits of its netmask.
    pub prefix: u8,
    /// Default route.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    pub nameservers: Vec<Ipv4Addr>,
    /// Largest packet, bytes.
    pub mtu: Option<u16>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Hardware address of the link.
    pub mac: [u8; 6],
    /// Host name that servers may register.
    pub hostname: String,
    /// Random; makes transactions and waits differ between hosts.
    pub seed: u64,
}

/// The client. Times are since the kernel started.
#[derive(Debug)]
pub struct Dhcp {
    identity: Identity,
    random: u64,
    xid: u32,
    phase: Phase,
    began: Duration,
    next: Duration,
}

#[derive(Debug, Clone)]
enum Phase {
    Discover { tries: u32 },
    Request { offer: Answer, tries: u32 },
    Bound(Held),
    Renew(Held),
    Rebind(Held),
}

#[derive(Debug, Clone)]
struct Held {
    lease: Lease,
    server: Option<Ipv4Addr>,
    renew: Duration,
    rebind: Duration,
    expire: Duration,
}

impl Dhcp {
    /// A client that discovers at its first timer, which is due at `now`.
    pub fn new(identity: Identity, now: Duration) -> Self {
        let mut dhcp = Self {
            // Zero would stay zero for ever.
            random: identity.seed | 1,
            identity,
            xid: 0,
            phase: Phase::Discover { tries: 0 },
            began: now,
            next: now,
        };
        dhcp.discover(now);
        dhcp
    }

    /// When [`Self::on_timer`] has something to do.
    pub fn deadline(&self) -> Duration {
        self.next
    }

    /// The lease that is held.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.phase {
            Phase::Discover { .. } | Phase::Request { .. } => None,
            Phase::Bound(held) | Phase::Renew(held) | Phase::Rebind(held) => Some(&held.lease),
        }
    }

    /// Does what is due. After it the deadline lies in the future.
    pub fn on_timer(&mut self, now: Duration) -> Vec<Action> {
        if now < self.next {
            return Vec::new();
        }
        match self.phase.clone() {
            Phase::Discover { tries } => {
                self.phase = Phase::Discover {
                    tries: tries.saturating_add(1),
                };
                self.next = now.saturating_add(self.wait(tries));
                vec![self.broadcast(now, Kind::Discover)]
            }
            Phase::Request { tries, .. } if tries >= REQUESTS => {
                self.discover(now);
                self.on_timer(now)
            }
            Phase::Request { offer, tries } => {
                self.phase = Phase::Request {
                    offer,
                    tries: tries.saturating_add(1),
                };
                self.next = now.saturating_add(self.wait(tries));
                vec![self.broadcast(now, Kind::Request)]
            }
            Phase::Bound(held) | Phase::Renew(held) | Phase::Rebind(held) => self.keep(held, now),
        }
    }

    /// Reads a message, if it is an answer to the last query.
    pub fn on_packet(&mut self, now: Duration, message: &[u8]) -> Vec<Action> {
        let answer = Answer::parse(message);
        let ours = |answer: &Answer| answer.xid == self.xid && answer.mac == self.identity.mac;
        let Some(answer) = answer.filter(ours) else {
            return Vec::new();
        };
        match (&self.phase, answer.kind) {
            (Phase::Discover { tries: 1.. }, Kind::Offer) if is_usable(&answer) => {
                self.phase = Phase::Request {
                    offer: answer,
                    tries: 0,
                };
                self.next = now;
                self.on_timer(now)
            }
            (Phase::Discover { .. } | Phase::Bound(_), _) => Vec::new(),
            (_, Kind::Ack) if is_usable(&answer) => self.bind(answer, now),
            (_, Kind::Nak) => self.lose(now),
            _ => Vec::new(),
        }
    }

    /// Renews, rebinds or gives up, as the time says.
    fn keep(&mut self, held: Held, now: Duration) -> Vec<Action> {
        if now >= held.expire {
            return self.lose(now);
        }
        if matches!(self.phase, Phase::Bound(_)) {
            self.xid = self.draw() as u32;
            self.began = now;
        }
        let late = now >= held.rebind;
        let until = if late { held.expire } else { held.rebind };
        let half = until.saturating_sub(now) / 2;
        self.next = now.saturating_add(half.max(RENEW_WAIT)).min(until);
        let address = held.lease.address;
        let server = held.server.filter(|_| !late);
        self.phase = if late {
            Phase::Rebind(held)
        } else {
            Phase::Renew(held)
        };
        let message = self.query(now, Kind::Request);
        vec![match server {
            Some(server) => Action::Unicast(server, message),
            None => Action::Broadcast(address, message),
        }]
    }

    fn bind(&mut self, answer: Answer, now: Duration) -> Vec<Action> {
        let before = self.lease().cloned();
        let held = Held::from_answer(answer, now);
        let lease = held.lease.clone();
        self.next = held.renew;
        self.phase = Phase::Bound(held);
        match before {
            Some(before) if before == lease => Vec::new(),
            Some(before) => vec![Action::Deconfigure(before), Action::Configure(lease)],
            None => vec![Action::Configure(lease)],
        }
    }

    /// Begins anew, without the lease if there was one.
    fn lose(&mut self, now: Duration) -> Vec<Action> {
        let before = self.lease().cloned();
        self.discover(now);
        // A server that says no to everything is asked once a second.
        self.next = now.saturating_add(FIRST_WAIT);
        before.map(Action::Deconfigure).into_iter().collect()
    }

    fn discover(&mut self, now: Duration) {
        self.xid = self.draw() as u32;
        self.began = now;
        self.next = now;
        self.phase = Phase::Discover { tries: 0 };
    }

    fn broadcast(&self, now: Duration, kind: Kind) -> Action {
        Action::Broadcast(Ipv4Addr::UNSPECIFIED, self.query(now, kind))
    }

    fn query(&self, now: Duration, kind: Kind) -> Vec<u8> {
        let offer = match &self.phase {
            Phase::Request { offer, .. } => Some(offer),
            _ => None,
        };
        let seconds = now.saturating_sub(self.began).as_secs();
        let query = Query {
            kind,
            xid: self.xid,
            mac: self.identity.mac,
            seconds: u16::try_from(seconds).unwrap_or(u16::MAX),
            current: self.lease().map(|lease| lease.address),
            requested: offer.map(|offer| offer.address),
            server: offer.and_then(|offer| offer.server),
            hostname: &self.identity.hostname,
        };
        query.encode()
    }

    /// The wait after the `tries`-th query: doubled each time, up to a quarter longer by chance.
    fn wait(&mut self, tries: u32) -> Duration {
        let wait = FIRST_WAIT.saturating_mul(1u32.checked_shl(tries.min(6)).unwrap_or(64));
        let wait = wait.min(LAST_WAIT);
        let chance = u32::try_from(self.draw() % 250).unwrap_or(0);
        wait.saturating_add((wait / 1000).saturating_mul(chance))
    }

    /// The next number of a xorshift generator.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl Held {
    /// Times out of range are replaced by the RFC's: half, and seven eighths, of the lease.
    fn from_answer(answer: Answer, now: Duration) -> Self {
        let lease = answer.lease.unwrap_or(LEAST_LEASE).max(LEAST_LEASE);
        let eighth = lease / 8;
        let rebind = answer.rebind.filter(|at| *at < lease && *at > eighth);
        let rebind = rebind.unwrap_or(eighth.saturating_mul(7));
        let renew = answer.renew.filter(|at| *at < rebind && *at > eighth);
        let renew = renew.unwrap_or((lease / 2).min(rebind));
        Self {
            server: answer.server,
            renew: now.saturating_add(renew),
            rebind: now.saturating_add(rebind),
            expire: now.saturating_add(lease),
            lease: Lease {
                address: answer.address,
                prefix: answer.prefix,
                gateway: answer.gateway.filter(|gateway| is_host(*gateway)),
                nameservers: answer.nameservers,
                mtu: answer.mtu,
            },
        }
    }
}

fn is_usable(answer: &Answer) -> bool {
    answer.lease.is_some() && answer.prefix > 0 && is_host(answer.address)
}

fn is_host(address: Ipv4Addr) -> bool {
    let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    !special && !address.is_broadcast()
}

#[cfg(test)]
mod tests;
