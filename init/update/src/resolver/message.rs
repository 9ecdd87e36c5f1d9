//! Questions to name servers, and their replies.
//!
//! Source: RFC 1035, 4 (messages), 3.1 (names); RFC 3596 (AAAA).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

const HEADER: usize = 12;
const INTERNET: u16 = 1;
const ALIAS: u16 = 5;
/// Set in replies.
const REPLY: u16 = 0x8000;
/// The reply did not fit into its datagram.
const TRUNCATED: u16 = 0x0200;
/// The server shall ask others.
const RECURSE: u16 = 0x0100;
/// Kind of question; all but the standard one are no reply to ours.
const OPERATION: u16 = 0x7800;
const CODE: u16 = 0x000f;
const NO_SUCH_NAME: u16 = 3;
/// Longest name on the wire (RFC 1035, 2.3.4), with the lengths of its labels.
const MAX_NAME: usize = 255;
const MAX_LABEL: usize = 63;
/// Records that are looked at.
const MAX_RECORDS: u16 = 64;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

impl Kind {
    const fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
        }
    }

    fn address(self, data: &[u8]) -> Option<IpAddr> {
        match self {
            Self::A => <[u8; 4]>::try_from(data)
                .ok()
                .map(|b| Ipv4Addr::from(b).into()),
            Self::Aaaa => <[u8; 16]>::try_from(data)
                .ok()
                .map(|b| Ipv6Addr::from(b).into()),
        }
    }
}

/// A host name: labels in lower case. What servers call aliases may have any bytes in its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Vec<Vec<u8>>);

/// A text that is no host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a host name")]
pub struct NameError;

impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let labels = text.split('.');
        let good = |label: &str| (1..=MAX_LABEL).contains(&label.len()) && label.chars().all(fits);
        if text.len() + 2 > MAX_NAME || !labels.clone().all(good) {
            return Err(NameError);
        }
        let labels = labels.map(|label| label.to_ascii_lowercase().into_bytes());
        Ok(Self(labels.collect()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.0.iter().map(|label| label.escape_ascii().to_string());
        f.write_str(&labels.collect::<Vec<_>>().join("."))
    }
}

impl Name {
    /// Whether it means this machine whatever servers say (RFC 6761, 6.3).
    pub fn is_local(&self) -> bool {
        self.0.last().is_some_and(|label| label == b"localhost")
    }
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// These addresses; none: the name has none of this kind, or does not exist.
    Addresses(Vec<IpAddr>),
    /// More than a datagram holds: ask again over TCP.
    Truncated,
    /// It cannot or will not tell; its code (RFC 1035, 4.1.1).
    Failed(u16),
}

/// The question for the `kind` of addresses of `name`.
pub fn question(id: u16, name: &Name, kind: Kind) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [id, RECURSE, 1, 0, 0, 0] {
        bytes.extend(number.to_be_bytes());
    }
    for label in &name.0 {
        // A label was checked to have 63 bytes at most.
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label);
    }
    bytes.push(0);
    bytes.extend(kind.code().to_be_bytes());
    bytes.extend(INTERNET.to_be_bytes());
    bytes
}

/// What `bytes` answer to the question; `None` for what is no answer to it: a stray, a forgery, or
/// bytes that cannot be read.
pub fn answer(bytes: &[u8], id: u16, name: &Name, kind: Kind) -> Option<Answer> {
    let mut reader = Reader { bytes, at: 0 };
    let [found, flags, questions, answers, _, _] = reader.numbers()?;
    let ours = found == id && flags & (REPLY | OPERATION) == REPLY && questions == 1;
    let asked = reader.name()? == *name && reader.numbers()? == [kind.code(), INTERNET];
    if !ours || !asked {
        return None;
    }
    match flags & CODE {
        _ if flags & TRUNCATED != 0 => Some(Answer::Truncated),
        0 => Some(Answer::Addresses(addresses(
            &mut reader,
            answers,
            name,
            kind,
        )?)),
        NO_SUCH_NAME => Some(Answer::Addresses(Vec::new())),
        code => Some(Answer::Failed(code)),
    }
}

/// The addresses of `name` and of what it is an alias of, alias before target as servers send them.
fn addresses(reader: &mut Reader<'_>, count: u16, name: &Name, kind: Kind) -> Option<Vec<IpAddr>> {
    let mut owner = name.clone();
    let mut found = Vec::new();
    for _ in 0..count.min(MAX_RECORDS) {
        let record = reader.record()?;
        if record.owner != owner || record.class != INTERNET {
            continue;
        }
        if record.code == ALIAS {
            owner = reader.name_at(record.start)?;
        } else if record.code == kind.code() {
            found.extend(kind.address(record.data));
        }
    }
    Some(found)
}

struct Record<'a> {
    owner: Name,
    code: u16,
    class: u16,
    start: usize,
    data: &'a [u8],
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn numbers<const N: usize>(&mut self) -> Option<[u16; N]> {
        let bytes = self.take(2 * N)?;
        let mut numbers = [0; N];
        for (number, pair) in numbers.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *number = u16::from_be_bytes(*pair);
        }
        Some(numbers)
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let owner = self.name()?;
        let [code, class, _, _, length] = self.numbers()?;
        let start = self.at;
        let data = self.take(usize::from(length))?;
        Some(Record {
            owner,
            code,
            class,
            start,
            data,
        })
    }

    fn name(&mut self) -> Option<Name> {
        let (name, end) = read_name(self.bytes, self.at)?;
        self.at = end;
        Some(name)
    }

    fn name_at(&self, at: usize) -> Option<Name> {
        read_name(self.bytes, at).map(|(name, _)| name)
    }
}

/// The name at `at`, and where what follows it begins.
///
/// A pointer must lead back, before where the labels before it began: so every chain of them ends.
fn read_name(bytes: &[u8], at: usize) -> Option<(Name, usize)> {
    let mut labels = Vec::new();
    let (mut at, mut before, mut end) = (at, at.max(HEADER), None);
    let mut length = 1;
    loop {
        let first = usize::from(*bytes.get(at)?);
        let next = at + 1;
        match first {
            0 => return Some((Name(labels), end.unwrap_or(next))),
            1..=MAX_LABEL => {
                let label = bytes.get(next..next + first)?;
                length += first + 1;
                if length > MAX_NAME {
                    return None;
                }
                labels.push(label.to_ascii_lowercase());
                at = next + first;
            }
            0xc0.. => {
                let low = usize::from(*bytes.get(next)?);
                end.get_or_insert(next + 1);
                at = ((first & 0x3f) << 8) | low;
                if at >= before {
                    return None;
                }
                before = at;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    /// A reply to the question for `host.example` with records given as bytes.
    fn reply(flags: u16, answers: u16, records: &[u8]) -> Vec<u8> {
        let mut bytes = question(7, &name("host.example"), Kind::A);
        bytes[2..4].copy_from_slice(&flags.to_be_bytes());
        bytes[6..8].copy_from_slice(&answers.to_be_bytes());
        bytes.extend(records);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Answer> {
        answer(bytes, 7, &name("Host.example."), Kind::A)
    }

    /// Name: a pointer to the question's.
    const ADDRESS: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1];

    #[test]
    fn a_question_is_laid_out() {
        let bytes = question(0x0102, &name("a.bc"), Kind::Aaaa);
        let expected = b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x1c\0\x01";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn names_are_host_names() {
        for text in [
            "",
            ".",
            "a..b",
            "a b",
            "ä",
            &"a".repeat(64),
            &"a.".repeat(130),
        ] {
            assert_eq!(text.parse::<Name>(), Err(NameError), "{text}");
        }
        assert_eq!(name("A.b."), name("a.B"));
        assert!(name("x.localhost").is_local() && !name("localhost.x").is_local());
    }

    #[test]
    fn addresses_are_found_behind_aliases() {
        let address = |octet| IpAddr::from([10, 0, 0, octet]);
        let two = [&ADDRESS[..], &ADDRESS[..15], &[2]].concat();
        assert_eq!(
            read(&reply(0x8180, 2, &two)),
            Some(Answer::Addresses(vec![address(1), address(2)]))
        );
        // host.example is an alias of `other.example`, whose last label is a pointer.
        let mut alias = vec![0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 8, 5];
        alias.extend(b"other\xc0\x11");
        alias.extend([0xc0, 42, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 3]);
        assert_eq!(
            read(&reply(0x8180, 2, &alias)),
            Some(Answer::Addresses(vec![address(3)]))
        );
        // Somebody else's address is none of ours.
        let mut other = vec![1, b'x', 0];
        other.extend(&ADDRESS[2..]);
        assert_eq!(
            read(&reply(0x8180, 1, &other)),
            Some(Answer::Addresses(vec![]))
        );
    }

    #[test]
    fn flags_decide() {
        for (flags, expected) in [
            (0x8183, Answer::Addresses(vec![])),
            (0x8380, Answer::Truncated),
            (0x8182, Answer::Failed(2)),
        ] {
            assert_eq!(read(&reply(flags, 0, &[])), Some(expected));
        }
        // A question, and another kind of message.
        assert_eq!(read(&reply(0x0180, 1, &ADDRESS)), None);
        assert_eq!(read(&reply(0x8980, 1, &ADDRESS)), None);
    }

    #[test]
    fn replies_to_others_are_none() {
        let good = reply(0x8180, 1, &ADDRESS);
        assert_eq!(answer(&good, 8, &name("host.example"), Kind::A), None);
        assert_eq!(answer(&good, 7, &name("other.example"), Kind::A), None);
        assert_eq!(answer(&good, 7, &name("host.example"), Kind::Aaaa), None);
        assert_eq!(read(&good[..good.len() - 1]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn pointers_lead_back_or_nowhere() {
        for pointer in [[0xc0, 30], [0xc0, 0xff], [0xff, 0xff], [0x80, 0]] {
            let mut record = ADDRESS;
            record[..2].copy_from_slice(&pointer);
            assert_eq!(read(&reply(0x8180, 1, &record)), None, "{pointer:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&reply(0x8180, 9, &bytes));
            let _ = read(&bytes);
        }
    }
}
