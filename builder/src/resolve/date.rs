//! Dates of `Release` files as seconds since 1970.
//!
//! Source: Debian repository format, "Date, Valid-Until": RFC 5322 dates in UTC.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Reads `Sat, 12 Sep 2026 07:55:41 UTC`; `None` for anything else, other zones included.
pub fn parse(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let [day, month, year, time, "UTC" | "GMT" | "+0000"] = words[..] else {
        return None;
    };
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
    let clock: Vec<u64> = time
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let [hours, minutes, seconds] = clock[..] else {
        return None;
    };
    let days = days_since_epoch(year.parse().ok()?, month, day.parse().ok()?)?;
    (hours < 24 && minutes < 60 && seconds <= 60)
        .then_some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

/// Days from 1970-01-01 in the Gregorian calendar: years are counted from March, so that the leap
/// day is the last of its year and needs no case of its own.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let in_year = (153 * month + 2) / 5 + day - 1;
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    (year * 365 + leap_days + in_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dates_are_read_or_refused() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", Some(0)),
            ("Sat, 12 Sep 2026 07:55:41 UTC", Some(1_789_199_741)),
            ("Thu, 29 Feb 2024 23:59:59 +0000", Some(1_709_251_199)),
            ("Thu, 29 Feb 2024 23:59:59 +0200", None),
            ("Thu, 29 Foo 2024 23:59:59 UTC", None),
            ("Thu, 29 Feb 2024 24:00:00 UTC", None),
            ("2024-02-29", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
