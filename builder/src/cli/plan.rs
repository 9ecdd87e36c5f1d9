//! `bedplate plan`: what a build would run, and why.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};

use super::{build::OutputArguments, image::ImageArguments, source::SourceArguments};
use crate::{
    pipeline,
    plan::{self, Change, Document, Step},
    store::Store,
};

/// Reasons shown of one step; the rest is counted.
const SHOWN: usize = 10;

/// Arguments of `bedplate plan`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    image: ImageArguments,
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// Profile, or `all`.
    #[arg(long)]
    profile: String,
    /// Print the plan as JSON, as a build leaves it in `plan.json`.
    #[arg(long)]
    json: bool,
}

/// Plans each profile that was asked for; fetches no package and runs nothing.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let profiles = arguments.image.load(&arguments.profile)?;
    let sources = arguments
        .source
        .sources_of(&arguments.image, profiles.all())?;
    let lock = arguments
        .source
        .lock(&arguments.image, profiles.all(), &sources)?;
    // `print!` would panic when a reader such as `head` goes away.
    let mut out = io::stdout().lock();
    for definition in profiles.wanted() {
        let document = pipeline::plan(definition, &lock)?.document();
        let text = if arguments.json {
            document.encode()?
        } else {
            let built = Document::load(&arguments.output.directory(definition))?;
            describe(&document, built.as_ref(), &sources.store)
        };
        out.write_all(text.as_bytes())
            .context("printing the plan")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(document: &Document, built: Option<&Document>, store: &Store) -> String {
    let Document { image, version, .. } = document;
    let mut text = format!("{image} {version} for {}\n", document.profile);
    for step in &document.steps {
        let state = match store.step(&step.key).is_dir() {
            true => "in the store",
            false => "would run",
        };
        text += &format!("  {:<18}  {}  {state}\n", step.name, step.short_key());
        for line in reasons(step, built) {
            text += &format!("    {line}\n");
        }
    }
    text
}

/// Why the step is not the one of the last build.
fn reasons(step: &Step, built: Option<&Document>) -> Vec<String> {
    let before = built.and_then(|document| document.step(&step.name));
    let changes: Vec<Change> = before.map_or(Vec::new(), |before| plan::changes(before, step));
    let shown = changes.iter().take(SHOWN);
    let mut lines: Vec<String> = shown.map(|change| format!("because {change}")).collect();
    if changes.len() > SHOWN {
        lines.push(format!("and {} more", changes.len() - SHOWN));
    }
    lines
}
