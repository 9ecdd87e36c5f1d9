//! How far a long step is, in lines that stand alone: they become events on a console.

use std::{
    fmt,
    io::Write,
    time::{Duration, Instant},
};

use crate::render::text;

/// No two lines of one step are closer.
const SOONEST: Duration = Duration::from_secs(1);
/// A slow step says this often that it still goes on.
const LATEST: Duration = Duration::from_secs(10);
/// A line each so many percent.
const STEP: u64 = 10;
/// Smaller steps are over before anyone reads of them.
const SMALL: u64 = 4 << 20;

/// Writes lines to wherever the operator looks.
pub struct Progress<'a> {
    out: &'a mut dyn Write,
    what: &'static str,
    total: u64,
    done: u64,
    told: u64,
    began: Instant,
    last: Instant,
}

impl fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Progress({}: {} of {})",
            self.what, self.done, self.total
        )
    }
}

impl<'a> Progress<'a> {
    /// Tells `out`, which may be gone: an upgrade goes on without anyone who reads of it.
    pub fn new(out: &'a mut dyn Write) -> Self {
        let now = Instant::now();
        Self {
            out,
            what: "",
            total: 0,
            done: 0,
            told: 0,
            began: now,
            last: now,
        }
    }

    /// Writes one line.
    pub fn say(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    /// A step of `total` bytes begins.
    pub fn begin(&mut self, what: &'static str, total: u64) {
        let now = Instant::now();
        (self.what, self.total, self.done, self.told) = (what, total, 0, 0);
        (self.began, self.last) = (now, now);
        if total >= SMALL {
            self.say(&format!("{what}: {}", mib(total)));
        }
    }

    /// So many more bytes of the step are done.
    pub fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if self.total < SMALL {
            return;
        }
        let percent = self.done.saturating_mul(100) / self.total;
        let since = self.last.elapsed();
        let further = percent >= self.told.saturating_add(STEP) && since >= SOONEST;
        if further || since >= LATEST {
            self.told = percent;
            self.last = Instant::now();
            self.tell(percent);
        }
    }

    fn tell(&mut self, percent: u64) {
        let speed = rate(self.done, self.began.elapsed());
        let line = format!(
            "{}: {percent} %, {} of {}, {speed:.1} MB/s",
            self.what,
            mib(self.done),
            mib(self.total)
        );
        self.say(&line);
    }
}

/// Megabytes (10^6) per second.
pub fn rate(bytes: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64().max(0.001);
    bytes as f64 / 1e6 / seconds
}

/// Bytes in MiB: `2.9 MiB`.
pub fn mib(bytes: u64) -> String {
    text::mib(bytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_when_there_is_news() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out);
        progress.begin("small", 100);
        progress.advance(100);
        progress.begin("large", 100 << 20);
        progress.advance(50 << 20);
        progress.last = Instant::now() - SOONEST;
        progress.began = Instant::now() - Duration::from_secs(10);
        progress.advance(1 << 20);
        progress.last = Instant::now() - SOONEST;
        progress.advance(1 << 20);
        let text = String::from_utf8(out).unwrap();
        let (first, second) = text.split_once('\n').unwrap();
        assert_eq!(first, "large: 100.0 MiB");
        assert!(
            second.starts_with("large: 51 %, 51.0 MiB of 100.0 MiB, 5."),
            "{second}"
        );
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn nobody_needs_to_read_them() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut gone = Gone;
        Progress::new(&mut gone).say("line");
    }
}
