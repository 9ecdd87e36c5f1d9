//! `[watchdog]`.

use std::ops::RangeInclusive;

use super::{decode::Table, unit};

/// What a host does without the table: a minute is longer than any phase that does not pet it.
const DEFAULT_MS: u64 = 60_000;

/// What common hardware can count to, and no less than a loaded machine may need for one turn.
const RANGE_MS: RangeInclusive<u64> = 10_000..=600_000;

/// Milliseconds of silence after which the hardware watchdog resets the machine; 0 when it is off.
pub(super) fn read(root: &Table<'_>) -> u64 {
    let read = |table: &Table<'_>| {
        let time = table.parsed("timeout", timeout_ms);
        time.map_or(DEFAULT_MS, |time| time.value)
    };
    root.table("watchdog")
        .map_or(DEFAULT_MS, |table| table.decode(read))
}

fn timeout_ms(text: &str) -> Result<u64, String> {
    if text == "off" {
        return Ok(0);
    }
    let ms = unit::duration_ms(text).ok();
    ms.filter(|ms| RANGE_MS.contains(ms))
        .ok_or_else(|| "expected a duration from `10s` to `10m`, or `off`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_what_hardware_can_count_to() {
        assert_eq!(timeout_ms("off"), Ok(0));
        assert_eq!(timeout_ms("10s"), Ok(10_000));
        assert_eq!(timeout_ms("10m"), Ok(600_000));
        for text in ["0s", "9s", "11m", "on", "", "60"] {
            assert!(timeout_ms(text).is_err(), "{text}");
        }
    }
}
