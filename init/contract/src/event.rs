//! Boot events: one line each on the console, read by `bedplate run` and the tests.
//!
//! `bedplate: <seconds>.<millis> <event>[ key=value…]`, for instance
//! `bedplate: 3.214 service.ready name=postgres ms=812`. Values with spaces, quotes, `=` or control
//! characters are written as JSON strings. Names of events are stable; new keys may come.

use std::fmt;

/// What every event line starts with.
pub const PREFIX: &str = "bedplate: ";

/// Names of the events that programs look for.
pub mod name {
    /// A phase of the boot story ended: `phase`, `ms`.
    pub const PHASE: &str = "phase.done";
    /// A phase failed and the boot goes on without it: `phase`, `error`.
    pub const PHASE_FAILED: &str = "phase.failed";
    /// The root was found: `slot`, `roothash`.
    pub const SLOT: &str = "slot.found";
    /// A service's process was started: `name`, `pid`.
    pub const SERVICE_STARTED: &str = "service.started";
    /// A service became ready: `name`, `ms` since its start.
    pub const SERVICE_READY: &str = "service.ready";
    /// A ready service is no longer: `name`, `reason`.
    pub const SERVICE_UNREADY: &str = "service.unready";
    /// A service's process ended: `name`, `status`.
    pub const SERVICE_EXITED: &str = "service.exited";
    /// A service waits: `name`, `for`, `because`.
    pub const SERVICE_WAITING: &str = "service.waiting";
    /// A service ran out of restarts: `name`, `reason`.
    pub const SERVICE_FAILED: &str = "service.failed";
    /// The gate passed: `ms` since PID 1 started.
    pub const GATE_PASSED: &str = "gate.passed";
    /// The gate failed: `reason`, `services`.
    pub const GATE_FAILED: &str = "gate.failed";
    /// The entry was blessed: `entry`.
    pub const BLESSED: &str = "boot.blessed";
    /// The boot is good and stays: `version`, `ms`. What `--until healthy` waits for.
    pub const HEALTHY: &str = "boot.healthy";
    /// The entry was marked bad: `entry`.
    pub const MARKED_BAD: &str = "boot.bad";
    /// No other slot can boot: the machine stays as it is: `reason`.
    pub const DEGRADED: &str = "boot.degraded";
    /// The machine goes down: `how` is `reboot`, `poweroff` or `halt`.
    pub const SHUTDOWN: &str = "shutdown";
    /// A line of a service's output: `name`, `text`.
    pub const LOG: &str = "log";
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Milliseconds since the kernel started.
    pub at_ms: u64,
    /// One of [`name`].
    pub name: String,
    /// Keys and values in order.
    pub fields: Vec<(String, String)>,
}

impl Event {
    /// An event without fields.
    pub fn new(at_ms: u64, name: &str) -> Self {
        Self {
            at_ms,
            name: name.to_owned(),
            fields: Vec::new(),
        }
    }

    /// The same event with one more field.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.fields.push((key.to_owned(), value.to_string()));
        self
    }

    /// The first value of `key`.
    pub fn field(&self, key: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    /// Reads a console line; `None` for every line that is no event.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\r', '\n']);
        let rest = &line[line.find(PREFIX)? + PREFIX.len()..];
        let (time, rest) = rest.split_once(' ')?;
        let (seconds, millis) = time.split_once('.')?;
        let at_ms = seconds.parse::<u64>().ok()?.checked_mul(1000)?;
        let at_ms = at_ms.checked_add(millis.parse().ok()?)?;
        let (name, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut event = Self::new(at_ms, name);
        while !rest.is_empty() {
            let (key, value, tail) = parse_field(rest)?;
            event.fields.push((key.to_owned(), value));
            rest = tail.trim_start_matches(' ');
        }
        Some(event)
    }
}

fn parse_field(text: &str) -> Option<(&str, String, &str)> {
    let (key, rest) = text.split_once('=')?;
    if !rest.starts_with('"') {
        let (value, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        return Some((key, value.to_owned(), tail));
    }
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((key, value, &rest[values.byte_offset()..]))
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{PREFIX}{}.{:03} {}",
            self.at_ms / 1000,
            self.at_ms % 1000,
            self.name
        )?;
        for (key, value) in &self.fields {
            let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '=';
            if !value.is_empty() && value.chars().all(plain) {
                write!(f, " {key}={value}")?;
            } else {
                write!(f, " {key}={}", serde_json::Value::from(value.as_str()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip() {
        let event = Event::new(3214, name::SERVICE_UNREADY)
            .with("name", "postgres")
            .with("reason", "connect: refused \"now\" a=b\nsecond")
            .with("empty", "");
        let line = event.to_string();
        assert!(line.starts_with("bedplate: 3.214 service.unready name=postgres reason=\""));
        assert!(!line.contains('\n'));
        assert_eq!(Event::parse(&line), Some(event));
    }

    #[test]
    fn other_lines_are_no_events() {
        for line in [
            "",
            "[    1.0] Linux",
            "bedplate: x",
            "bedplate: 1.0 a b",
            "bedplate: 1.0 a b=\"",
        ] {
            assert_eq!(Event::parse(line), None, "{line}");
        }
    }

    #[test]
    fn kernel_prefix_is_skipped() {
        assert_eq!(
            Event::parse("[ 1.2] bedplate: 1.002 a").map(|e| e.at_ms),
            Some(1002)
        );
    }
}
