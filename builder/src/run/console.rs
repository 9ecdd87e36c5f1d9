//! The guest's serial console as messages of one channel, together with the user's signals.

use std::{
    io::{BufRead, BufReader, Read},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use bedplate_contract::control::Reply;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

/// What the session waits for.
#[derive(Debug)]
pub enum Message {
    /// One line of the console, without its end.
    Line(String),
    /// QEMU closed the console: it ended.
    Closed,
    /// Ctrl-C or `SIGTERM`.
    Interrupted,
    /// What the machine replied to a request that took its time.
    Reply(Reply),
}

/// Reads `serial` to its end and takes over the signals; both arrive on the receiver, and so does
/// what is sent to the sender.
///
/// # Errors
/// The signal handlers cannot be set.
pub fn listen(
    serial: impl Read + Send + 'static,
) -> std::io::Result<(Sender<Message>, Receiver<Message>)> {
    let (sender, receiver) = channel();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let interrupts = sender.clone();
    thread::spawn(move || {
        for _ in signals.forever() {
            if interrupts.send(Message::Interrupted).is_err() {
                return;
            }
        }
    });
    let lines = sender.clone();
    thread::spawn(move || read_lines(serial, &lines));
    Ok((sender, receiver))
}

/// A console carries any bytes: what is no UTF-8 is replaced, never an error.
fn read_lines(serial: impl Read, sender: &Sender<Message>) {
    let mut reader = BufReader::new(serial);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned();
        if sender.send(Message::Line(text)).is_err() {
            return;
        }
        line.clear();
    }
    // The receiver may be gone already: then nobody waits for the end either.
    let _ = sender.send(Message::Closed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_then_the_end() {
        let (_sender, receiver) = listen(&b"one\r\n\xfftwo"[..]).unwrap();
        assert!(matches!(receiver.recv().unwrap(), Message::Line(line) if line == "one"));
        assert!(matches!(receiver.recv().unwrap(), Message::Line(line) if line.ends_with("two")));
        assert!(matches!(receiver.recv().unwrap(), Message::Closed));
    }
}
