//! A server that answers, refuses, lies and falls silent.

use proptest::prelude::*;

use super::*;
use crate::network::message::tests as server;

const SERVER: [u8; 4] = [10, 0, 2, 2];

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn client() -> Dhcp {
    let identity = Identity {
        mac: server::MAC,
        hostname: "host".to_owned(),
        seed: 42,
    };
    Dhcp::new(identity, at(0))
}

fn reply(dhcp: &Dhcp, kind: Kind, lease: u32) -> Vec<u8> {
    let options: [(u8, &[u8]); 3] = [
        (54, &SERVER),
        (1, &[255, 255, 255, 0]),
        (51, &lease.to_be_bytes()),
    ];
    server::answer(kind, dhcp.xid, &options)
}

/// A client with a lease of 1000 seconds from time 0.
fn bound() -> Dhcp {
    let mut dhcp = client();
    dhcp.on_timer(at(0));
    let offer = reply(&dhcp, Kind::Offer, 1000);
    let request = dhcp.on_packet(at(0), &offer);
    assert!(matches!(request[..], [Action::Broadcast(..)]));
    let ack = reply(&dhcp, Kind::Ack, 1000);
    let actions = dhcp.on_packet(at(0), &ack);
    assert!(matches!(actions[..], [Action::Configure(_)]));
    dhcp
}

#[test]
fn a_lease_is_got_and_renewed() {
    let mut dhcp = bound();
    assert_eq!(dhcp.deadline(), at(500));
    let renewal = dhcp.on_timer(at(500));
    assert!(matches!(&renewal[..], [Action::Unicast(to, _)] if to.octets() == SERVER));
    let ack = reply(&dhcp, Kind::Ack, 1000);
    assert_eq!(dhcp.on_packet(at(501), &ack), []);
    assert_eq!(dhcp.deadline(), at(1001));
}

#[test]
fn a_silent_server_costs_the_lease_at_its_end() {
    let mut dhcp = bound();
    let (mut unicast, mut broadcast) = (0, 0);
    loop {
        let now = dhcp.deadline();
        match &dhcp.on_timer(now)[..] {
            [Action::Unicast(..)] => unicast += 1,
            [Action::Broadcast(from, _)] => {
                assert!(now >= at(875));
                assert_eq!(*from, Ipv4Addr::new(10, 0, 2, 15));
                broadcast += 1;
            }
            [Action::Deconfigure(_)] => break assert_eq!(now, at(1000)),
            other => panic!("{other:?}"),
        }
    }
    assert!(unicast >= 2 && broadcast >= 1);
    assert_eq!(dhcp.lease(), None);
}

#[test]
fn a_refusal_begins_anew() {
    let mut dhcp = bound();
    dhcp.on_timer(at(500));
    let nak = reply(&dhcp, Kind::Nak, 1);
    assert!(matches!(
        dhcp.on_packet(at(500), &nak)[..],
        [Action::Deconfigure(_)]
    ));
    assert!(dhcp.deadline() > at(500));
    assert!(matches!(
        dhcp.on_timer(at(502))[..],
        [Action::Broadcast(..)]
    ));
}

#[test]
fn another_address_replaces_the_first() {
    let mut dhcp = bound();
    dhcp.on_timer(at(500));
    let mut ack = reply(&dhcp, Kind::Ack, 1000);
    ack[19] = 99;
    let actions = dhcp.on_packet(at(500), &ack);
    assert!(matches!(
        actions[..],
        [Action::Deconfigure(_), Action::Configure(_)]
    ));
}

#[test]
fn discovery_backs_off_and_never_ends() {
    let mut dhcp = client();
    let mut waits = Vec::new();
    for _ in 0..10 {
        let now = dhcp.deadline();
        assert!(matches!(dhcp.on_timer(now)[..], [Action::Broadcast(..)]));
        waits.push(dhcp.deadline() - now);
    }
    assert!(waits[0] < Duration::from_millis(1250));
    assert!(waits.iter().all(|wait| *wait <= LAST_WAIT.mul_f32(1.25)));
    assert!(waits[9] >= LAST_WAIT);
}

#[test]
fn a_server_that_falls_silent_after_its_offer_is_left() {
    let mut dhcp = client();
    dhcp.on_timer(at(0));
    let offer = reply(&dhcp, Kind::Offer, 1000);
    dhcp.on_packet(at(0), &offer);
    for _ in 0..REQUESTS {
        dhcp.on_timer(dhcp.deadline());
    }
    assert!(matches!(dhcp.phase, Phase::Discover { .. }));
}

#[test]
fn answers_to_others_are_ignored() {
    let mut dhcp = client();
    dhcp.on_timer(at(0));
    let mut other = reply(&dhcp, Kind::Offer, 1000);
    other[28] ^= 1;
    assert_eq!(dhcp.on_packet(at(0), &other), []);
    let mut stale = reply(&dhcp, Kind::Offer, 1000);
    stale[4] ^= 1;
    assert_eq!(dhcp.on_packet(at(0), &stale), []);
    let mut loopback = reply(&dhcp, Kind::Offer, 1000);
    loopback[16..20].copy_from_slice(&[127, 0, 0, 1]);
    assert_eq!(dhcp.on_packet(at(0), &loopback), []);
    let acked = reply(&dhcp, Kind::Ack, 1000);
    assert_eq!(dhcp.on_packet(at(0), &acked), []);
}

proptest! {
    /// Whatever a server says and however time passes, the client waits before it acts again.
    #[test]
    fn the_client_is_never_busy(steps in proptest::collection::vec((0u64..2000, 0u8..4, any::<u32>(), any::<[u32; 2]>()), 1..60)) {
        let mut dhcp = client();
        let mut now = at(0);
        for (seconds, kind, lease, [renew, rebind]) in steps {
            now += at(seconds);
            let actions = dhcp.on_timer(now);
            prop_assert!(actions.len() <= 1);
            prop_assert!(dhcp.deadline() > now);
            let kind = [Kind::Offer, Kind::Ack, Kind::Nak, Kind::Discover][usize::from(kind)];
            let options: [(u8, &[u8]); 4] = [
                (54, &SERVER),
                (51, &lease.to_be_bytes()),
                (58, &renew.to_be_bytes()),
                (59, &rebind.to_be_bytes()),
            ];
            let message = server::answer(kind, dhcp.xid, &options);
            prop_assert!(dhcp.on_packet(now, &message).len() <= 2);
            prop_assert!(dhcp.deadline() > now);
        }
    }
}
