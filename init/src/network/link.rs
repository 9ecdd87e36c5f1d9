//! Links, addresses and routes: what is there from sysfs, what is wanted through route netlink.
//!
//! Source: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h.

use std::{fs, io, net::Ipv4Addr, path::Path};

use bedplate_sys::netlink::Socket;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const ERROR: u16 = 2;

/// `NLM_F_REQUEST | NLM_F_ACK`.
const REQUEST: u16 = 0x1 | 0x4;
/// `NLM_F_REPLACE | NLM_F_CREATE`.
const REPLACE: u16 = 0x100 | 0x400;

const AF_INET: u8 = 2;
const UP: u32 = 1;
const ETHERNET: &str = "1";
const MAIN_TABLE: u8 = 254;
/// `RTPROT_DHCP`: who set the route, for those who list it.
const PROTOCOL: u8 = 16;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const UNICAST: u8 = 1;

/// Index of the loopback link in every network namespace.
pub const LOOPBACK: u32 = 1;

/// An Ethernet link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Kernel name.
    pub name: String,
    /// Kernel index.
    pub index: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Whether the other end is there; links that are down never say so.
    pub has_carrier: bool,
}

/// Every Ethernet link that is backed by a device, by index.
///
/// # Errors
/// As listing `net` (`/sys/class/net`); links that vanish meanwhile are left out.
pub fn list(net: &Path) -> io::Result<Vec<Link>> {
    let entries = fs::read_dir(net)?.flatten();
    let mut links: Vec<_> = entries.filter_map(|entry| read(&entry.path())).collect();
    links.sort_by_key(|link| link.index);
    Ok(links)
}

fn read(path: &Path) -> Option<Link> {
    let value = |name: &str| {
        let text = fs::read_to_string(path.join(name)).ok()?;
        Some(text.trim().to_owned())
    };
    let real = path.join("device").exists() && value("type")? == ETHERNET;
    let link = Link {
        name: path.file_name()?.to_str()?.to_owned(),
        index: value("ifindex")?.parse().ok()?,
        mac: parse_mac(&value("address")?)?,
        has_carrier: value("carrier").as_deref() == Some("1"),
    };
    real.then_some(link)
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    let octets: Vec<u8> = octets.collect::<Result<_, _>>().ok()?;
    octets.try_into().ok()
}

/// Sets the link up.
///
/// # Errors
/// What the kernel answers.
pub fn set_up(socket: &Socket, index: u32) -> io::Result<()> {
    request(socket, &link_message(index, UP, &[]))
}

/// Sets the largest packet of the link, bytes.
///
/// # Errors
/// What the kernel answers; `EINVAL` past what the device can do.
pub fn set_mtu(socket: &Socket, index: u32, mtu: u16) -> io::Result<()> {
    let mut attributes = Vec::new();
    attribute(&mut attributes, 4, &u32::from(mtu).to_ne_bytes());
    request(socket, &link_message(index, 0, &attributes))
}

/// Gives the link an address.
///
/// # Errors
/// What the kernel answers; an address that is there already is none.
pub fn add_address(socket: &Socket, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let body = address_body(index, address, prefix);
    request(socket, &message(NEW_ADDRESS, REPLACE, &body))
}

/// Takes an address from the link.
///
/// # Errors
/// What the kernel answers; `EADDRNOTAVAIL` for one that is not there.
pub fn remove_address(
    socket: &Socket,
    index: u32,
    address: Ipv4Addr,
    prefix: u8,
) -> io::Result<()> {
    let body = address_body(index, address, prefix);
    request(socket, &message(DELETE_ADDRESS, 0, &body))
}

/// Routes everything over `gateway`, which is on the link whatever its address says.
///
/// # Errors
/// What the kernel answers.
pub fn set_default_route(socket: &Socket, index: u32, gateway: Ipv4Addr) -> io::Result<()> {
    // Clouds hand out /32 addresses with a gateway outside: it must be made known first.
    request(
        socket,
        &message(NEW_ROUTE, REPLACE, &host_route(index, gateway)),
    )?;
    request(
        socket,
        &message(NEW_ROUTE, REPLACE, &default_route(index, gateway)),
    )
}

fn link_message(index: u32, flags: u32, attributes: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    // Mask: only the flags that are set here.
    body.extend(flags.to_ne_bytes());
    body.extend(attributes);
    message(NEW_LINK, 0, &body)
}

fn address_body(index: u32, address: Ipv4Addr, prefix: u8) -> Vec<u8> {
    let mut body = vec![AF_INET, prefix, 0, SCOPE_UNIVERSE];
    body.extend(index.to_ne_bytes());
    for kind in [1, 2] {
        attribute(&mut body, kind, &address.octets());
    }
    if prefix < 31 {
        let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let broadcast = u32::from(address) | host;
        attribute(&mut body, 4, &broadcast.to_be_bytes());
    }
    body
}

fn host_route(index: u32, host: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![AF_INET, 32, 0, 0, MAIN_TABLE, PROTOCOL, SCOPE_LINK, UNICAST];
    body.extend([0; 4]);
    attribute(&mut body, 1, &host.octets());
    attribute(&mut body, 4, &index.to_ne_bytes());
    body
}

fn default_route(index: u32, gateway: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![
        AF_INET,
        0,
        0,
        0,
        MAIN_TABLE,
        PROTOCOL,
        SCOPE_UNIVERSE,
        UNICAST,
    ];
    body.extend([0; 4]);
    attribute(&mut body, 5, &gateway.octets());
    attribute(&mut body, 4, &index.to_ne_bytes());
    body
}

/// One message with its header; sequence and port numbers are not used.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len().saturating_add(16)).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((REQUEST | flags).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

/// Every value here has a length that is a multiple of four, so none is padded.
fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
}

/// Sends one message and waits for the kernel's word on it.
fn request(socket: &Socket, message: &[u8]) -> io::Result<()> {
    socket.send(message)?;
    read_answer(&socket.receive()?)
}

fn read_answer(answer: &[u8]) -> io::Result<()> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let kind = answer.get(4..).and_then(|rest| rest.first_chunk());
    let code = answer.get(16..).and_then(|rest| rest.first_chunk());
    if u16::from_ne_bytes(*kind.ok_or_else(bad)?) != ERROR {
        return Err(bad());
    }
    match i32::from_ne_bytes(*code.ok_or_else(bad)?) {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read() {
        let net = tempfile::tempdir().unwrap();
        for (name, kind, index, device) in [
            ("lo", "772", "1", false),
            ("eth1", "1", "3", true),
            ("eth0", "1", "2", true),
            ("veth0", "1", "4", false),
        ] {
            let path = net.path().join(name);
            fs::create_dir_all(&path).unwrap();
            for (file, text) in [("type", kind), ("ifindex", index), ("carrier", "1")] {
                fs::write(path.join(file), format!("{text}\n")).unwrap();
            }
            fs::write(path.join("address"), "52:54:00:01:02:ff\n").unwrap();
            if device {
                fs::create_dir(path.join("device")).unwrap();
            }
        }
        let links = list(net.path()).unwrap();
        let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["eth0", "eth1"]);
        assert_eq!(links[0].mac, [0x52, 0x54, 0, 1, 2, 0xff]);
        assert!(links[0].has_carrier);
    }

    #[test]
    fn answers_are_read() {
        let answer = |kind: u16, code: i32| {
            let mut bytes = message(kind, 0, &code.to_ne_bytes());
            bytes.extend([0; 16]);
            bytes
        };
        assert!(read_answer(&answer(ERROR, 0)).is_ok());
        let error = read_answer(&answer(ERROR, -1)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(1));
        assert!(read_answer(&answer(NEW_LINK, 0)).is_err());
        assert!(read_answer(&[0; 5]).is_err());
    }

    #[test]
    fn macs_have_six_octets() {
        for text in [
            "",
            "00:11:22:33:44",
            "00:11:22:33:44:5g",
            "00:11:22:33:44:55:66",
        ] {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }
}
