//! `/etc/subuid`, `/etc/subgid` and `/proc/<pid>/uid_map`, parsed.

/// A range of subordinate ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// First id.
    pub(super) start: u32,
    /// How many there are.
    pub(super) count: u32,
}

/// The first range of `user`, by name or number, with at least `least` ids (subuid(5)).
pub(super) fn find(text: &str, user: &str, uid: u32, least: u32) -> Option<Range> {
    let uid = uid.to_string();
    let mut ranges = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let range = Range {
            start: fields.next()?.parse().ok()?,
            count: fields.next()?.trim_end().parse().ok()?,
        };
        (owner == user || owner == uid).then_some(range)
    });
    ranges.find(|range| range.count >= least)
}

/// The sum of the third column of a `uid_map` (user_namespaces(7)).
pub(super) fn count_mapped(text: &str) -> u64 {
    let count = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
    text.lines().filter_map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let text = "other:1:99999\nann:5:10\nann:100000:65536\n1007:300000:65536\nbad:x:y\n";
        for (user, uid, wanted) in [
            ("ann", 1000, Some(100_000)),
            ("bob", 1007, Some(300_000)),
            ("bob", 1008, None),
            ("bad", 1, None),
        ] {
            let found = find(text, user, uid, 65_535).map(|range| range.start);
            assert_eq!(found, wanted, "{user}");
        }
    }

    #[test]
    fn maps() {
        for (text, wanted) in [
            ("         0          0 4294967295\n", 4_294_967_295),
            ("0 1000 1\n1 100000 65535\n", 65_536),
            ("0 1000 1\n", 1),
            ("", 0),
        ] {
            assert_eq!(count_mapped(text), wanted);
        }
    }
}
