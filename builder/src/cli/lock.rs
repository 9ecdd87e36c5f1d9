//! `bedplate lock`: pins every package by digest.

use std::process::ExitCode;

use anyhow::Result;

use super::{image::ImageArguments, source::SourceArguments};

/// Arguments of `bedplate lock`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    image: ImageArguments,
    #[command(flatten)]
    source: SourceArguments,
    /// Lock anew although the lock is current: takes the newest packages.
    #[arg(long)]
    update: bool,
}

/// Locks all profiles of the image; prints how many packages each set has.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let profiles = if arguments.update {
        arguments.image.load_anew("all")?
    } else {
        arguments.image.load("all")?
    };
    let sources = arguments
        .source
        .sources_of(&arguments.image, profiles.all())?;
    let lock = if arguments.update {
        arguments
            .source
            .update(&arguments.image, profiles.all(), &sources)?
    } else {
        arguments
            .source
            .lock(&arguments.image, profiles.all(), &sources)?
    };
    for (set, packages) in &lock.sets {
        println!("{set}: {} packages", packages.len());
    }
    for image in &lock.images {
        println!("{}: {}", image.reference, image.manifest);
    }
    Ok(ExitCode::SUCCESS)
}
