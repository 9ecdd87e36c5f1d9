//! Days and times of the Gregorian calendar in UTC, without leap seconds (POSIX.1, 4.19).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Seconds of a day.
pub const DAY: u64 = 86_400;

/// Days from the first of March of the year 0 to the start of 1970.
const MARCH: u64 = 719_468;
/// Days of 400 years, after which the calendar repeats itself, days of the week included.
pub const CYCLE: u64 = 146_097;
/// Days of the 365-day years of a cycle, counted from March, so that a leap day ends its year.
const CENTURY: u64 = 36_524;
const FOUR_YEARS: u64 = 1461;
const YEAR: u64 = 365;
/// Days of the five months from March to July, of August to December, and so on.
const FIVE_MONTHS: u64 = 153;

/// The last second that has a spelling of four digits for the year.
const LAST: u64 = 253_402_300_799;

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// From 1970.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
}

impl Date {
    /// The day that is `days` after the first one of 1970.
    pub const fn after(days: u64) -> Self {
        let days = days.saturating_add(MARCH);
        let (cycles, day) = (days / CYCLE, days % CYCLE);
        let leap_days = day / (FOUR_YEARS - 1) - day / CENTURY + day / (CYCLE - 1);
        let year = (day - leap_days) / YEAR;
        let day = day - (YEAR * year + year / 4 - year / 100);
        let month = (5 * day + 2) / FIVE_MONTHS;
        let of_next_year = month >= 10;
        Self {
            year: cycles * 400 + year + of_next_year as u64,
            month: if of_next_year { month - 9 } else { month + 3 },
            day: day - (FIVE_MONTHS * month + 2) / 5 + 1,
        }
    }

    /// Days from the first one of 1970; `None` for a day that the calendar does not have.
    pub fn days(self) -> Option<u64> {
        let of_last_year = u64::from(self.month <= 2);
        let year = self.year.checked_sub(of_last_year)?;
        let month = (self.month + 9) % 12;
        let of_year = (FIVE_MONTHS * month + 2) / 5 + self.day.checked_sub(1)?;
        let of_cycle = year % 400 * YEAR + year % 400 / 4 - year % 400 / 100 + of_year;
        let days = (year / 400 * CYCLE + of_cycle).checked_sub(MARCH)?;
        (Self::after(days) == self).then_some(days)
    }
}

/// A second of the years 1970 to 9999, written as in RFC 3339: `2027-06-30T02:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A text that is no [`Time`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time in UTC such as `2027-06-30T02:00:00Z`, found `{0}`")]
pub struct TimeError(String);

impl Time {
    /// The second that is `seconds` after the start of 1970; the last one there is for more.
    pub fn new(seconds: u64) -> Self {
        Self(seconds.min(LAST))
    }

    /// Seconds from the start of 1970.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// Without punctuation, for names of files: `20270630T020000Z`.
    pub fn compact(self) -> String {
        let text = self.to_string();
        text.chars().filter(|c| !"-:".contains(*c)).collect()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = Date::after(self.0 / DAY);
        let second = self.0 % DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let time = read(text).map(Self);
        // One time, one spelling: signs, spaces and the 25th hour do not come back.
        time.filter(|time| time.to_string() == text)
            .ok_or_else(|| TimeError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<u64> {
    let number = |from, to| text.get(from..to)?.parse::<u64>().ok();
    let date = Date {
        year: number(0, 4)?,
        month: number(5, 7)?,
        day: number(8, 10)?,
    };
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    Some(date.days()? * DAY + hour * 3600 + minute * 60 + second)
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_written_as_in_rfc_3339() {
        for (seconds, text, compact) in [
            (0, "1970-01-01T00:00:00Z", "19700101T000000Z"),
            (951_782_400, "2000-02-29T00:00:00Z", "20000229T000000Z"),
            (1_814_320_800, "2027-06-30T02:00:00Z", "20270630T020000Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z", "21000228T235959Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z", "21000301T000000Z"),
            (u64::MAX, "9999-12-31T23:59:59Z", "99991231T235959Z"),
        ] {
            let time = Time::new(seconds);
            assert_eq!(time.to_string(), text);
            assert_eq!(time.compact(), compact);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "2027-06-30",
            "2027-06-30T02:00:00",
            "2027-06-30T02:00:00+00:00",
            "2027-06-30 02:00:00Z",
            "2027-06-31T02:00:00Z",
            "2027-02-29T02:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-06-30T24:00:00Z",
            "2027-06-30T+2:00:00Z",
            "1969-12-31T23:59:59Z",
            "2027-00-30T02:00:00Z",
            "2027-06-00T02:00:00Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn days_follow_each_other(days in 0..u64::from(u32::MAX)) {
            let (date, next) = (Date::after(days), Date::after(days + 1));
            prop_assert_eq!(date.days(), Some(days));
            prop_assert!(date < next);
            prop_assert!(next.day == date.day + 1 || next.day == 1);
        }

        #[test]
        fn times_round_trip(seconds in 0..=LAST) {
            let time = Time::new(seconds);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,24}") {
            let _ = text.parse::<Time>();
        }
    }
}
