//! Values that templates see, and the one engine that renders them.
//!
//! Undefined names are errors: an empty string in a configuration file is found at boot, or never.

use std::collections::BTreeMap;

use minijinja::{
    Environment, Error, Output, State, UndefinedBehavior, Value, context, escape_formatter,
    syntax::SyntaxConfig, value::ValueKind,
};

use super::oci::Images;

/// What `{{ … }}` may name.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    image: Value,
    profile: Value,
    values: Value,
    instance: Value,
    oci: Value,
}

/// Why a template cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// 1-based line of the template.
    pub line: Option<usize>,
    /// What the engine says.
    pub what: String,
}

impl Scope {
    /// `image.name`, `image.version`, `profile.name`, `profile.values.*`.
    pub fn new(image: Value, profile: Value) -> Self {
        Self {
            image,
            profile,
            values: Value::UNDEFINED,
            instance: Value::UNDEFINED,
            oci: Value::UNDEFINED,
        }
    }

    /// The same, with `values.*`.
    pub fn with_values(&self, values: Value) -> Self {
        let scope = self.clone();
        Self { values, ..scope }
    }

    /// The same, with `oci.*`: whether each image is built in.
    pub fn with_images(self, images: &Images) -> Self {
        let presence = images.presence();
        let presence: BTreeMap<_, _> = presence
            .map(|(name, there)| (name.replace('-', "_"), there))
            .collect();
        let oci = presence.into();
        Self { oci, ..self }
    }

    /// The same, with `instance.*`.
    pub fn with_instance(&self, instance: Value) -> Self {
        let scope = self.clone();
        Self { instance, ..scope }
    }

    /// Renders `text`; a closing newline is kept.
    ///
    /// # Errors
    /// What the engine says.
    pub fn render(&self, text: &str) -> Result<String, Failure> {
        let engine = engine()?;
        let values = context! {
            image => self.image.clone(),
            profile => self.profile.clone(),
            values => self.values.clone(),
            instance => self.instance.clone(),
            oci => self.oci.clone(),
        };
        Ok(engine.render_str(text, values)?)
    }
}

/// Blocks that stand alone on a line leave no line behind.
fn engine() -> Result<Environment<'static>, Error> {
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    syntax.trim_blocks(true).lstrip_blocks(true);
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_syntax(syntax.build()?);
    engine.set_formatter(format);
    Ok(engine)
}

/// Booleans are written as TOML and most configuration files have them; the engine's are Python's.
fn format(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Bool => Ok(write!(output, "{}", value.is_true())?),
        _ => escape_formatter(output, state, value),
    }
}

/// A scalar as templates see it: `true` and `4`, not `"true"` and `"4"`, for `{% if "false" %}` would be taken.
pub(super) fn typed(text: &str) -> Value {
    match (text.parse::<bool>(), text.parse::<i64>()) {
        (Ok(flag), _) => flag.into(),
        (_, Ok(number)) if number.to_string() == text => number.into(),
        _ => text.into(),
    }
}

/// Whether `text` holds anything to render.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

impl From<minijinja::Error> for Failure {
    fn from(error: minijinja::Error) -> Self {
        let what = match error.detail() {
            Some(detail) => detail.to_owned(),
            None => error.kind().to_string(),
        };
        Self {
            line: error.line(),
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_written_as_toml_has_them() {
        let values = context! { on => typed("true"), four => typed("4"), size => typed("4GB") };
        let scope = Scope::new(context! {}, context! { values => values });
        let text = "{{ profile.values.on }} {{ profile.values.four }} {{ profile.values.size }}";
        assert_eq!(scope.render(text), Ok("true 4 4GB".to_owned()));
    }

    #[test]
    fn undefined_names_are_errors() {
        let scope = Scope::new(context! { name => "a" }, context! { values => context! {} });
        assert_eq!(scope.render("{{ image.name }}\n"), Ok("a\n".to_owned()));
        for text in [
            "{{ profile.values.x }}",
            "{{ instance.port }}",
            "{{ x }}",
            "{{",
        ] {
            assert!(scope.render(text).is_err(), "{text}");
        }
    }
}
