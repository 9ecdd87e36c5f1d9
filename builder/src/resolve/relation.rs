//! Relations between packages: `a (>= 1) | b:any, c`.
//!
//! Borrowed from the field's text. Architecture restrictions and build profiles do not occur in
//! binary packages and are refused.
//!
//! Source: Debian Policy 7.1; deb-control(5).

use std::cmp::Ordering;

use debversion::Version;

/// One package name with an optional version constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Relation<'a> {
    /// Package name.
    pub name: &'a str,
    /// `any`, `native` or an architecture, when written behind a colon.
    pub qualifier: Option<&'a str>,
    /// Constraint and version, as written.
    pub constraint: Option<(Operator, &'a str)>,
}

/// How a version must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and its deprecated spelling `<`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and its deprecated spelling `>`
    LaterOrEqual,
    /// `>>`
    Later,
}

/// A text that is no relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a relation such as `name (>= 1.0)`, found `{0}`")]
pub struct RelationError(String);

impl Operator {
    /// Whether a version that compares as `ordering` to the wanted one is accepted.
    pub fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Earlier => ordering.is_lt(),
            Self::EarlierOrEqual => ordering.is_le(),
            Self::Equal => ordering.is_eq(),
            Self::LaterOrEqual => ordering.is_ge(),
            Self::Later => ordering.is_gt(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<<" => Self::Earlier,
            "<=" | "<" => Self::EarlierOrEqual,
            "=" => Self::Equal,
            ">=" | ">" => Self::LaterOrEqual,
            ">>" => Self::Later,
            _ => return None,
        })
    }
}

/// The groups of `text`: all must hold, of each group one alternative.
///
/// # Errors
/// The first relation that is none.
pub fn parse_groups(text: &str) -> Result<Vec<Vec<Relation<'_>>>, RelationError> {
    let groups = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    groups
        .map(|group| group.split('|').map(parse_relation).collect())
        .collect()
}

/// The relations of a field without alternatives, such as `Provides`.
///
/// # Errors
/// As [`parse_groups`].
pub fn parse_list(text: &str) -> Result<Vec<Relation<'_>>, RelationError> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(parse_relation).collect()
}

/// Reads a version, also one with the underscores that old archives hold.
///
/// # Errors
/// A text that is no version.
pub fn parse_version(text: &str) -> Result<Version, RelationError> {
    Version::parse_lenient(text).map_err(|_| RelationError(text.to_owned()))
}

fn parse_relation(text: &str) -> Result<Relation<'_>, RelationError> {
    let text = text.trim();
    let bad = || RelationError(text.to_owned());
    let (target, constraint) = match text.split_once('(') {
        Some((target, rest)) => {
            let inner = rest.trim_end().strip_suffix(')').ok_or_else(bad)?;
            (
                target.trim_end(),
                Some(parse_constraint(inner).ok_or_else(bad)?),
            )
        }
        None => (text, None),
    };
    let (name, qualifier) = match target.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (target, None),
    };
    let in_name = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    let whole = |word: &str| !word.is_empty() && word.chars().all(in_name);
    if !whole(name) || !qualifier.is_none_or(whole) {
        return Err(bad());
    }
    Ok(Relation {
        name,
        qualifier,
        constraint,
    })
}

fn parse_constraint(text: &str) -> Option<(Operator, &str)> {
    let text = text.trim();
    let at = text.find(|c| !"<=>".contains(c))?;
    let (operator, version) = text.split_at(at);
    Some((Operator::parse(operator)?, version.trim_start()))
}

#[cfg(test)]
mod tests {
    use std::{cmp::Ordering, process::Command};

    use proptest::prelude::*;

    use super::{Operator, parse_groups, parse_list, parse_version};

    #[test]
    fn groups_are_read() {
        let groups = parse_groups("libc6 (>= 2.38), awk:any | mawk(=1) , , debconf").unwrap();
        assert_eq!(groups.len(), 3);
        assert_eq!(
            groups[0][0].constraint,
            Some((Operator::LaterOrEqual, "2.38"))
        );
        assert_eq!(groups[1][0].qualifier, Some("any"));
        assert_eq!(groups[1][1].constraint, Some((Operator::Equal, "1")));
        assert_eq!(groups[2][0].name, "debconf");
        assert!(parse_list("").unwrap().is_empty());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "a (>= 1",
            "a (! 1)",
            "a b",
            "a [amd64]",
            "a | ",
            "a:",
            "a <x>",
        ] {
            assert!(parse_groups(text).is_err(), "{text}");
        }
    }

    /// Versions in ascending order, from Debian Policy 5.6.12 and from what repositories hold.
    const ASCENDING: &[&str] = &[
        "1.0~~",
        "1.0~~a",
        "1.0~",
        "1.0",
        "1.0-0.1",
        "1.0-1~deb13u1",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1+deb13u1",
        "1.0a",
        "1.0+dfsg-1",
        "1.0.1",
        "1.2",
        "1.10",
        "20240101",
        "1:0.1",
        "2:0",
    ];

    #[test]
    fn versions_compare_as_policy_says() {
        for (at, left) in ASCENDING.iter().enumerate() {
            for (other, right) in ASCENDING.iter().enumerate() {
                let found = parse_version(left)
                    .unwrap()
                    .cmp(&parse_version(right).unwrap());
                assert_eq!(found, at.cmp(&other), "{left} against {right}");
            }
        }
    }

    fn dpkg_accepts(left: &str, operator: &str, right: &str) -> Option<bool> {
        let mut dpkg = Command::new("dpkg");
        dpkg.args(["--compare-versions", left, operator, right]);
        dpkg.status().ok().map(|status| status.success())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn versions_compare_as_dpkg_does(
            left in "([0-2]:)?[0-9][0-9a-c.+~]{0,5}(-[0-9a-c.+~]{1,4})?",
            right in "([0-2]:)?[0-9][0-9a-c.+~]{0,5}(-[0-9a-c.+~]{1,4})?",
        ) {
            let ours = parse_version(&left).unwrap().cmp(&parse_version(&right).unwrap());
            // Hosts without dpkg are served by the table above.
            if let Some(earlier) = dpkg_accepts(&left, "lt", &right) {
                prop_assert_eq!(ours == Ordering::Less, earlier, "{} lt {}", left, right);
                let equal = dpkg_accepts(&left, "eq", &right);
                prop_assert_eq!(Some(ours == Ordering::Equal), equal, "{} eq {}", left, right);
            }
        }
    }
}
