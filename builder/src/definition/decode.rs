//! Reads TOML tables key by key, and goes on after each problem.
//!
//! Serde stops at the first error; a definition's author wants them all. So a reader asks a
//! [`Table`] for the keys it knows; a missing or ill-typed value is reported and replaced by a
//! stand-in, and [`Table::decode`] reports every key that nobody asked for. The keys asked for
//! are the valid ones: there is no second list to keep.

use std::{cell::RefCell, ops::Range, sync::Arc};

use minijinja::Value;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    literal, name,
    problem::{Problem, Problems},
    source::{At, Place, Source},
    template::{Scope, is_template, typed},
};

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table<'a> {
    problems: &'a Problems,
    source: Arc<Source>,
    entries: &'a DeTable<'a>,
    span: Range<usize>,
    /// Dotted keys from the top, empty there.
    path: String,
    title: String,
    scope: Option<Scope>,
    /// Parts of the document, at its top.
    parts: Vec<Table<'a>>,
    asked: RefCell<Vec<&'static str>>,
}

/// How a table is written.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// `[key]`
    One,
    /// `[[key]]`
    Many,
}

impl<'a> Table<'a> {
    /// The top of a document.
    pub fn document(
        problems: &'a Problems,
        source: &Arc<Source>,
        document: &'a Spanned<DeTable<'a>>,
    ) -> Self {
        let first = document
            .get_ref()
            .keys()
            .map(|key| key.span())
            .min_by_key(|span| span.start);
        Self {
            problems,
            source: Arc::clone(source),
            entries: document.get_ref(),
            span: first.unwrap_or(0..0),
            path: String::new(),
            title: "the document".to_owned(),
            scope: None,
            parts: Vec::new(),
            asked: RefCell::default(),
        }
    }

    /// The same table, whose strings are templates.
    pub fn with_scope(&self, scope: &Scope) -> Table<'a> {
        Table {
            problems: self.problems,
            source: Arc::clone(&self.source),
            entries: self.entries,
            span: self.span.clone(),
            path: self.path.clone(),
            title: self.title.clone(),
            scope: Some(scope.clone()),
            parts: Vec::new(),
            asked: RefCell::default(),
        }
    }

    /// The same document with `parts`, whose lists come before its own.
    pub fn with_parts(self, parts: Vec<Table<'a>>) -> Self {
        Self { parts, ..self }
    }

    /// The parts of the document.
    pub fn parts(&self) -> &[Table<'a>] {
        &self.parts
    }

    /// Reads the table with `read`, then reports the keys it did not ask for.
    pub fn decode<T>(self, read: impl FnOnce(&Self) -> T) -> T {
        let value = read(&self);
        self.parts.iter().for_each(Self::report_unknown);
        self.report_unknown();
        value
    }

    fn report_unknown(&self) {
        let asked = self.asked.borrow();
        for key in self.entries.keys() {
            let text: &str = key.get_ref();
            if !asked.contains(&text) {
                let title = format!("unknown key `{text}` in {}", self.title);
                let problem = Problem::error(title).at(&self.place(key.span()), "not a key here");
                self.problems
                    .add(problem.help(name::suggestion(text, &asked)));
            }
        }
    }

    /// Where the problems go.
    pub fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Place of the table's header.
    pub fn header(&self) -> Place {
        self.place(self.span.clone())
    }

    /// Reports that `problem` concerns the table as a whole.
    pub fn fail(&self, title: impl Into<String>, label: impl Into<String>) {
        let title = format!("{} in {}", title.into(), self.title);
        self.problems
            .add(Problem::error(title).at(&self.header(), label));
    }

    /// A string.
    pub fn string(&self, key: &'static str) -> Option<At<String>> {
        let value = self.get(key)?;
        self.string_of(key, value)
    }

    /// A string through a rule such as those of [`name`] and [`super::unit`].
    pub fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let text = self.string(key)?;
        let title = format!("invalid `{key}` in {}", self.title);
        let value = self.problems.keep(&text, &title, parse(&text.value))?;
        Some(text.with(value))
    }

    /// As [`Self::parsed`]; absence is a problem too, and then the default stands in.
    pub fn required<T: Default>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> At<T> {
        self.require(key);
        self.parsed(key, parse).unwrap_or_else(|| At {
            value: T::default(),
            place: self.header(),
        })
    }

    /// Reports that `key` is missing, if it is.
    pub fn require(&self, key: &'static str) {
        if self.get(key).is_none() {
            self.fail(format!("missing key `{key}`"), format!("needs `{key}`"));
        }
    }

    /// One of the named values.
    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let pick = |text: &str| {
            let found = choices.iter().find(|(name, _)| *name == text);
            found
                .map(|(_, value)| *value)
                .ok_or_else(|| name::suggestion(text, &names))
        };
        self.parsed(key, pick).map(|found| found.value)
    }

    /// An integer within `range`; a template may stand in its place.
    pub fn integer<T>(&self, key: &'static str, range: Range<u64>) -> Option<At<T>>
    where
        T: TryFrom<u64>,
    {
        let value = self.get(key)?;
        self.integer_of(key, value, &range)
    }

    fn integer_of<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        range: &Range<u64>,
    ) -> Option<At<T>>
    where
        T: TryFrom<u64>,
    {
        let text = self.integer_text(key, value)?;
        let number = text
            .value
            .parse()
            .ok()
            .filter(|number| range.contains(number));
        let expected = match range.end - 1 {
            last if last == range.start => format!("expected {last}"),
            last => format!("expected {} to {last}", range.start),
        };
        let converted = number
            .and_then(|number| T::try_from(number).ok())
            .ok_or(expected);
        let title = format!("`{key}` out of range in {}", self.title);
        let number = self.problems.keep(&text, &title, converted)?;
        Some(text.with(number))
    }

    fn integer_text(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => {
                Some(self.source.at(number.as_str().to_owned(), value.span()))
            }
            DeValue::String(text) if self.scope.is_some() && is_template(text) => {
                self.string_of(key, value)
            }
            _ => self.mistyped(key, value, "an integer"),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.mistyped(key, value, "`true` or `false`"),
        }
    }

    /// An array of strings; empty when absent.
    pub fn strings(&self, key: &'static str) -> Vec<At<String>> {
        let items = self.array(key).into_iter();
        items.filter_map(|item| self.string_of(key, item)).collect()
    }

    /// An array of integers within `range`, templates among them; empty when absent.
    pub fn integers<T>(&self, key: &'static str, range: Range<u64>) -> Vec<At<T>>
    where
        T: TryFrom<u64>,
    {
        let items = self.array(key).into_iter();
        let integer = |item| self.integer_of(key, item, &range);
        items.filter_map(integer).collect()
    }

    /// The integers and strings of an array as they are written, or one that stands alone.
    pub fn numbers_or_strings(&self, key: &'static str) -> Vec<At<String>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let items: Vec<_> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::Integer(_) => self.integer_text(key, item),
            DeValue::String(_) => self.string_of(key, item),
            _ => self.mistyped(key, item, "an integer or a string"),
        };
        items.into_iter().filter_map(text).collect()
    }

    /// A table.
    pub fn table(&self, key: &'static str) -> Option<Table<'a>> {
        let value = self.get(key)?;
        self.table_of(key, value, Shape::One)
    }

    /// A table, that of every part before the document's own.
    pub fn everywhere(&self, key: &'static str) -> Vec<Table<'a>> {
        let parts = self.parts.iter().filter_map(|part| part.table(key));
        parts.chain(self.table(key)).collect()
    }

    /// An array of tables, those of parts first; empty when absent.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let mut tables: Vec<_> = self
            .parts
            .iter()
            .flat_map(|part| part.tables(key))
            .collect();
        let items = self.array(key).into_iter();
        tables.extend(items.filter_map(|item| self.table_of(key, item, Shape::Many)));
        tables
    }

    /// Whether `key` is not there.
    pub fn is_absent(&self, key: &'static str) -> bool {
        self.get(key).is_none()
    }

    /// Notes that `keys` are valid here, though somebody else reads them.
    pub fn know(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend(keys);
    }

    /// Whether `key` holds a string (rather than a table).
    pub fn is_string(&self, key: &'static str) -> bool {
        self.get(key).is_some_and(|value| value.get_ref().is_str())
    }

    /// A table of scalars as strings, keys in order, those of parts first; empty when absent.
    pub fn map(&self, key: &'static str) -> Vec<(At<String>, At<String>)> {
        let tables = self.everywhere(key);
        tables.iter().flat_map(Self::pairs).collect()
    }

    /// The table as templates see it: any TOML, its strings rendered.
    pub fn values(&self) -> Value {
        let value = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            let key = key.get_ref().to_string();
            let value = self.value(&key, value)?;
            Some((key, value))
        };
        Value::from_pairs(self.entries.iter().filter_map(value))
    }

    fn value(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        Some(match value.get_ref() {
            DeValue::String(text) => {
                let rendered = self.string_of(key, value)?;
                literal::check_variable(key, &rendered, self.problems);
                match is_template(text) {
                    true => typed(&rendered.value),
                    false => rendered.value.into(),
                }
            }
            DeValue::Array(items) => items
                .iter()
                .filter_map(|item| self.value(key, item))
                .collect(),
            DeValue::Table(_) => self.table_of(key, value, Shape::One)?.values(),
            _ => typed(&self.scalar(key, value)?.value),
        })
    }

    fn pairs(&self) -> Vec<(At<String>, At<String>)> {
        let pair = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            let name = key.get_ref().to_string();
            let scalar = self.scalar(&name, value)?;
            Some((self.source.at(name, key.span()), scalar))
        };
        self.entries.iter().filter_map(pair).collect()
    }

    fn scalar(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        let text = match value.get_ref() {
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::String(_) => return self.string_of(key, value),
            _ => return self.mistyped(key, value, "a string, number or boolean"),
        };
        Some(self.source.at(text, value.span()))
    }

    fn string_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        let DeValue::String(text) = value.get_ref() else {
            return self.mistyped(key, value, "a string");
        };
        let text = self.source.at(text.to_string(), value.span());
        match &self.scope {
            Some(scope) if is_template(&text.value) => {
                let title = format!("cannot render `{key}` in {}", self.title);
                let rendered = self.problems.keep(
                    &text,
                    &title,
                    scope.render(&text.value).map_err(|failure| failure.what),
                )?;
                Some(text.with(rendered))
            }
            _ => Some(text),
        }
    }

    fn table_of(
        &self,
        key: &str,
        value: &'a Spanned<DeValue<'a>>,
        shape: Shape,
    ) -> Option<Table<'a>> {
        let DeValue::Table(entries) = value.get_ref() else {
            return self.mistyped(key, value, "a table");
        };
        let path = match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        };
        let title = match shape {
            Shape::One => format!("`[{path}]`"),
            Shape::Many => format!("`[[{path}]]`"),
        };
        Some(Table {
            problems: self.problems,
            source: Arc::clone(&self.source),
            entries,
            span: value.span(),
            path,
            title,
            scope: self.scope.clone(),
            parts: Vec::new(),
            asked: RefCell::default(),
        })
    }

    /// The items of an array, whatever they are; empty when absent.
    pub fn array(&self, key: &'static str) -> Vec<&'a Spanned<DeValue<'a>>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => self.mistyped(key, value, "an array").unwrap_or_default(),
        }
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.entries.get(key)
    }

    fn mistyped<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<T> {
        let title = format!("wrong type of `{key}` in {}", self.title);
        let label = format!("expected {expected}, found {}", type_name(value.get_ref()));
        self.problems
            .add(Problem::error(title).at(&self.place(value.span()), label));
        None
    }

    fn place(&self, span: Range<usize>) -> Place {
        let source = Arc::clone(&self.source);
        Place { source, span }
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
