//! DHCP messages.
//!
//! Everything read here comes from whoever is on the link. Source: RFC 2131, RFC 2132.

use std::{net::Ipv4Addr, time::Duration};

const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// Fixed part of a message, with the magic number.
const FIXED: usize = 240;
/// Shorter messages are refused by some servers and relays (RFC 951).
const LEAST: usize = 300;
/// Name servers that are kept: libc asks no more.
const NAMESERVERS: usize = 3;

/// Kind of a message, option 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Client: is there a server?
    Discover = 1,
    /// Server: there is, with this address.
    Offer = 2,
    /// Client: that one, please, or the same again.
    Request = 3,
    /// Server: it is yours.
    Ack = 5,
    /// Server: it is not.
    Nak = 6,
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// [`Kind::Discover`] or [`Kind::Request`].
    pub kind: Kind,
    /// Chosen by the client; answers repeat it.
    pub xid: u32,
    /// Hardware address of the link.
    pub mac: [u8; 6],
    /// Seconds since the client began to ask.
    pub seconds: u16,
    /// The address that the client has, while it renews.
    pub current: Option<Ipv4Addr>,
    /// The address that was offered.
    pub requested: Option<Ipv4Addr>,
    /// The server whose offer is taken.
    pub server: Option<Ipv4Addr>,
    /// Host name; left out when empty or past 255 bytes.
    pub hostname: &'a str,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// [`Kind::Offer`], [`Kind::Ack`] or [`Kind::Nak`].
    pub kind: Kind,
    /// Of the query.
    pub xid: u32,
    /// Hardware address of the query.
    pub mac: [u8; 6],
    /// The address that is offered or given.
    pub address: Ipv4Addr,
    /// Bits of the netmask; 24 where the server names none.
    pub prefix: u8,
    /// First router.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers, at most three.
    pub nameservers: Vec<Ipv4Addr>,
    /// Largest packet of the link, bytes; at least 576.
    pub mtu: Option<u16>,
    /// Who answers.
    pub server: Option<Ipv4Addr>,
    /// How long the address is given.
    pub lease: Option<Duration>,
    /// When to renew, from the answer on.
    pub renew: Option<Duration>,
    /// When to ask anyone, from the answer on.
    pub rebind: Option<Duration>,
}

impl Query<'_> {
    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        // op BOOTREQUEST, Ethernet, 6 bytes of address, no hops.
        let mut bytes = vec![1, 1, 6, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.seconds.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.current.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
        bytes.extend([0; 12]);
        bytes.extend(self.mac);
        bytes.resize(FIXED.saturating_sub(MAGIC.len()), 0);
        bytes.extend(MAGIC);
        self.encode_options(&mut bytes);
        bytes.push(255);
        bytes.resize(bytes.len().max(LEAST), 0);
        bytes
    }

    fn encode_options(&self, bytes: &mut Vec<u8>) {
        option(bytes, 53, &[self.kind as u8]);
        let [a, b, c, d, e, f] = self.mac;
        option(bytes, 61, &[1, a, b, c, d, e, f]);
        for (code, address) in [(50, self.requested), (54, self.server)] {
            if let Some(address) = address {
                option(bytes, code, &address.octets());
            }
        }
        option(bytes, 57, &1472u16.to_be_bytes());
        option(bytes, 55, &[1, 3, 6, 26, 51, 54, 58, 59]);
        option(bytes, 12, self.hostname.as_bytes());
    }
}

fn option(bytes: &mut Vec<u8>, code: u8, value: &[u8]) {
    let Ok(length) = u8::try_from(value.len()) else {
        return;
    };
    if length > 0 {
        bytes.extend([code, length]);
        bytes.extend(value);
    }
}

impl Answer {
    /// Reads a message; `None` for what is no answer to an Ethernet client.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, options) = bytes.split_at_checked(FIXED)?;
        let ours = fixed.starts_with(&[2, 1, 6]) && fixed.ends_with(&MAGIC);
        let kind = match find(options, 53)? {
            [2] => Kind::Offer,
            [5] => Kind::Ack,
            [6] => Kind::Nak,
            _ => return None,
        };
        let address = |code| find(options, code).and_then(first_address);
        let seconds = |code| find(options, code).and_then(seconds);
        let answer = Self {
            kind,
            xid: u32::from_be_bytes(*fixed.get(4..)?.first_chunk()?),
            mac: *fixed.get(28..)?.first_chunk()?,
            address: first_address(fixed.get(16..)?)?,
            prefix: find(options, 1).map_or(Some(24), prefix)?,
            gateway: address(3),
            nameservers: find(options, 6).map(nameservers).unwrap_or_default(),
            mtu: find(options, 26).and_then(mtu),
            server: address(54),
            lease: seconds(51),
            renew: seconds(58),
            rebind: seconds(59),
        };
        ours.then_some(answer)
    }
}

/// The value of the first option with `code`, which is neither padding nor end.
fn find(mut options: &[u8], code: u8) -> Option<&[u8]> {
    loop {
        let (&found, rest) = options.split_first()?;
        match found {
            0 => options = rest,
            255 => return None,
            _ => {
                let (&length, rest) = rest.split_first()?;
                let (value, rest) = rest.split_at_checked(length.into())?;
                if found == code {
                    return Some(value);
                }
                options = rest;
            }
        }
    }
}

fn first_address(value: &[u8]) -> Option<Ipv4Addr> {
    value
        .first_chunk::<4>()
        .map(|octets| Ipv4Addr::from(*octets))
}

fn nameservers(value: &[u8]) -> Vec<Ipv4Addr> {
    let addresses = value.chunks_exact(4).filter_map(first_address);
    addresses.take(NAMESERVERS).collect()
}

/// Bits of a netmask; `None` for one with holes.
fn prefix(value: &[u8]) -> Option<u8> {
    let mask = u32::from(first_address(value)?);
    let bits = mask.leading_ones();
    (bits == mask.count_ones()).then(|| u8::try_from(bits).ok())?
}

fn mtu(value: &[u8]) -> Option<u16> {
    let mtu = u16::from_be_bytes(value.try_into().ok()?);
    (mtu >= 576).then_some(mtu)
}

fn seconds(value: &[u8]) -> Option<Duration> {
    let seconds = u32::from_be_bytes(value.try_into().ok()?);
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    pub const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

    /// A server's message.
    pub fn answer(kind: Kind, xid: u32, options: &[(u8, &[u8])]) -> Vec<u8> {
        let query = Query {
            kind,
            xid,
            mac: MAC,
            seconds: 0,
            current: None,
            requested: None,
            server: None,
            hostname: "",
        };
        let mut bytes = query.encode();
        bytes[0] = 2;
        bytes[16..20].copy_from_slice(&[10, 0, 2, 15]);
        bytes.truncate(FIXED);
        option(&mut bytes, 53, &[kind as u8]);
        for (code, value) in options {
            option(&mut bytes, *code, value);
        }
        bytes.push(255);
        bytes
    }

    #[test]
    fn an_offer_of_qemu_is_read() {
        let bytes = answer(
            Kind::Offer,
            7,
            &[
                (54, &[10, 0, 2, 2]),
                (1, &[255, 255, 255, 0]),
                (3, &[10, 0, 2, 2]),
                (6, &[10, 0, 2, 3]),
                (51, &86400u32.to_be_bytes()),
            ],
        );
        let offer = Answer::parse(&bytes).unwrap();
        assert_eq!((offer.kind, offer.xid, offer.mac), (Kind::Offer, 7, MAC));
        assert_eq!(
            (offer.address, offer.prefix),
            (Ipv4Addr::new(10, 0, 2, 15), 24)
        );
        assert_eq!(offer.gateway, Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert_eq!(offer.nameservers, [Ipv4Addr::new(10, 0, 2, 3)]);
        assert_eq!(offer.lease, Some(Duration::from_secs(86400)));
        assert_eq!((offer.mtu, offer.renew), (None, None));
    }

    #[test]
    fn a_mask_with_holes_is_refused() {
        for (mask, expected) in [
            ([255, 255, 255, 255], Some(32)),
            ([255, 255, 254, 0], Some(23)),
            ([0, 0, 0, 0], Some(0)),
            ([255, 0, 255, 0], None),
        ] {
            let bytes = answer(Kind::Ack, 1, &[(1, &mask)]);
            assert_eq!(Answer::parse(&bytes).map(|answer| answer.prefix), expected);
        }
    }

    #[test]
    fn a_long_host_name_is_left_out() {
        let name = "x".repeat(300);
        let query = Query {
            kind: Kind::Discover,
            xid: 1,
            mac: MAC,
            seconds: 0,
            current: None,
            requested: None,
            server: None,
            hostname: &name,
        };
        assert_eq!(query.encode().len(), LEAST);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Answer::parse(&bytes);
        }

        #[test]
        fn any_options_are_read_without_harm(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = answer(Kind::Ack, 1, &[]);
            bytes.truncate(FIXED + 3);
            bytes.extend(tail);
            if let Some(answer) = Answer::parse(&bytes) {
                prop_assert!(answer.prefix <= 32);
                prop_assert!(answer.nameservers.len() <= NAMESERVERS);
            }
        }
    }
}
