//! What is wrong with a definition, all of it at once, rendered with file, line and snippet.

use std::{cell::RefCell, fmt};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};

use super::source::{At, Place};

/// One thing that is wrong, or that deserves a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    severity: Severity,
    title: String,
    place: Option<Place>,
    label: Option<String>,
    help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Error,
    Warning,
}

/// Everything that is wrong with a definition; at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionErrors {
    problems: Vec<Problem>,
}

/// Collects problems while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problem {
    /// Something that stops the build.
    pub(super) fn error(title: impl Into<String>) -> Self {
        Self::new(Severity::Error, title.into())
    }

    /// Something that may be meant.
    pub(super) fn warning(title: impl Into<String>) -> Self {
        Self::new(Severity::Warning, title.into())
    }

    fn new(severity: Severity, title: String) -> Self {
        Self {
            severity,
            title,
            place: None,
            label: None,
            help: None,
        }
    }

    /// Shows `place`, with `label` under it.
    pub(super) fn at(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.place = Some(place.clone());
        self.label = Some(label.into());
        self
    }

    /// Says what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn order(&self) -> Option<(&str, usize)> {
        let place = self.place.as_ref()?;
        Some((&place.source.name, place.span.start))
    }

    fn group(&self) -> Group<'_> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&self.title));
        if let Some(place) = &self.place {
            let mark = AnnotationKind::Primary.span(place.span.clone());
            let mark = mark.label(self.label.as_deref());
            let snippet = Snippet::source(&place.source.text).path(&place.source.name);
            group = group.element(snippet.annotation(mark));
        }
        match &self.help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
        f.write_str(&renderer.render(&[self.group()]))
    }
}

impl From<Vec<Problem>> for DefinitionErrors {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

impl DefinitionErrors {
    /// The problems, by file and line.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for DefinitionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            write!(f, "{problem}\n\n")?;
        }
        match self.problems.len() {
            1 => f.write_str("the definition has 1 problem"),
            count => write!(f, "the definition has {count} problems"),
        }
    }
}

impl std::error::Error for DefinitionErrors {}

impl Problems {
    /// Adds a problem, unless the very same is known (an instance repeats its template's).
    pub fn add(&self, problem: Problem) {
        let mut known = self.0.borrow_mut();
        if !known.contains(&problem) {
            known.push(problem);
        }
    }

    /// The value of a success; a failure is added with the place of `from`.
    pub fn keep<T, U>(&self, from: &At<U>, title: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|label| self.add(Problem::error(title).at(&from.place, label)))
            .ok()
    }

    /// Warnings when nothing is wrong, else everything; sorted by file and line.
    ///
    /// # Errors
    /// Any problem that is not a warning.
    pub fn settle(self) -> Result<Vec<Problem>, DefinitionErrors> {
        let mut problems = self.0.into_inner();
        problems.sort_by(|a, b| a.order().cmp(&b.order()));
        match problems.iter().any(|p| p.severity == Severity::Error) {
            true => Err(DefinitionErrors { problems }),
            false => Ok(problems),
        }
    }
}
