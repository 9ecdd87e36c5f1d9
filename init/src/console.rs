//! Boot events on the console, never at the price of waiting for it.
//!
//! A serial line takes a minute for what a boot may say in a second, and one whose other end holds
//! it never takes anything. So lines go into a bounded queue, are written as far as the device
//! takes them, and the newest are dropped and counted once the queue is full.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use bedplate_contract::event::Event;
use bedplate_sys::{clock, socket};

/// The kernel's console: the last `console=` of the command line.
pub const DEVICE: &str = "/dev/console";

/// Event that stands where lines were dropped: `lines`.
pub const DROPPED: &str = "console.dropped";

/// Bytes that wait for the device: some thousand events, ten times what a boot says.
const QUEUE: usize = 256 * 1024;

/// Between two attempts of [`drain`].
const POLL: Duration = Duration::from_millis(5);

/// `O_NONBLOCK | O_NOCTTY`: PID 1 must neither wait for the device nor be hung up with it.
const FLAGS: i32 = 0o4000 | 0o400;

static CONSOLE: Mutex<Console<File>> = Mutex::new(Console::new());

/// An event that happens now.
pub fn event(name: &str) -> Event {
    Event::new(clock::since_boot_ms(), name)
}

/// Says `event` on the console; returns at once, whatever the device does.
pub fn emit(event: &Event) {
    with(|console| console.say(event));
}

/// Writes what waits, as far as the device takes it; the event loop calls it now and then.
pub fn flush() {
    with(Console::write_queued);
}

/// Waits until the device has taken everything, but no longer than `limit`; before an exec or a reboot.
pub fn drain(limit: Duration) {
    let end = clock::since_boot().saturating_add(limit);
    while !try_drain() && clock::since_boot() < end {
        thread::sleep(POLL);
    }
}

/// Says events on standard output where there is no console, as in most containers.
pub fn fall_back_to_stdout() {
    with(|console| {
        if console.device.is_none() {
            let stdout = io::stdout().as_fd().try_clone_to_owned().ok();
            // A reader that stops reading must not stop PID 1.
            let stdout = stdout.filter(|fd| socket::set_nonblocking(fd).is_ok());
            console.device = stdout.map(File::from);
        }
    });
}

/// Whether nothing waits for the device.
pub fn is_drained() -> bool {
    let mut drained = true;
    with(|console| drained = console.queue.is_empty());
    drained
}

fn try_drain() -> bool {
    let mut drained = false;
    with(|console| {
        console.write_queued();
        drained = console.queue.is_empty();
    });
    drained
}

fn with(work: impl FnOnce(&mut Console<File>)) {
    let mut console = CONSOLE.lock().unwrap_or_else(PoisonError::into_inner);
    if console.device.is_none() {
        // Before `/dev` is mounted there is no console; what is said meanwhile waits in the queue.
        console.device = open(Path::new(DEVICE)).ok();
    }
    work(&mut console);
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(FLAGS)
        .open(path)
}

/// A device with the lines that wait for it.
#[derive(Debug)]
struct Console<W> {
    device: Option<W>,
    queue: VecDeque<u8>,
    dropped: u64,
}

impl<W: Write> Console<W> {
    const fn new() -> Self {
        Self {
            device: None,
            queue: VecDeque::new(),
            dropped: 0,
        }
    }

    fn say(&mut self, event: &Event) {
        self.write_queued();
        let mut lines = format!("{event}\r\n");
        if self.dropped > 0 {
            let note = Event::new(event.at_ms, DROPPED).with("lines", self.dropped);
            lines.insert_str(0, &format!("{note}\r\n"));
        }
        // Whole lines or nothing: half a line would swallow the next one.
        if self.queue.len().saturating_add(lines.len()) <= QUEUE {
            self.queue.extend(lines.as_bytes());
            self.dropped = 0;
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        self.write_queued();
    }

    fn write_queued(&mut self) {
        let Some(device) = &mut self.device else {
            return;
        };
        while !self.queue.is_empty() {
            let (head, _) = self.queue.as_slices();
            match device.write(head) {
                Ok(written) if written > 0 => drop(self.queue.drain(..written.min(head.len()))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Full, hung up or gone: the lines wait for the next call, and past the queue's
                // bound they are dropped. There is nobody to tell.
                Ok(_) | Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then would block.
    #[derive(Default)]
    struct Line {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Line {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.taken.extend(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn console(room: usize) -> Console<Line> {
        let device = Some(Line {
            room,
            taken: Vec::new(),
        });
        Console {
            device,
            ..Console::new()
        }
    }

    fn events(console: &Console<Line>) -> Vec<Event> {
        let text = std::str::from_utf8(&console.device.as_ref().unwrap().taken).unwrap();
        text.lines()
            .map(|line| Event::parse(line).unwrap())
            .collect()
    }

    #[test]
    fn a_torn_line_is_finished_later() {
        let mut console = console(10);
        console.say(&Event::new(1, "a").with("k", "v"));
        console.device.as_mut().unwrap().room = 1000;
        console.say(&Event::new(2, "b"));
        let names: Vec<_> = events(&console).into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn lines_past_the_queue_are_counted() {
        let mut console = console(0);
        let event = Event::new(1, "a").with("text", "x".repeat(QUEUE / 4));
        for _ in 0..5 {
            console.say(&event);
        }
        assert_eq!(console.dropped, 2);
        console.device.as_mut().unwrap().room = usize::MAX;
        console.say(&Event::new(2, "b"));
        let last: Vec<_> = events(&console).into_iter().skip(3).collect();
        assert_eq!(last[0], Event::new(2, DROPPED).with("lines", 2));
        assert_eq!(last[1].name, "b");
    }

    #[test]
    fn lines_wait_for_a_device() {
        let mut console: Console<Line> = Console::new();
        console.say(&Event::new(1, "a"));
        assert!(!console.queue.is_empty());
        console.device = Some(Line {
            room: 1000,
            taken: Vec::new(),
        });
        console.write_queued();
        assert_eq!(events(&console).len(), 1);
    }
}
