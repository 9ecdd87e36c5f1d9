//! `[firewall]` as rules of nftables.
//!
//! One table of the family `inet`, made anew at each load, so that it may be loaded twice. What
//! belongs to a connection that is known goes through in both directions; new ones come in by a hole
//! alone, and go out unless their user is denied. Answers to DHCP come in by a hole too, for the
//! kernel knows no connection of a broadcast.
//!
//! Source: nft(8); RFC 4890, 4.4 for what IPv6 cannot live without.

use std::fmt::Write;

use super::{
    LayerError,
    accounts::{AccountError, Accounts},
    config::account,
};
use crate::definition::{Allow, Deny, Firewall, Ports, Protocol};

/// What every machine lets in.
const INPUT: &str = r#"table inet bedplate
delete table inet bedplate
table inet bedplate {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		ct state invalid drop
		icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
		icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
		icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
		udp sport 67 udp dport 68 accept
		udp sport 547 udp dport 546 accept
"#;
/// An appliance is no router.
const FORWARD: &str = r#"	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
"#;
const OUTPUT: &str = r#"	chain output {
		type filter hook output priority filter; policy accept;
		oifname "lo" accept
		ct state established,related accept
"#;

/// The rules, with the numbers of `accounts`.
///
/// # Errors
/// A user that the root does not have.
pub(super) fn rules(firewall: &Firewall, accounts: &Accounts) -> Result<String, LayerError> {
    let mut text = INPUT.to_owned();
    for hole in &firewall.allow {
        allow(hole, &mut text);
    }
    text.push_str(FORWARD);
    text.push_str(OUTPUT);
    for rule in &firewall.deny {
        let denied = deny(rule, accounts, &mut text);
        denied.map_err(|e| account(format!("firewall rule of `{}`", rule.user), e))?;
    }
    text.push_str("\t}\n}\n");
    Ok(text)
}

fn allow(hole: &Allow, text: &mut String) {
    let protocol = match hole.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let ports: Vec<_> = apart(&hole.ports).iter().map(Ports::to_string).collect();
    let ports = ports.join(", ");
    let mut line = |source: &str| {
        line(
            text,
            &format!("{source}{protocol} dport {{ {ports} }} accept"),
        );
    };
    if hole.from.is_empty() {
        line("");
    }
    for network in &hole.from {
        line(&format!("{} saddr {network} ", family(network)));
    }
}

/// Refused rather than dropped: a program that must not get out learns so at once.
fn deny(rule: &Deny, accounts: &Accounts, text: &mut String) -> Result<(), AccountError> {
    let uid = accounts.user(&rule.user)?.uid;
    for network in &rule.except {
        let family = family(network);
        line(
            text,
            &format!("meta skuid {uid} {family} daddr {network} accept"),
        );
    }
    line(
        text,
        &format!("meta skuid {uid} reject with icmpx admin-prohibited"),
    );
    Ok(())
}

fn line(text: &mut String, rule: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "\t\t{rule}");
}

/// The same ports in ranges that do not touch: nft takes no others in a set.
fn apart(ports: &[Ports]) -> Vec<Ports> {
    let mut sorted = ports.to_vec();
    sorted.sort_by_key(|ports| (ports.first, ports.last));
    let mut apart: Vec<Ports> = Vec::new();
    for next in sorted {
        match apart.last_mut() {
            Some(last) if next.first <= last.last.saturating_add(1) => {
                last.last = last.last.max(next.last);
            }
            _ => apart.push(next),
        }
    }
    apart
}

fn family(network: &str) -> &'static str {
    match network.contains(':') {
        true => "ip6",
        false => "ip",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accounts() -> Accounts {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let write = |name, text| std::fs::write(root.path().join("etc").join(name), text).unwrap();
        write("passwd", "db:x:115:115::/:/bin/sh\n");
        write("group", "db:x:115:\n");
        Accounts::load(root.path()).unwrap()
    }

    #[test]
    fn holes_and_users_become_rules() {
        let firewall = Firewall {
            allow: vec![
                Allow {
                    ports: vec![
                        Ports {
                            first: 80,
                            last: 80,
                        },
                        Ports {
                            first: 8000,
                            last: 8013,
                        },
                    ],
                    protocol: Protocol::Tcp,
                    from: Vec::new(),
                },
                Allow {
                    ports: vec![Ports {
                        first: 53,
                        last: 53,
                    }],
                    protocol: Protocol::Udp,
                    from: vec!["10.0.0.0/8".to_owned(), "2001:db8::1".to_owned()],
                },
            ],
            deny: vec![Deny {
                user: "db".to_owned(),
                except: vec!["10.0.0.7".to_owned()],
            }],
        };
        let text = rules(&firewall, &accounts()).unwrap();
        for line in [
            "tcp dport { 80, 8000-8013 } accept",
            "ip saddr 10.0.0.0/8 udp dport { 53 } accept",
            "ip6 saddr 2001:db8::1 udp dport { 53 } accept",
            "meta skuid 115 ip daddr 10.0.0.7 accept",
            "meta skuid 115 reject with icmpx admin-prohibited",
        ] {
            assert!(
                text.contains(&format!("\t\t{line}\n")),
                "{line} is not in\n{text}"
            );
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }

    #[test]
    fn an_unknown_user_is_named() {
        let firewall = Firewall {
            deny: vec![Deny {
                user: "nobody-here".to_owned(),
                except: Vec::new(),
            }],
            ..Firewall::default()
        };
        let error = rules(&firewall, &accounts()).unwrap_err();
        assert!(error.to_string().contains("nobody-here"), "{error}");
    }

    proptest! {
        #[test]
        fn ranges_are_apart_and_the_same(
            ranges in prop::collection::vec((1..60_u16, 0..9_u16), 1..9),
        ) {
            let range = |(first, more)| Ports { first, last: first + more };
            let ports: Vec<_> = ranges.into_iter().map(range).collect();
            let found = apart(&ports);
            let gap = |pair: &[Ports]| pair[0].last + 1 < pair[1].first;
            prop_assert!(found.windows(2).all(gap), "{:?}", found);
            for port in 0..80 {
                let all = |ports: &[Ports]| ports.iter().any(|ports| ports.contains(port));
                prop_assert_eq!(all(&ports), all(&found));
            }
        }
    }
}
