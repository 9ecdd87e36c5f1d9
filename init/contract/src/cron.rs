//! When a scheduled service runs: the five fields of a crontab, in UTC.
//!
//! Source: crontab(5). `minute hour day month weekday`, each `*`, a value, a range `a-b`, a range
//! with a step `a-b/n` or `*/n`, or a list of these; months and weekdays also by their first three
//! letters; or one of the words of [`WORDS`]. A day matches when day and weekday both do; when
//! neither field begins with `*`, one of them is enough.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::utc::{CYCLE, DAY, Date};

/// Words that stand for five fields.
pub const WORDS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The first day of 1970 was a Thursday.
const FIRST_WEEKDAY: u64 = 4;

/// Seconds of a minute.
const MINUTE: u64 = 60;

/// When something runs, to the minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    /// Whether day or weekday is enough.
    either: bool,
}

/// Numbers below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

/// A text that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error(
        "expected `minute hour day month weekday` or a word such as `@daily`, found {0} fields"
    )]
    Fields(usize),
    /// A word that is none.
    #[error("expected one of {words}, found `{found}`", words = words())]
    Word {
        /// The word.
        found: String,
    },
    /// A field that is none.
    #[error("expected {expected}, found `{found}` as the {field}")]
    Field {
        /// Which one.
        field: &'static str,
        /// What it may be.
        expected: String,
        /// The field, or the part of it that is wrong.
        found: String,
    },
    /// Such as 30 February.
    #[error("expected a day of the calendar, found that `{0}` never comes")]
    Never(String),
}

/// One of the five fields.
struct Field {
    name: &'static str,
    least: u64,
    most: u64,
    /// Names of the values from `least` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field::of("minute", 0, 59, &[]),
    Field::of("hour", 0, 23, &[]),
    Field::of("day", 1, 31, &[]),
    Field::of("month", 1, 12, &MONTHS),
    Field::of("weekday", 0, 7, &WEEKDAYS),
];

impl Cron {
    /// The first matching minute that begins later than `seconds` after the start of 1970, in the
    /// same unit. There always is one, but for the end of the numbers.
    pub fn next_after(&self, seconds: u64) -> Option<u64> {
        let from = (seconds / MINUTE).checked_add(1)?.checked_mul(MINUTE)?;
        let today = from / DAY;
        let minute = from % DAY / MINUTE;
        if let Some(minute) = self.next_minute(minute).filter(|_| self.has_day(today)) {
            return instant(today, minute);
        }
        // The calendar repeats itself: a day that is not in one cycle is in none.
        let mut days = (1..=CYCLE).map_while(|days| today.checked_add(days));
        let day = days.find(|day| self.has_day(*day))?;
        instant(day, self.next_minute(0)?)
    }

    /// The first minute of a day from `from` on.
    fn next_minute(&self, from: u64) -> Option<u64> {
        let mut minutes = from..DAY / MINUTE;
        minutes.find(|minute| self.hours.has(minute / 60) && self.minutes.has(minute % 60))
    }

    fn has_day(&self, days: u64) -> bool {
        let date = Date::after(days);
        let day = self.days.has(date.day);
        let weekday = self.weekdays.has((days % 7 + FIRST_WEEKDAY) % 7);
        let fits = if self.either {
            day || weekday
        } else {
            day && weekday
        };
        fits && self.months.has(date.month)
    }
}

fn instant(day: u64, minute: u64) -> Option<u64> {
    day.checked_mul(DAY)?.checked_add(minute * MINUTE)
}

fn words() -> String {
    let words = WORDS.map(|(word, _)| format!("`{word}`"));
    words.join(", ")
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        let fields = match WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, fields)) => fields,
            None if text.starts_with('@') => {
                let found = text.to_owned();
                return Err(CronError::Word { found });
            }
            None => text,
        };
        let fields: Vec<_> = fields.split_ascii_whitespace().collect();
        let fields: [&str; 5] = fields
            .try_into()
            .map_err(|fields: Vec<_>| CronError::Fields(fields.len()))?;
        let [minutes, hours, days, months, weekdays] = &FIELDS;
        let cron = Self {
            text: text.to_owned(),
            minutes: minutes.read(fields[0])?,
            hours: hours.read(fields[1])?,
            days: days.read(fields[2])?,
            months: months.read(fields[3])?,
            weekdays: weekdays.read(fields[4])?.with_sunday(),
            either: !fields[2].starts_with('*') && !fields[4].starts_with('*'),
        };
        let comes = cron.next_after(0).is_some();
        comes
            .then_some(cron)
            .ok_or_else(|| CronError::Never(text.to_owned()))
    }
}

impl Field {
    const fn of(name: &'static str, least: u64, most: u64, names: &'static [&'static str]) -> Self {
        Self {
            name,
            least,
            most,
            names,
        }
    }

    fn read(&self, text: &str) -> Result<Set, CronError> {
        let mut set = Set(0);
        for part in text.split(',') {
            set.0 |= self.read_part(part)?.0;
        }
        Ok(set)
    }

    fn read_part(&self, part: &str) -> Result<Set, CronError> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (from, to) = self.read_range(range, step.is_some())?;
        let step = match step.map(|step| (step, number(step))) {
            None => 1,
            Some((_, Some(step))) if (1..=self.most).contains(&step) => step,
            Some((found, _)) => {
                let expected = format!("a step of 1 to {}", self.most);
                return Err(self.error(expected, found));
            }
        };
        // `step_by` counts in `usize`, which holds what is below 64.
        Ok(Set((from..=to)
            .step_by(step as usize)
            .fold(0, |set, value| set | 1 << value)))
    }

    fn read_range(&self, range: &str, stepped: bool) -> Result<(u64, u64), CronError> {
        if range == "*" {
            return Ok((self.least, self.most));
        }
        let Some((from, to)) = range.split_once('-') else {
            let value = self.value(range)?;
            let expected = "`*` or a range before `/`".to_owned();
            return match stepped {
                true => Err(self.error(expected, range)),
                false => Ok((value, value)),
            };
        };
        let (from, mut to) = (self.value(from)?, self.value(to)?);
        // A week may end with Sunday, whatever its number.
        if self.most == 7 && to == 0 && from > 0 {
            to = 7;
        }
        match from <= to {
            true => Ok((from, to)),
            false => Err(self.error("a range that goes up".to_owned(), range)),
        }
    }

    fn value(&self, text: &str) -> Result<u64, CronError> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(place) => Some(self.least + place as u64),
            None => number(text).filter(|value| (self.least..=self.most).contains(value)),
        };
        value.ok_or_else(|| {
            let named = match self.names {
                [first, .., last] => format!(" or `{first}` to `{last}`"),
                _ => String::new(),
            };
            let expected = format!("`*`, or {} to {}{named}", self.least, self.most);
            self.error(expected, text)
        })
    }

    fn error(&self, expected: String, found: &str) -> CronError {
        CronError::Field {
            field: self.name,
            expected,
            found: found.to_owned(),
        }
    }
}

/// At most two digits, and nothing else.
fn number(text: &str) -> Option<u64> {
    let fits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

impl Set {
    const fn has(self, value: u64) -> bool {
        value < 64 && self.0 & 1 << value != 0
    }

    /// Sunday is 0 and 7.
    const fn with_sunday(self) -> Self {
        Self(self.0 | self.0 >> 7 & 1)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::utc::Time;

    fn next(cron: &str, after: &str) -> String {
        let cron: Cron = cron.parse().unwrap();
        let after: Time = after.parse().unwrap();
        Time::new(cron.next_after(after.seconds()).unwrap()).to_string()
    }

    #[test]
    fn the_next_time() {
        // 2026-08-01 is a Saturday.
        let after = "2026-08-01T02:00:00Z";
        for (cron, expected) in [
            ("0 2 * * *", "2026-08-02T02:00:00Z"),
            ("1 2 * * *", "2026-08-01T02:01:00Z"),
            ("* * * * *", "2026-08-01T02:01:00Z"),
            ("*/15 * * * *", "2026-08-01T02:15:00Z"),
            ("5-50/20 3,4 * * *", "2026-08-01T03:05:00Z"),
            ("0 0 * * 0", "2026-08-02T00:00:00Z"),
            ("0 0 * * 7", "2026-08-02T00:00:00Z"),
            ("0 0 * * Sun", "2026-08-02T00:00:00Z"),
            ("0 0 * * mon-fri", "2026-08-03T00:00:00Z"),
            ("0 0 * * fri-sun", "2026-08-02T00:00:00Z"),
            ("0 0 31 * *", "2026-08-31T00:00:00Z"),
            ("0 0 31 sep,OCT *", "2026-10-31T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 12 1 1 *", "2027-01-01T12:00:00Z"),
            // crontab(5): the 1st and 15th of each month, plus every Friday.
            ("30 1 1,15 * 5", "2026-08-07T01:30:00Z"),
            // A field that begins with `*` does not widen the other one.
            ("30 4 13 * */5", "2026-09-13T04:30:00Z"),
            ("0 0 29 2 */7", "2032-02-29T00:00:00Z"),
            ("@hourly", "2026-08-01T03:00:00Z"),
            ("@daily", "2026-08-02T00:00:00Z"),
            ("@weekly", "2026-08-02T00:00:00Z"),
            ("@monthly", "2026-09-01T00:00:00Z"),
            ("@yearly", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(next(cron, after), expected, "{cron}");
        }
    }

    #[test]
    fn seconds_count() {
        assert_eq!(
            next("0 2 * * *", "2026-08-01T01:59:59Z"),
            "2026-08-01T02:00:00Z"
        );
        let cron: Cron = "* * * * *".parse().unwrap();
        assert_eq!(cron.next_after(u64::MAX), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            (
                "",
                "expected `minute hour day month weekday` or a word such as `@daily`, found 0 fields",
            ),
            (
                "0 2 * *",
                "expected `minute hour day month weekday` or a word such as `@daily`, found 4 fields",
            ),
            (
                "60 2 * * *",
                "expected `*`, or 0 to 59, found `60` as the minute",
            ),
            (
                "0 24 * * *",
                "expected `*`, or 0 to 23, found `24` as the hour",
            ),
            (
                "0 0 0 * *",
                "expected `*`, or 1 to 31, found `0` as the day",
            ),
            (
                "0 0 1 june *",
                "expected `*`, or 1 to 12 or `jan` to `dec`, found `june` as the month",
            ),
            (
                "0 0 * * 8",
                "expected `*`, or 0 to 7 or `sun` to `sat`, found `8` as the weekday",
            ),
            (
                "+1 0 * * *",
                "expected `*`, or 0 to 59, found `+1` as the minute",
            ),
            (
                "1,,2 0 * * *",
                "expected `*`, or 0 to 59, found `` as the minute",
            ),
            (
                "30-10 0 * * *",
                "expected a range that goes up, found `30-10` as the minute",
            ),
            (
                "5/10 0 * * *",
                "expected `*` or a range before `/`, found `5` as the minute",
            ),
            (
                "*/0 0 * * *",
                "expected a step of 1 to 59, found `0` as the minute",
            ),
            (
                "0 0 30 2 *",
                "expected a day of the calendar, found that `0 0 30 2 *` never comes",
            ),
        ] {
            assert_eq!(text.parse::<Cron>().unwrap_err().to_string(), expected);
        }
        let word = "@reboot".parse::<Cron>().unwrap_err().to_string();
        assert!(
            word.starts_with("expected one of `@hourly`, `@daily`"),
            "{word}"
        );
    }

    #[test]
    fn a_schedule_is_its_text_in_json() {
        let cron: Cron = serde_json::from_str("\" 0 2 * * * \"").unwrap();
        assert_eq!(serde_json::to_string(&cron).unwrap(), "\"0 2 * * *\"");
        assert!(serde_json::from_str::<Cron>("\"daily\"").is_err());
    }

    /// A field as people write it.
    fn field(least: u64, most: u64) -> impl Strategy<Value = String> {
        let range = (least..=most, least..=most, 1..=most);
        prop_oneof![
            3 => Just("*".to_owned()),
            1 => (1..=most).prop_map(|step| format!("*/{step}")),
            2 => (least..=most).prop_map(|value| value.to_string()),
            2 => range.prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
            1 => prop::collection::vec(least..=most, 1..4)
                .prop_map(|all| all.iter().map(u64::to_string).collect::<Vec<_>>().join(",")),
        ]
    }

    fn schedule() -> impl Strategy<Value = String> {
        let day = (field(1, 31), field(1, 12), field(0, 7));
        (field(0, 59), field(0, 23), day)
            .prop_map(|(minute, hour, (a, b, c))| format!("{minute} {hour} {a} {b} {c}"))
    }

    /// What the text means at the minute that begins at `seconds`, read anew and without sets.
    fn matches(text: &str, seconds: u64) -> bool {
        let date = Date::after(seconds / DAY);
        let values = [
            seconds / 60 % 60,
            seconds / 3600 % 24,
            date.day,
            date.month,
            (seconds / DAY + 4) % 7,
        ];
        let fields: Vec<_> = text.split(' ').collect();
        let most = [59, 23, 31, 12, 7];
        let least = [0, 0, 1, 1, 0];
        let fits = |at: usize, value: u64| {
            fields[at].split(',').any(|part| {
                let (range, step) = part.split_once('/').unwrap_or((part, "1"));
                let (from, to) = match range {
                    "*" => (least[at], most[at]),
                    _ => {
                        let (from, to) = range.split_once('-').unwrap_or((range, range));
                        (from.parse().unwrap(), to.parse().unwrap())
                    }
                };
                let step: u64 = step.parse().unwrap();
                value >= from && value <= to && (value - from).is_multiple_of(step)
            })
        };
        let weekday = fits(4, values[4]) || (values[4] == 0 && fits(4, 7));
        let day = fits(2, values[2]);
        let either = !fields[2].starts_with('*') && !fields[4].starts_with('*');
        let days = if either {
            day || weekday
        } else {
            day && weekday
        };
        fits(0, values[0]) && fits(1, values[1]) && fits(3, values[3]) && days
    }

    proptest! {
        #[test]
        fn next_is_the_first_match(text in schedule(), start in 0..4_000_000_000_u64) {
            let Ok(cron) = text.parse::<Cron>() else {
                // Nothing but a day that never comes is wrong with it.
                prop_assert!((0..1000).all(|day| !matches(&text, day * DAY)));
                return Ok(());
            };
            let next = cron.next_after(start).unwrap();
            prop_assert!(next > start);
            prop_assert!(next % 60 == 0 && matches(&text, next), "{}", next);
            // Two days of minutes are searched one by one; what is further off, from its end.
            let first = start / 60 + 1;
            let from = first.max((next / 60).saturating_sub(3000));
            prop_assert!((from..next / 60).all(|minute| !matches(&text, minute * 60)));
            let until = first + 3000;
            prop_assert!((first..until.min(next / 60)).all(|minute| !matches(&text, minute * 60)));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "[-0-9*/, @a-z]{0,20}", seconds: u64) {
            if let Ok(cron) = text.parse::<Cron>() {
                prop_assert!(cron.next_after(seconds).is_none_or(|next| next > seconds));
            }
        }
    }
}
