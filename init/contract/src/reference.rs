//! `${secret:NAME}` in a text: where a value goes that no image may hold.
//!
//! The builder refuses texts with an unknown name, PID 1 puts the values in. Everything else is
//! left as it is, so `$1` and `${HOME}` of a program's own language need no escape.

use std::fmt;

/// What begins a reference.
const OPEN: &str = "${secret:";

/// One piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Stands as it is.
    Text(&'a str),
    /// Name of the secret whose value stands here.
    Secret(&'a str),
}

/// As it is written in a text.
impl fmt::Display for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Secret(name) => write!(f, "{OPEN}{name}}}"),
        }
    }
}

/// A reference that nothing ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{OPEN}` without `}}` on line {line}")]
pub struct ReferenceError {
    /// 1-based.
    pub line: usize,
}

/// The pieces of `text`, in their order; joined as they are written they are `text` again.
///
/// # Errors
/// A reference that does not end on its line.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, ReferenceError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let end = after
            .find(['}', '\n'])
            .filter(|end| after[*end..].starts_with('}'));
        let (name, following) = end
            .map(|end| (&after[..end], &after[end + 1..]))
            .ok_or_else(|| {
                let read = text.len() - OPEN.len() - after.len();
                ReferenceError {
                    line: text[..read].matches('\n').count() + 1,
                }
            })?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Secret(name));
        rest = following;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// The names of the secrets that `text` refers to; none of a text that is refused.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    let pieces = pieces(text).unwrap_or_default().into_iter();
    pieces.filter_map(|piece| match piece {
        Piece::Secret(name) => Some(name),
        Piece::Text(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut() {
        use Piece::{Secret, Text};
        let table: [(&str, &[Piece<'_>]); 5] = [
            ("", &[]),
            ("$1 ${HOME}\n", &[Text("$1 ${HOME}\n")]),
            ("${secret:a}", &[Secret("a")]),
            (
                "x${secret:a}${secret:b}y",
                &[Text("x"), Secret("a"), Secret("b"), Text("y")],
            ),
            ("${secret:}}", &[Secret(""), Text("}")]),
        ];
        for (text, expected) in table {
            assert_eq!(pieces(text).unwrap(), expected, "{text}");
        }
        assert_eq!(
            names("a ${secret:x} ${secret:y}").collect::<Vec<_>>(),
            ["x", "y"]
        );
    }

    #[test]
    fn open_references_are_refused() {
        for (text, line) in [("${secret:a", 1), ("a\nb ${secret:a\n}", 2)] {
            assert_eq!(pieces(text), Err(ReferenceError { line }), "{text}");
        }
    }
}
