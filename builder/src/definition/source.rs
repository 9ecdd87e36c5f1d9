//! Where a value stands: the text it was read from and its bytes in it.

use std::{fmt, ops::Range, path::Path, sync::Arc};

/// A file that was read, with the name under which problems show it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Path as the user gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Some bytes of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// Byte range in it.
    pub span: Range<usize>,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// `file:line`, the line counted from 1.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.source.text.as_bytes().iter().take(self.span.start);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        write!(f, "{}:{line}", self.source.name)
    }
}

impl Source {
    /// The directory that the sources named in it are relative to.
    pub fn directory(&self) -> &Path {
        Path::new(&self.name).parent().unwrap_or(Path::new(""))
    }

    /// The 1-based lines of the text, each with its place and without its newline.
    pub fn lines(self: &Arc<Self>) -> impl Iterator<Item = At<&str>> {
        let mut start = 0;
        self.text.split_inclusive('\n').map(move |line| {
            let value = line.trim_end_matches(['\n', '\r']);
            let span = start..start + value.len();
            start += line.len();
            self.at(value, span)
        })
    }

    /// `value` at `span`.
    pub fn at<T>(self: &Arc<Self>, value: T, span: Range<usize>) -> At<T> {
        let source = Arc::clone(self);
        let place = Place { source, span };
        At { value, place }
    }
}

impl<T> At<T> {
    /// Another value at the same place.
    pub fn with<U>(&self, value: U) -> At<U> {
        let place = self.place.clone();
        At { value, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_know_their_bytes() {
        let source = Arc::new(Source {
            name: "a".to_owned(),
            text: "one\r\n\ntwo".to_owned(),
        });
        let found: Vec<_> = source.lines().map(|l| (l.value, l.place.span)).collect();
        assert_eq!(found, [("one", 0..3), ("", 5..5), ("two", 6..9)]);
        let places: Vec<_> = source.lines().map(|l| l.place.to_string()).collect();
        assert_eq!(places, ["a:1", "a:2", "a:3"]);
    }
}
