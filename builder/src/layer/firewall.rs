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
use crate::definition::{Allow, Deny, Firewall, Protocol};

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
    let ports = set(hole.ports.iter());
    let mut line = |source: &str| line(text, &format!("{source}{protocol} dport {ports} accept"));
    if hole.from.is_empty() {
        return line("");
    }
    for (family, networks) in families(&hole.from) {
        line(&format!("{family} saddr {} ", set(networks.iter())));
    }
}

/// Refused rather than dropped: a program that must not get out learns so at once.
fn deny(rule: &Deny, accounts: &Accounts, text: &mut String) -> Result<(), AccountError> {
    let uid = accounts.user(&rule.user)?.uid;
    for (family, networks) in families(&rule.except) {
        let networks = set(networks.iter());
        line(
            text,
            &format!("meta skuid {uid} {family} daddr {networks} accept"),
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

/// The networks of each family that has any.
fn families(networks: &[String]) -> impl Iterator<Item = (&'static str, Vec<&String>)> {
    let (six, four): (Vec<_>, Vec<_>) = networks.iter().partition(|n| n.contains(':'));
    let all = [("ip", four), ("ip6", six)];
    all.into_iter().filter(|(_, networks)| !networks.is_empty())
}

fn set(items: impl Iterator<Item = impl ToString>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    format!("{{ {} }}", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Ports;

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
            "ip saddr { 10.0.0.0/8 } udp dport { 53 } accept",
            "ip6 saddr { 2001:db8::1 } udp dport { 53 } accept",
            "meta skuid 115 ip daddr { 10.0.0.7 } accept",
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
}
