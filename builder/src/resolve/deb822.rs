//! Stanzas of `Name: value` fields, borrowed from the text.
//!
//! `Packages` of a distribution is about 50 MB, so nothing is copied: a value is the slice between
//! the colon and the end of its last continuation line. Only the reading half is here.
//!
//! Source: deb822(5).

use std::str::Split;

/// A text that is no sequence of stanzas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected `Name: value`, found `{found}`")]
pub struct SyntaxError {
    line: usize,
    found: String,
}

/// One field of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name as written; names differ in case only by mistake, so none is folded.
    pub name: &'a str,
    /// Value, trimmed; continuation lines follow after `\n` with their leading space.
    pub value: &'a str,
}

/// The stanzas of `text` in order: each a callback per field, then one call of `end`.
///
/// # Errors
/// The first line that is neither field, continuation, comment nor blank.
pub fn parse<'a>(text: &'a str, mut stanza: impl Stanza<'a>) -> Result<(), SyntaxError> {
    let mut lines = Lines::new(text);
    let mut open = false;
    while let Some(line) = lines.next() {
        if line.trim_ascii_end().is_empty() {
            if std::mem::take(&mut open) {
                stanza.end();
            }
        } else if !line.starts_with('#') {
            stanza.field(lines.field(line)?);
            open = true;
        }
    }
    if open {
        stanza.end();
    }
    Ok(())
}

/// Receives the fields of one stanza after another.
pub trait Stanza<'a> {
    /// A field of the current stanza.
    fn field(&mut self, field: Field<'a>);
    /// The current stanza is complete.
    fn end(&mut self);
}

/// The stanzas of a small text as lists of fields.
///
/// # Errors
/// As [`parse`].
pub fn stanzas(text: &str) -> Result<Vec<Vec<Field<'_>>>, SyntaxError> {
    struct Collect<'c, 'a>(&'c mut Vec<Vec<Field<'a>>>, Vec<Field<'a>>);
    impl<'a> Stanza<'a> for Collect<'_, 'a> {
        fn field(&mut self, field: Field<'a>) {
            self.1.push(field);
        }
        fn end(&mut self) {
            self.0.push(std::mem::take(&mut self.1));
        }
    }
    let mut all = Vec::new();
    parse(text, Collect(&mut all, Vec::new()))?;
    Ok(all)
}

/// The value of the field `name` in `stanza`, compared without case.
pub fn value<'a>(stanza: &[Field<'a>], name: &str) -> Option<&'a str> {
    let found = stanza.iter().find(|f| f.name.eq_ignore_ascii_case(name));
    found.map(|field| field.value)
}

struct Lines<'a> {
    text: &'a str,
    rest: Split<'a, char>,
    /// Offset behind the line read last.
    offset: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            rest: text.split('\n'),
            offset: 0,
            number: 0,
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        let line = self.rest.next()?;
        self.offset += line.len() + 1;
        self.number += 1;
        Some(line)
    }

    /// The field that starts with `line`, with all continuation lines behind it.
    fn field(&mut self, line: &'a str) -> Result<Field<'a>, SyntaxError> {
        let bad = || SyntaxError {
            line: self.number,
            found: line.chars().take(60).collect(),
        };
        let (name, first) = line.split_once(':').ok_or_else(bad)?;
        if name.is_empty() || name.contains(|c: char| c.is_ascii_whitespace()) {
            return Err(bad());
        }
        let start = self.offset - 1 - first.len();
        let mut end = self.offset - 1;
        while self.text[(end + 1).min(self.text.len())..].starts_with([' ', '\t']) {
            self.next();
            end = self.offset - 1;
        }
        let value = self.text[start..end].trim_ascii();
        Ok(Field { name, value })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{stanzas, value};

    #[test]
    fn stanzas_are_split_and_values_borrowed() {
        let text = "# comment\nPackage: a\nDescription: one\n two\n .\nSize:  1 \n\n\nPackage: b";
        let all = stanzas(text).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(value(&all[0], "description"), Some("one\n two\n ."));
        assert_eq!(value(&all[0], "Size"), Some("1"));
        assert_eq!(value(&all[1], "Package"), Some("b"));
        assert_eq!(value(&all[1], "Size"), None);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [
            ("Package: a\nno field\n", 2),
            (" a: b", 1),
            ("A: b\n\n: c", 3),
        ] {
            let error = stanzas(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("line {line}:")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Ca \t:\n#é]{0,60}") {
            let _ = stanzas(&text);
        }

        #[test]
        fn what_was_written_is_read(names in prop::collection::vec("[A-Z][a-z]{1,8}", 1..5)) {
            let text: String = names.iter().map(|n| format!("{n}: v\n {n}\n")).collect();
            let all = stanzas(&text).unwrap();
            let read: Vec<_> = all[0].iter().map(|field| field.name).collect();
            prop_assert_eq!(read, names);
        }
    }
}
