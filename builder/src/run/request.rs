//! Requests to the machine over its control port.
//!
//! QEMU serves one connection at a time: whoever keeps one open holds back all others.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use bedplate_contract::control::{Reply, Request, UpgradeStep};

use super::{bundle::DEVICE, console::Message};

/// How long PID 1 may take for an answer that takes it no work.
const ANSWER: Duration = Duration::from_secs(10);

/// Asks the guest to power off.
///
/// # Errors
/// Nobody answers, or not with `done`.
pub fn power_off(control: &Path) -> io::Result<()> {
    let stream = UnixStream::connect(control)?;
    stream.set_read_timeout(Some(ANSWER))?;
    send(&stream, &Request::Poweroff)?;
    match receive(stream)? {
        Reply::Done => Ok(()),
        other => Err(io::Error::other(format!(
            "expected `done`, found {other:?}"
        ))),
    }
}

/// An upgrade that the machine was asked for; dropped, it frees the control port.
#[derive(Debug)]
pub struct Offer(UnixStream);

impl Offer {
    /// Asks for an upgrade from the machine's second disk; the reply, which may come minutes later
    /// or, when the machine reboots first, never, goes to `messages`.
    ///
    /// # Errors
    /// The control port takes no request.
    pub fn make(control: &Path, messages: Sender<Message>) -> io::Result<Self> {
        let stream = UnixStream::connect(control)?;
        let request = Request::Upgrade {
            source: Some(DEVICE.to_owned()),
            step: UpgradeStep::All,
            force: false,
        };
        send(&stream, &request)?;
        let replies = stream.try_clone()?;
        thread::spawn(move || {
            if let Ok(reply) = receive(replies) {
                // The run may have ended meanwhile; then nobody wants the reply.
                let _ = messages.send(Message::Reply(reply));
            }
        });
        Ok(Self(stream))
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // The thread that waits for the reply ends by this; a closed stream has ended it already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

fn send(mut stream: &UnixStream, request: &Request) -> io::Result<()> {
    let line = serde_json::to_string(request)?;
    writeln!(stream, "{line}")
}

fn receive(stream: UnixStream) -> io::Result<Reply> {
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, sync::mpsc::channel};

    use super::*;

    #[test]
    fn an_upgrade_is_asked_for_and_its_reply_told() {
        let directory = tempfile::tempdir().unwrap();
        let control = directory.path().join("control");
        let listener = UnixListener::bind(&control).unwrap();
        let (sender, messages) = channel();
        let offer = Offer::make(&control, sender).unwrap();
        let (mut machine, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&machine).read_line(&mut request).unwrap();
        let expected = r#"{"request":"upgrade","source":"/dev/vdb","step":"all","force":false}"#;
        assert_eq!(request.trim_end(), expected);
        machine.write_all(b"{\"reply\":\"done\"}\n").unwrap();
        assert!(matches!(
            messages.recv().unwrap(),
            Message::Reply(Reply::Done)
        ));
        drop(offer);
    }

    #[test]
    fn a_dropped_offer_frees_the_port() {
        let directory = tempfile::tempdir().unwrap();
        let control = directory.path().join("control");
        let listener = UnixListener::bind(&control).unwrap();
        let (sender, messages) = channel();
        drop(Offer::make(&control, sender).unwrap());
        let (machine, _) = listener.accept().unwrap();
        let lines = BufReader::new(machine).lines().count();
        assert_eq!(lines, 1, "the request, then the end");
        assert!(messages.recv().is_err(), "no reply, and nobody who waits");
    }
}
