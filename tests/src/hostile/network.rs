//! What PID 1 reads from whoever is on the link.

use std::time::Duration;

use bedplate_init::network::dhcp::{Action, Dhcp, Identity};

const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
/// Fixed part of a message with its magic number (RFC 2131, section 2).
const FIXED: usize = 240;

/// Options of a DHCP answer, given for the offer and for the acknowledgement alike: a lease that
/// is taken can be configured, and the client always has something to do later, never at once.
pub fn dhcp(options: &[u8]) -> bool {
    let now = Duration::from_secs(1);
    let identity = Identity {
        mac: MAC,
        hostname: "host".to_owned(),
        seed: 1,
    };
    let mut dhcp = Dhcp::new(identity, now);
    let Some(query) = query(&dhcp.on_timer(now)) else {
        return false;
    };
    for kind in [2, 5] {
        dhcp.on_packet(now, &answer(&query, kind, options));
        assert!(dhcp.deadline() > now);
    }
    let lease = dhcp.lease();
    if let Some(lease) = lease {
        assert!(lease.prefix <= 32);
        assert!(lease.mtu.is_none_or(|mtu| mtu >= 576));
    }
    lease.is_some()
}

fn query(actions: &[Action]) -> Option<Vec<u8>> {
    actions.iter().find_map(|action| match action {
        Action::Broadcast(_, message) => Some(message.clone()),
        _ => None,
    })
}

/// The answer of `kind` to `query` that gives 10.0.2.15, with `options` behind the kind.
fn answer(query: &[u8], kind: u8, options: &[u8]) -> Vec<u8> {
    let mut answer: Vec<u8> = query.iter().take(FIXED).copied().collect();
    for (at, value) in [(0, &[2][..]), (16, &[10, 0, 2, 15])] {
        let room = answer.iter_mut().skip(at);
        room.zip(value).for_each(|(byte, new)| *byte = *new);
    }
    answer.extend([53, 1, kind]);
    answer.extend(options);
    answer
}
