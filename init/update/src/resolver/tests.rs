//! The resolver against a name server on the loopback.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, UdpSocket},
    thread,
};

use super::*;

const SHORT: Duration = Duration::from_millis(300);

/// What the server does with a question that came by datagram.
#[derive(Clone, Copy)]
enum Mood {
    Tell,
    /// Forgeries first.
    TellAfterStrays,
    Truncate,
    Fail,
    NoSuchName,
    Silent,
}

struct Setup {
    _directory: tempfile::TempDir,
    resolver: Resolver,
}

/// A resolver whose only server behaves like `mood` and knows 10.9.8.7 for every name.
fn setup(mood: Mood) -> Setup {
    let directory = tempfile::tempdir().unwrap();
    let (udp, tcp) = sockets();
    let port = udp.local_addr().unwrap().port();
    thread::spawn(move || serve_datagrams(&udp, mood));
    thread::spawn(move || serve_streams(&tcp));
    let configuration = directory.path().join("resolv.conf");
    fs::write(&configuration, "nameserver 127.0.0.1\n").unwrap();
    let resolver = Resolver {
        hosts: directory.path().join("hosts"),
        configuration,
        port,
    };
    Setup {
        _directory: directory,
        resolver,
    }
}

/// Both on one port.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

fn reply(question: &[u8], flags: u16, address: bool) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[7] = u8::from(address);
    if address {
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 9, 8, 7]);
    }
    bytes
}

fn serve_datagrams(socket: &UdpSocket, mood: Mood) {
    let mut buffer = [0; 512];
    while let Ok((count, from)) = socket.recv_from(&mut buffer) {
        let question = &buffer[..count];
        let is_v4 = question[count - 3] == 1;
        let mut forged = reply(question, 0x8180, true);
        forged[0] ^= 1;
        let replies = match mood {
            Mood::Tell => vec![reply(question, 0x8180, is_v4)],
            Mood::TellAfterStrays => {
                vec![vec![1, 2, 3], forged, reply(question, 0x8180, true)]
            }
            Mood::Truncate => vec![reply(question, 0x8380, false)],
            Mood::Fail => vec![reply(question, 0x8182, false)],
            Mood::NoSuchName => vec![reply(question, 0x8183, false)],
            Mood::Silent => vec![],
        };
        for reply in replies {
            socket.send_to(&reply, from).unwrap();
        }
    }
}

fn serve_streams(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question).unwrap();
        let reply = reply(&question, 0x8180, true);
        let length = (reply.len() as u16).to_be_bytes();
        // In two pieces, as networks do.
        stream.write_all(&length).unwrap();
        stream.write_all(&reply).unwrap();
    }
}

fn resolve(mood: Mood, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
    let setup = setup(mood);
    setup.resolver.addresses(host, Instant::now() + SHORT)
}

#[test]
fn a_name_is_asked_for_by_datagram_or_tcp() {
    let expected = [IpAddr::from([10, 9, 8, 7])];
    for mood in [Mood::Tell, Mood::TellAfterStrays, Mood::Truncate] {
        assert_eq!(resolve(mood, "web.example").unwrap(), expected);
    }
}

#[test]
fn failures_are_told_apart() {
    let none = resolve(Mood::NoSuchName, "web.example").unwrap_err();
    assert!(matches!(none, ResolveError::NoAddress(_)), "{none}");
    let failed = resolve(Mood::Fail, "web.example").unwrap_err();
    assert!(
        failed.to_string().contains("it failed with code 2"),
        "{failed}"
    );
    let silent = resolve(Mood::Silent, "web.example").unwrap_err();
    assert!(silent.to_string().contains("timed out"), "{silent}");
    let bad = resolve(Mood::Tell, "web example").unwrap_err();
    assert!(matches!(bad, ResolveError::Name(_)), "{bad}");
}

#[test]
fn addresses_and_known_names_ask_nobody() {
    let setup = setup(Mood::Silent);
    fs::write(&setup.resolver.hosts, "10.1.1.1 web\n").unwrap();
    for (host, expected) in [
        ("10.2.2.2", "10.2.2.2"),
        ("[::1]", "::1"),
        ("web", "10.1.1.1"),
        ("localhost", "127.0.0.1"),
    ] {
        let found = setup.resolver.addresses(host, Instant::now() + SHORT);
        assert_eq!(found.unwrap(), [expected.parse::<IpAddr>().unwrap()]);
    }
}

#[test]
fn without_servers_it_says_where_they_should_be() {
    let mut setup = setup(Mood::Tell);
    setup.resolver.configuration = "/no/such".into();
    let found = setup.resolver.addresses("web", Instant::now() + SHORT);
    let message = found.unwrap_err().to_string();
    assert_eq!(message, "resolving `web`: `/no/such` names no name server");
}
