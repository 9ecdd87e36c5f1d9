//! The IPv4 datagrams that carry DHCP messages before there is an address.
//!
//! Everything read here comes from whoever is on the link. Source: RFC 768, RFC 791.

use std::net::Ipv4Addr;

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const UDP: u8 = 17;

/// An IPv4 datagram from the client's to the server's port at the broadcast address.
pub fn wrap(source: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let target = Ipv4Addr::BROADCAST;
    let udp_length = message.len().saturating_add(8);
    let length = u16::try_from(udp_length.saturating_add(20)).unwrap_or(u16::MAX);
    let udp_length = u16::try_from(udp_length).unwrap_or(u16::MAX);
    let (source, target) = (source.octets(), target.octets());

    let mut header = vec![0x45, 0x10];
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0, 0, 64, UDP, 0, 0]);
    header.extend(source);
    header.extend(target);
    set_checksum(&mut header, 10, &[]);

    let mut udp = Vec::new();
    for field in [CLIENT_PORT, SERVER_PORT, udp_length, 0] {
        udp.extend(field.to_be_bytes());
    }
    udp.extend(message);
    let [high, low] = udp_length.to_be_bytes();
    let pseudo = [&source[..], &target, &[0, UDP, high, low]].concat();
    set_checksum(&mut udp, 6, &pseudo);
    header.extend(udp);
    header
}

/// Writes the internet checksum of `also` and `bytes` into `bytes` at `at`.
fn set_checksum(bytes: &mut [u8], at: usize, also: &[u8]) {
    let words = |bytes: &[u8]| {
        let pairs = bytes.chunks(2).map(|pair| match pair {
            [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
            [high] => u64::from(*high) << 8,
            _ => 0,
        });
        pairs.fold(0u64, u64::wrapping_add)
    };
    let mut sum = words(also).wrapping_add(words(bytes));
    while sum > 0xffff {
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
    }
    let [high, low] = match !(sum as u16) {
        // Zero means "none" in UDP.
        0 => [0xff, 0xff],
        checksum => checksum.to_be_bytes(),
    };
    let room = bytes.iter_mut().skip(at);
    room.zip([high, low]).for_each(|(byte, new)| *byte = new);
}

/// The message in an IPv4 datagram from a server's port to a client's.
///
/// Checksums are not looked at: a packet that never left the machine may not have one yet.
pub fn unwrap(datagram: &[u8]) -> Option<&[u8]> {
    let (&first, _) = datagram.split_first()?;
    let length = usize::from(u16_at(datagram, 2)?);
    let datagram = datagram.get(..length)?;
    let whole = u16_at(datagram, 6)? & 0x3fff == 0;
    let udp = datagram.get(usize::from(first & 0xf).checked_mul(4)?..)?;
    let ports = (u16_at(udp, 0)?, u16_at(udp, 2)?) == (SERVER_PORT, CLIENT_PORT);
    let ours = first >> 4 == 4 && first & 0xf >= 5 && whole && ports;
    let ours = ours && datagram.get(9) == Some(&UDP);
    let message = udp.get(8..usize::from(u16_at(udp, 4)?))?;
    ours.then_some(message)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let value = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: [u8; 301] = [7; 301];

    #[test]
    fn datagrams_carry_messages() {
        let mut datagram = wrap(Ipv4Addr::UNSPECIFIED, &MESSAGE);
        assert_eq!(unwrap(&datagram), None, "from a client");
        datagram[20..24].copy_from_slice(&[0, 67, 0, 68]);
        assert_eq!(unwrap(&datagram), Some(&MESSAGE[..]));
        // Sum of all words of a valid header is all ones.
        let words = datagram[..20]
            .chunks(2)
            .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
        let sum: u32 = words.sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = unwrap(&bytes);
        }

        #[test]
        fn any_datagram_is_read_without_harm(at in 0usize..28, value: u8) {
            let mut datagram = wrap(Ipv4Addr::UNSPECIFIED, &MESSAGE);
            datagram[at] = value;
            let _ = unwrap(&datagram);
        }
    }
}
