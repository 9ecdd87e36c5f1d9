//! The order of versions, and the times that bundles name.
//!
//! Source: UAPI.10 Version Format Specification, by which systemd-boot sorts entries too; RFC 3339.

use std::{cmp::Ordering, time::Duration};

use der::DateTime;

/// The order of two versions (UAPI.10).
pub fn compare(a: &str, b: &str) -> Ordering {
    uapi_version::strverscmp(a, b)
}

/// A time that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time in UTC such as `2027-06-30T00:00:00Z`, found `{0}`")]
pub struct TimeError(String);

/// Seconds from 1970 to the time `text` (RFC 3339, UTC, whole seconds).
///
/// # Errors
/// Any other text.
pub fn parse_time(text: &str) -> Result<u64, TimeError> {
    let time: DateTime = text.parse().map_err(|_| TimeError(text.to_owned()))?;
    Ok(time.unix_duration().as_secs())
}

/// The time that is `seconds` after the start of 1970; the last one that can be written for more.
pub fn time(seconds: u64) -> String {
    let time = DateTime::from_unix_duration(Duration::from_secs(seconds));
    time.map_or_else(
        |_| "9999-12-31T23:59:59Z".to_owned(),
        |time| time.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_the_loader_orders_them() {
        for (older, newer) in [
            ("4.0.0", "4.0.1"),
            ("4.0.1~rc1", "4.0.1"),
            ("4.0.1", "4.0.1^1"),
            ("4.0.9", "4.0.10"),
            ("1", "1.0"),
            ("1.0-1", "1.0.1"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater);
            assert_eq!(compare(newer, newer), Ordering::Equal);
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(parse_time("1970-01-02T00:00:01Z"), Ok(86_401));
        assert_eq!(time(86_401), "1970-01-02T00:00:01Z");
        assert_eq!(time(u64::MAX), "9999-12-31T23:59:59Z");
        for text in [
            "",
            "2027-06-30",
            "2027-06-30T00:00:00+01:00",
            "2027-13-01T00:00:00Z",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
