//! Quantities as people write them: `"10s"`, `"512MiB"`, `"1Gbps"`, `"0640"`.
//!
//! Pure; an error is what was expected, to stand under the value.

/// Milliseconds of `500ms`, `10s`, `2m`, `1h`.
///
/// # Errors
/// Anything else, zero excepted, and overflow.
pub(super) fn duration_ms(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    scaled(text, &UNITS).ok_or_else(|| "expected a duration such as `500ms`, `10s` or `2m`".into())
}

/// Seconds of `12h`, `7d`, `4w`.
///
/// # Errors
/// Anything else, zero excepted, and overflow.
pub(crate) fn age_seconds(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 3] = [("h", 3_600), ("d", 86_400), ("w", 604_800)];
    scaled(text, &UNITS).ok_or_else(|| "expected an age such as `12h`, `7d` or `4w`".into())
}

/// Bytes of `64KiB`, `512MiB`, `2GiB`, `1TiB` (powers of 1024) or `16GB`, `1TB` (powers of 1000).
///
/// # Errors
/// Anything else, and overflow.
pub(super) fn size_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    scaled(text, &UNITS).ok_or_else(|| "expected a size such as `512MiB` or `16GB`".into())
}

/// Whole MiB of a size.
///
/// # Errors
/// As [`size_bytes`].
pub(super) fn size_mib(text: &str) -> Result<u64, String> {
    size_bytes(text).map(|bytes| bytes >> 20)
}

/// Whole GiB of a size.
///
/// # Errors
/// As [`size_bytes`].
pub(super) fn size_gib(text: &str) -> Result<u64, String> {
    size_bytes(text).map(|bytes| bytes >> 30)
}

/// Mbit/s of `100Mbps` or `1Gbps`.
///
/// # Errors
/// Anything else, and overflow.
pub(super) fn speed_mbps(text: &str) -> Result<u64, String> {
    scaled(text, &[("Mbps", 1), ("Gbps", 1_000)])
        .ok_or_else(|| "expected a speed such as `1Gbps`".into())
}

/// Permission bits of `0640`; octal, at most `07777`.
///
/// # Errors
/// Anything else.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let bits = u32::from_str_radix(text, 8).ok();
    bits.filter(|bits| *bits <= 0o7777 && text.len() >= 3)
        .ok_or_else(|| "expected octal permission bits such as `0640`".into())
}

/// Bytes of a size; `unlimited` is [`u64::MAX`].
///
/// # Errors
/// As [`size_bytes`].
pub(super) fn size_or_unlimited(text: &str) -> Result<u64, String> {
    match text {
        "unlimited" => Ok(u64::MAX),
        _ => size_bytes(text).map_err(|expected| format!("{expected}, or `unlimited`")),
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        for (text, expected) in [("500ms", 500), ("0s", 0), ("10s", 10_000), ("2m", 120_000)] {
            assert_eq!(duration_ms(text), Ok(expected), "{text}");
        }
        for (text, expected) in [("12h", 43_200), ("7d", 604_800), ("4w", 2_419_200)] {
            assert_eq!(age_seconds(text), Ok(expected), "{text}");
        }
        assert_eq!(size_bytes("2GiB"), Ok(2 << 30));
        assert_eq!(size_bytes("16GB"), Ok(16_000_000_000));
        assert_eq!(size_mib("512MiB"), Ok(512));
        assert_eq!(size_gib("100GB"), Ok(93));
        assert_eq!(speed_mbps("25Gbps"), Ok(25_000));
        assert_eq!(size_or_unlimited("unlimited"), Ok(u64::MAX));
        assert_eq!(mode("0640"), Ok(0o640));
        assert_eq!(mode("2755"), Ok(0o2755));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "10 s",
            "1d",
            "99999999999999999999s",
        ] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
        for text in ["", "7", "7 d", "1m", "1y", "99999999999999999w"] {
            assert!(age_seconds(text).is_err(), "{text}");
        }
        for text in ["", "10", "10G", "10gib", "16777216TiB"] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
        for text in ["", "64", "0888", "10000", "rwx"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn quantities_begin_with_digits(text in ".*") {
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            if duration_ms(&text).is_ok() || size_bytes(&text).is_ok() || speed_mbps(&text).is_ok() {
                proptest::prop_assert!(!digits.is_empty());
            }
            proptest::prop_assert!(mode(&text).unwrap_or(0) <= 0o7777);
        }
    }
}
