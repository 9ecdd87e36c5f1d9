//! Which entry systemd-boot would start, by its documentation and not by the product's code.
//!
//! Source: systemd-boot(7), "Boot Counting" and "Boot Loader Entries"; UAPI.1 (Boot Loader
//! Specification), "Sorting" and "Boot counting"; UAPI.10 (Version Format Specification).

use std::cmp::Ordering;

/// An entry as the loader sees it: a file with a name, and what its `.osrel` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// File name.
    pub file: String,
    /// `IMAGE_ID`, or else `ID`, of `.osrel`.
    pub sort_key: Option<String>,
    /// `IMAGE_VERSION`, or else `VERSION_ID`, of `.osrel`.
    pub version: Option<String>,
}

/// Tries of a file name: left and done; `None` without a counter.
pub fn tries(file: &str) -> Option<(u32, u32)> {
    let (_, counter) = stem(file).rsplit_once('+')?;
    let (left, done) = counter.split_once('-').unwrap_or((counter, "0"));
    Some((left.parse().ok()?, done.parse().ok()?))
}

/// The name without its counter.
pub fn id(file: &str) -> &str {
    let stem = stem(file);
    match tries(file) {
        Some(_) => stem.rsplit_once('+').map_or(stem, |(id, _)| id),
        None => stem,
    }
}

fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// The order of the loader's menu; the first entry is the default.
pub fn order(one: &Seen, other: &Seen) -> Ordering {
    let spent = |entry: &Seen| tries(&entry.file).is_some_and(|(left, _)| left == 0);
    let by_key = || match (&one.sort_key, &other.sort_key) {
        (Some(a), Some(b)) => a
            .cmp(b)
            .then_with(|| compare(text(&other.version), text(&one.version))),
        // Whoever has a key comes first.
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    spent(one)
        .cmp(&spent(other))
        .then_with(by_key)
        .then_with(|| compare(id(&other.file), id(&one.file)))
        .then_with(|| by_tries(one, other))
}

fn text(version: &Option<String>) -> &str {
    version.as_deref().unwrap_or_default()
}

/// More tries left first, then fewer done; without counters nothing is said.
fn by_tries(one: &Seen, other: &Seen) -> Ordering {
    match (tries(&one.file), tries(&other.file)) {
        (Some((left, done)), Some((other_left, other_done))) => {
            other_left.cmp(&left).then(done.cmp(&other_done))
        }
        _ => Ordering::Equal,
    }
}

/// Compares versions as UAPI.10 says, rule by rule.
pub fn compare(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one.as_bytes(), other.as_bytes());
    loop {
        a = skip(a);
        b = skip(b);
        // A pre-release is older than whatever has no tilde here.
        match (a.first() == Some(&b'~'), b.first() == Some(&b'~')) {
            (true, true) => (a, b) = (&a[1..], &b[1..]),
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => match (a.first(), b.first()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(x), Some(y)) => match step(a, b, (*x, *y)) {
                    Ok(rest) => (a, b) = rest,
                    Err(order) => return order,
                },
            },
        }
    }
}

/// The next part of both: a mark, a number or a word. The rest when they are alike.
fn step<'a>(a: &'a [u8], b: &'a [u8], (x, y): (u8, u8)) -> Result<(&'a [u8], &'a [u8]), Ordering> {
    for mark in *b"-^." {
        match (x == mark, y == mark) {
            (true, true) => return Ok((&a[1..], &b[1..])),
            (true, false) => return Err(Ordering::Less),
            (false, true) => return Err(Ordering::Greater),
            (false, false) => {}
        }
    }
    let numbers = x.is_ascii_digit() || y.is_ascii_digit();
    let class = move |byte: &u8| match numbers {
        true => byte.is_ascii_digit(),
        false => byte.is_ascii_alphabetic(),
    };
    let (first, a) = split(a, class);
    let (second, b) = split(b, class);
    let order = match numbers {
        true => number(first).cmp(&number(second)),
        false => first.cmp(second),
    };
    match order {
        Ordering::Equal => Ok((a, b)),
        unequal => Err(unequal),
    }
}

/// Leaves out what is no part of a version.
fn skip(text: &[u8]) -> &[u8] {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"~-^.".contains(byte);
    let start = text.iter().position(part).unwrap_or(text.len());
    &text[start..]
}

fn split(text: &[u8], class: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !class(byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// Digits as a number of any length: the longer one is larger. No digits are less than any.
fn number(digits: &[u8]) -> (bool, usize, &[u8]) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits_left = &digits[zeros..];
    (!digits.is_empty(), digits_left.len(), digits_left)
}

#[cfg(test)]
mod tests {
    use anyhow::{Result, ensure};

    use super::*;

    fn seen(file: &str, version: &str) -> Seen {
        Seen {
            file: file.to_owned(),
            sort_key: Some("lab".to_owned()),
            version: Some(version.to_owned()),
        }
    }

    /// The order that UAPI.10 gives as its example, and some more.
    #[test]
    fn versions_in_their_order() -> Result<()> {
        let ordered = [
            "122.1",
            "123~rc1-1",
            "123",
            "123-a",
            "123-a.1",
            "123-1",
            "123-1.1",
            "123^post1",
            "123.a-1",
            "123.1-1",
            "123a-1",
            "124-1",
        ];
        // `_` is no part of a version.
        ensure!(compare("", "~").is_gt() && compare("~1", "~").is_gt());
        ensure!(compare("1", "1_").is_eq() && compare("01", "1").is_eq());
        for pair in ordered.windows(2) {
            ensure!(compare(pair[0], pair[1]).is_lt(), "{pair:?}");
            ensure!(compare(pair[1], pair[0]).is_gt(), "{pair:?}");
        }
        Ok(())
    }

    #[test]
    fn the_newest_with_tries_first_and_the_spent_last() -> Result<()> {
        for (files, expected) in [
            (&[("l_1.efi", "1"), ("l_2+3.efi", "2")][..], "l_2+3.efi"),
            (&[("l_1.efi", "1"), ("l_2+0-3.efi", "2")], "l_1.efi"),
            (&[("l_10.efi", "10"), ("l_9.efi", "9")], "l_10.efi"),
            (&[("l_1+0-3.efi", "1"), ("l_2+0-3.efi", "2")], "l_2+0-3.efi"),
            (&[("l_2+1-2.efi", "2"), ("l_2+2-1.efi", "2")], "l_2+2-1.efi"),
        ] {
            let mut entries: Vec<_> = files.iter().map(|(f, v)| seen(f, v)).collect();
            entries.sort_by(order);
            ensure!(entries[0].file == expected, "{entries:?}");
        }
        Ok(())
    }

    #[test]
    fn names() -> Result<()> {
        ensure!(tries("a_1.efi").is_none() && tries("a_1+3.efi") == Some((3, 0)));
        ensure!(tries("a_1+2-1.efi") == Some((2, 1)) && id("a_1+2-1.efi") == "a_1");
        Ok(())
    }
}
