//! Boot events: one line each on the console, read by `bedplate run` and the tests.
//!
//! `bedplate: <seconds>.<millis> <event>[ key=value…]`, for instance
//! `bedplate: 3.214 service.ready name=postgres ms=812`. The milliseconds have three digits.
//! Names and keys are words of graphic ASCII without quotes and `=`. Values that are no such word
//! are written as JSON strings, control characters escaped: a line is one line, and commands no
//! terminal, whatever a service said. Names of events are stable; new keys may come.

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
    /// Stage 1 counted this boot: `roothash`, `attempts` in a row without a verdict.
    pub const COUNTED: &str = "boot.counted";
    /// A slot is read against its hash tree: stage 1's own or the other one, or that which a failed gate
    /// or an operator would leave for: `slot`.
    pub const SLOT_CHECK: &str = "slot.check";
    /// It was: `slot`, `sound` (`yes`, `no`, `unknown`), in stage 1 `ms`, and `reason` when it is not.
    pub const SLOT_CHECKED: &str = "slot.checked";
    /// Stage 1 stays, reachable by the control port, for a boot leads nowhere: `reason`.
    pub const STAGE1_STAYS: &str = "stage1.stays";
    /// The state partition was blank and is a new file system now: `device`.
    pub const STATE_MADE: &str = "state.made";
    /// The state partition is damaged and is being repaired: `device`, `reason`.
    pub const STATE_REPAIR: &str = "state.repair";
    /// It was: `device`, `lost_found`, the files whose place was lost.
    pub const STATE_REPAIRED: &str = "state.repaired";
    /// An operator of a stage 1 that stays has the other version started: `entry`.
    pub const CHOSEN: &str = "boot.chosen";
    /// The hardware watchdog ticks: `seconds`.
    pub const WATCHDOG_ARMED: &str = "watchdog.armed";
    /// There is no hardware watchdog, or no driver for it.
    pub const WATCHDOG_ABSENT: &str = "watchdog.absent";
    /// A service's process was started: `name`, `pid`.
    pub const SERVICE_STARTED: &str = "service.started";
    /// A service became ready: `name`, `ms` since its start.
    pub const SERVICE_READY: &str = "service.ready";
    /// A ready service is no longer: `name`, `reason`.
    pub const SERVICE_UNREADY: &str = "service.unready";
    /// A check of a service holds, for the first time or again: `name`, `check`.
    pub const CHECK_PASSED: &str = "check.passed";
    /// A check of a service does not hold: `name`, `check`, `reason`.
    pub const CHECK_FAILED: &str = "check.failed";
    /// A service's process ended: `name`, `status`.
    pub const SERVICE_EXITED: &str = "service.exited";
    /// A service waits: `name`, `for`, `because`.
    pub const SERVICE_WAITING: &str = "service.waiting";
    /// A service ran out of restarts: `name`, `reason`.
    pub const SERVICE_FAILED: &str = "service.failed";
    /// The time of a scheduled service came while it could not run again: `name`, `because`.
    pub const SCHEDULE_SKIPPED: &str = "schedule.skipped";
    /// The gate passed: `ms` since PID 1 started.
    pub const GATE_PASSED: &str = "gate.passed";
    /// The gate failed: `reason`, `services`.
    pub const GATE_FAILED: &str = "gate.failed";
    /// The entry was blessed: `entry`.
    pub const BLESSED: &str = "boot.blessed";
    /// The boot is good and stays: `version`, `ms`. What `--until healthy` waits for.
    pub const HEALTHY: &str = "boot.healthy";
    /// What was healthy is so no more: `reason`, `services`.
    pub const FAILING: &str = "boot.failing";
    /// What was failing is healthy again.
    pub const RECOVERED: &str = "boot.recovered";
    /// The entry was marked bad: `entry`.
    pub const MARKED_BAD: &str = "boot.bad";
    /// No other slot can boot: the machine stays as it is: `reason`.
    pub const DEGRADED: &str = "boot.degraded";
    /// A version failed and is not taken again unless forced: `version`, `roothash`, `reason`.
    pub const QUARANTINED: &str = "version.quarantined";
    /// An upgrade goes on: `text`.
    pub const UPGRADE: &str = "upgrade";
    /// An upgrade ended: `outcome` is `done` or `refused`, `reason`.
    pub const UPGRADE_ENDED: &str = "upgrade.ended";
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
    /// Keys and values in order; a key is a word, a value any text.
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
    ///
    /// What stands before [`PREFIX`] is skipped: the kernel may have begun the line.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\r', '\n']);
        let (_, rest) = line.split_once(PREFIX)?;
        let (time, rest) = rest.split_once(' ')?;
        let (name, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if !is_word(name) {
            return None;
        }
        let mut event = Self::new(parse_time(time)?, name);
        while !rest.is_empty() {
            let (key, value, tail) = parse_field(rest)?;
            event.fields.push((key.to_owned(), value));
            rest = tail;
        }
        Some(event)
    }
}

/// Milliseconds of `<seconds>.<millis>`.
fn parse_time(text: &str) -> Option<u64> {
    let (seconds, millis) = text.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = millis.len() == 3 && digits(seconds) && digits(millis);
    let millis = fits.then(|| millis.parse::<u64>().ok())??;
    let seconds = seconds.parse::<u64>().ok()?;
    seconds.checked_mul(1000)?.checked_add(millis)
}

/// The first field of `text`, and what follows it and its space.
fn parse_field(text: &str) -> Option<(&str, String, &str)> {
    let (key, rest) = text.split_once('=').filter(|(key, _)| is_word(key))?;
    if !rest.starts_with('"') {
        let (value, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        return is_word(value).then(|| (key, value.to_owned(), tail));
    }
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let value = values.next()?.ok()?;
    let tail = rest.get(values.byte_offset()..)?;
    let tail = if tail.is_empty() {
        tail
    } else {
        tail.strip_prefix(' ')?
    };
    Some((key, value, tail))
}

/// Whether `text` can stand in a line as it is.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '=';
    !text.is_empty() && text.chars().all(plain)
}

/// `text` as a JSON string. JSON leaves DEL and the C1 controls as they are; terminals obey them.
fn quote(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let quoted = json.chars().map(|c| {
        if c.is_control() {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    });
    quoted.collect()
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
            if is_word(value) {
                write!(f, " {key}={value}")?;
            } else {
                write!(f, " {key}={}", quote(value))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            "bedplate: 1.000 ",
            "bedplate: 1.000 a b",
            "bedplate: 1.000 a b=\"",
            "bedplate: 1.000 a b=\"c\"d=e",
            "bedplate: 1.000 a b=",
            "bedplate: 1.000 a b=c=d",
            "bedplate: 1.000 a =b",
            "bedplate: 1.000 a \"b\"=c",
            "bedplate: 1.000 a  b=c",
            "bedplate: 1.00 a",
            "bedplate: +1.000 a",
            "bedplate: 1.+00 a",
            "bedplate: 1.0000 a",
            "bedplate: 18446744073709551615.000 a",
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

    #[test]
    fn values_command_no_terminal() {
        let event = Event::new(0, name::LOG).with("text", "\u{1b}[2J\u{7f}\u{9b}1A");
        let line = event.to_string();
        assert!(!line.contains(char::is_control), "{line:?}");
        assert_eq!(Event::parse(&line), Some(event));
    }

    #[test]
    fn a_value_cannot_pose_as_an_event() {
        let forged = Event::new(1, name::HEALTHY).to_string();
        let event = Event::new(0, name::LOG).with("text", format!("x\r\n{forged}"));
        let line = event.to_string();
        assert_eq!(line.lines().count(), 1);
        assert_eq!(Event::parse(&line), Some(event));
    }

    proptest! {
        #[test]
        fn any_event_round_trips(
            at_ms: u64,
            fields in prop::collection::vec(("[!#-<>-~]{1,8}", any::<String>()), 0..4),
        ) {
            let event = Event { fields, ..Event::new(at_ms, "a.b") };
            prop_assert_eq!(Event::parse(&event.to_string()), Some(event));
        }
    }
}
