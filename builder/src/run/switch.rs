//! What stands between a linked machine, its user network, and the wire to the other machine.
//!
//! QEMU's own hub would pass every frame to everybody. Its user network takes any address of its
//! network for this host, and resets what one machine asks of the other before that can answer; so it
//! is shown only what is meant for it. The ports are Unix datagram sockets, a frame a datagram.
//! Source: qemu(1), "-netdev dgram"; libslirp, `special_ethaddr`.

use std::{fs, io, os::unix::net::UnixDatagram, path::PathBuf, sync::Arc, thread};

/// Bytes of the longest datagram that QEMU sends (net/dgram.c, `NET_BUFSIZE`).
const FRAME: usize = 4096 + 65536;
/// First bytes of each hardware address that the user network has.
const USER_ADDRESS: [u8; 2] = [0x52, 0x55];

/// The two sockets of a cable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cable {
    /// At the near end.
    pub own: PathBuf,
    /// At the far end, which may not be there yet.
    pub other: PathBuf,
}

impl Cable {
    /// The same cable from the far end.
    pub fn turned(&self) -> Self {
        Self {
            own: self.other.clone(),
            other: self.own.clone(),
        }
    }
}

/// The cables of a switch, each from its own end.
#[derive(Debug, Clone)]
pub struct Cables {
    /// To the machine's network card.
    pub card: Cable,
    /// To its user network.
    pub user: Cable,
    /// To the other machine's switch.
    pub wire: Cable,
}

/// One of the ports of a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Card,
    User,
    Wire,
}

impl Cables {
    const fn of(&self, port: Port) -> &Cable {
        match port {
            Port::Card => &self.card,
            Port::User => &self.user,
            Port::Wire => &self.wire,
        }
    }
}

/// Opens the ports, and passes frames on until this process ends.
///
/// # Errors
/// A socket cannot be made.
pub fn start(cables: &Cables) -> io::Result<()> {
    let cables = Arc::new(cables.clone());
    for port in [Port::Card, Port::User, Port::Wire] {
        let own = &cables.of(port).own;
        // What a run left that was killed.
        if own.exists() {
            fs::remove_file(own)?;
        }
        let incoming = UnixDatagram::bind(own)?;
        let outgoing = UnixDatagram::unbound()?;
        // Whoever takes no more frames loses them, as on any wire, and holds up nobody.
        outgoing.set_nonblocking(true)?;
        let cables = Arc::clone(&cables);
        thread::spawn(move || pass(port, &incoming, &outgoing, &cables));
    }
    Ok(())
}

fn pass(from: Port, incoming: &UnixDatagram, outgoing: &UnixDatagram, cables: &Cables) {
    let mut frame = vec![0; FRAME];
    while let Ok(length) = incoming.recv(&mut frame) {
        let frame = &frame[..length];
        for port in targets(from, frame) {
            // The far end may be gone, or not there yet.
            let _ = outgoing.send_to(frame, &cables.of(*port).other);
        }
    }
}

/// Where a frame goes that came in at `from`: its first six bytes say to whom (IEEE 802.3, 3.2).
fn targets(from: Port, frame: &[u8]) -> &'static [Port] {
    let is_for_many = frame.first().is_some_and(|byte| byte & 1 == 1);
    match from {
        Port::User | Port::Wire => &[Port::Card],
        Port::Card if is_for_many => &[Port::User, Port::Wire],
        Port::Card if frame.starts_with(&USER_ADDRESS) => &[Port::User],
        Port::Card => &[Port::Wire],
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;

    const TO_ALL: [u8; 6] = [0xff; 6];
    const TO_HOST: [u8; 6] = [0x52, 0x55, 10, 77, 0, 254];
    const TO_OTHER: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x57];

    #[test]
    fn the_user_network_hears_what_is_meant_for_it() {
        for (from, frame, expected) in [
            (Port::Card, TO_ALL, vec![Port::User, Port::Wire]),
            (Port::Card, TO_HOST, vec![Port::User]),
            (Port::Card, TO_OTHER, vec![Port::Wire]),
            (Port::Wire, TO_ALL, vec![Port::Card]),
            (Port::Wire, TO_HOST, vec![Port::Card]),
            (Port::User, TO_OTHER, vec![Port::Card]),
        ] {
            assert_eq!(targets(from, &frame), expected, "{from:?} {frame:x?}");
        }
        assert_eq!(targets(Port::Card, &[]), [Port::Wire]);
    }

    /// A cable whose far end is a socket of the test.
    fn cable(directory: &Path, name: &str) -> (Cable, UnixDatagram) {
        let own = directory.join(name);
        let other = directory.join(format!("{name}-far"));
        let far = UnixDatagram::bind(&other).unwrap();
        far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (Cable { own, other }, far)
    }

    fn read(socket: &UnixDatagram) -> Vec<u8> {
        let mut frame = [0; 64];
        let length = socket.recv(&mut frame).unwrap();
        frame[..length].to_vec()
    }

    #[test]
    fn frames_cross_and_a_missing_machine_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (card, machine) = cable(path, "card");
        let (user, host) = cable(path, "user");
        let (wire, other) = cable(path, "wire");
        let far = wire.other.clone();
        // Left by a run that was killed.
        drop(UnixDatagram::bind(&card.own).unwrap());
        start(&Cables {
            card: card.clone(),
            user,
            wire: wire.clone(),
        })
        .unwrap();

        machine.send_to(&TO_OTHER, &card.own).unwrap();
        assert_eq!(read(&other), TO_OTHER);
        other.send_to(&TO_ALL, &wire.own).unwrap();
        assert_eq!(read(&machine), TO_ALL);

        drop(other);
        machine.send_to(&TO_OTHER, &card.own).unwrap();
        machine.send_to(&TO_HOST, &card.own).unwrap();
        assert_eq!(read(&host), TO_HOST);
        fs::remove_file(&far).unwrap();
        let other = UnixDatagram::bind(&far).unwrap();
        machine.send_to(&TO_OTHER, &card.own).unwrap();
        assert_eq!(read(&other), TO_OTHER);
    }
}
