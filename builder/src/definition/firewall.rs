//! `[firewall]`: what may come in, and which users stay inside.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    Allow, Deny, Firewall, Known, Ports, Protocol, decode::Table, problem::Problem, source::At,
};

/// The package that loads the rules.
pub(super) const PACKAGE: &str = "nftables";

/// `[firewall]`, the image's and its parts'; `None` leaves the machine open.
///
/// A hole behind which no service listens is a warning, once any service says where it listens.
pub(super) fn read(
    root: &Table<'_>,
    known: &Known<'_>,
    listens: &BTreeSet<u16>,
) -> Option<Firewall> {
    let tables = root.everywhere("firewall");
    let mut firewall = (!tables.is_empty()).then(Firewall::default)?;
    let allow = |table: Table<'_>| table.decode(|table| read_allow(table, listens));
    let deny = |table: Table<'_>| table.decode(|table| read_deny(table, known));
    for table in tables {
        table.with_scope(known.scope).decode(|table| {
            let (holes, users) = (table.tables("allow"), table.tables("deny"));
            firewall.allow.extend(holes.into_iter().map(allow));
            firewall.deny.extend(users.into_iter().map(deny));
        });
    }
    Some(firewall)
}

fn read_allow(table: &Table<'_>, listens: &BTreeSet<u16>) -> Allow {
    let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];
    let protocol = table
        .choice("protocol", &protocols)
        .unwrap_or(Protocol::Tcp);
    table.require("ports");
    let ports = read_ports(table);
    if protocol == Protocol::Tcp {
        ports
            .iter()
            .for_each(|ports| check_heard(table, ports, listens));
    }
    Allow {
        ports: ports.into_iter().map(|ports| ports.value).collect(),
        protocol,
        from: networks(table, "from"),
    }
}

/// `ports = [80, "8000-8013"]`, or one of them alone.
fn read_ports(table: &Table<'_>) -> Vec<At<Ports>> {
    let listed = table.numbers_or_strings("ports").into_iter();
    let title = "invalid `ports` in `[[firewall.allow]]`";
    let parse = |text: At<String>| {
        let ports = table.problems().keep(&text, title, ports(&text.value))?;
        Some(text.with(ports))
    };
    listed.filter_map(parse).collect()
}

fn ports(text: &str) -> Result<Ports, String> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let ports = number(first).zip(number(last));
    let ports = ports.map(|(first, last)| Ports { first, last });
    ports
        .filter(|ports| ports.first <= ports.last)
        .ok_or_else(|| {
            "expected a port such as `80`, or a range such as `\"8000-8013\"`".to_owned()
        })
}

fn check_heard(table: &Table<'_>, ports: &At<Ports>, listens: &BTreeSet<u16>) {
    let Ports { first, last } = ports.value;
    if !listens.is_empty() && listens.range(first..=last).next().is_none() {
        let title = format!("the firewall lets in port {}", ports.value);
        let problem = Problem::warning(title).at(&ports.place, "no service listens there");
        let help = "add it to the `ports` of the service that has it";
        table.problems().add(problem.help(help));
    }
}

fn read_deny(table: &Table<'_>, known: &Known<'_>) -> Deny {
    let user = table.required("user", |text| Ok(text.to_owned()));
    if !user.value.is_empty() {
        known.accounts.check_user(&user, table.problems());
    }
    if user.value == "root" {
        let problem = Problem::error("`root` cannot be denied").at(&user.place, "not this user");
        let help = "PID 1 and `bedplatectl` reach for leases and upgrades as `root`";
        table.problems().add(problem.help(help));
    }
    Deny {
        user: user.value,
        except: networks(table, "except"),
    }
}

fn networks(table: &Table<'_>, key: &'static str) -> Vec<String> {
    let title = format!("invalid `{key}` in the firewall");
    let keep = |text: &At<String>| table.problems().keep(text, &title, network(&text.value));
    table.strings(key).iter().filter_map(keep).collect()
}

/// A numeric address, or one with the length of its network, whose other bits are zero: nft takes
/// others and means the network, which is not what was written.
fn network(text: &str) -> Result<String, String> {
    let expected =
        || "expected an address such as `10.0.0.7`, or a network such as `10.0.0.0/8`".to_owned();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| expected())?;
    let Some(length) = length else {
        return Ok(address.to_string());
    };
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let length = length.parse::<u32>().ok().filter(|length| *length <= width);
    let length = length.ok_or_else(expected)?;
    match bits.checked_shl(length).unwrap_or(0) {
        0 => Ok(format!("{address}/{length}")),
        _ => Err(format!(
            "expected a network of {length} bits, with zeros behind them"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        for (text, first, last) in [("80", 80, 80), ("8000-8013", 8000, 8013)] {
            assert_eq!(ports(text), Ok(Ports { first, last }), "{text}");
        }
        for text in ["", "0", "70000", "9-8", "a", "1-", "1-2-3", "-1"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_read() {
        for text in [
            "10.0.0.7",
            "10.0.0.0/8",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::1/128",
        ] {
            assert_eq!(network(text), Ok(text.to_owned()));
        }
        for text in ["", "a", "10.0.0.1/8", "10.0.0.0/33", "::1/64", "10.0.0.0/"] {
            assert!(network(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_package_has_a_name() {
        assert!(super::super::name::package(PACKAGE).is_ok());
    }
}
