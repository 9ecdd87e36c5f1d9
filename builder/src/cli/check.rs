//! `bedplate check`: every problem of a definition at once.

use std::process::ExitCode;

use anyhow::Result;

use super::image::ImageArguments;

/// Arguments of `bedplate check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    image: ImageArguments,
    /// Profile, or `all`.
    #[arg(long, default_value = "all")]
    profile: String,
}

/// Loads the definition for each profile and prints what it amounts to.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    for definition in arguments.image.load(&arguments.profile)?.wanted() {
        println!("{}", definition.summary());
    }
    Ok(ExitCode::SUCCESS)
}
