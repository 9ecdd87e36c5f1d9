//! Small pieces of text: harmless strings, times, sizes.

/// `text` on one line and without control characters other than tab, which are shown escaped.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => c.to_string(),
            c if c.is_control() => c.escape_default().to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// `text`, or `-` where there is none.
pub fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), printable)
}

/// Seconds with milliseconds, as in the boot events: `3.214 s`.
pub fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

/// The two largest units of a long time: `3 d 4 h`, `4 h 5 min`, `5 min 6 s`, `6 s`.
pub fn long_time(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A number of KiB in MiB: `2.9 MiB`.
pub fn mib(kib: u64) -> String {
    let tenths = kib.saturating_mul(10) / 1024;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_two_units() {
        for (ms, expected) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min 0 s"),
            (3_600_000 + 120_000, "1 h 2 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(long_time(ms), expected);
        }
        assert_eq!(seconds(12_034), "12.034 s");
        assert_eq!(mib(2987), "2.9 MiB");
        assert_eq!(mib(u64::MAX), mib(u64::MAX / 10));
    }
}
