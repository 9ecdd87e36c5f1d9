//! Every image on every profile; `cargo xtask images` runs it.

use std::process::ExitCode;

use anyhow::Result;
use bedplate_tests::images::{self, PROFILES, Pair, Searched, Table};
use clap::Parser;

/// Builds every image for every profile, searches them for secrets, and prints a table.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask images")]
struct Arguments {
    /// Only these images, such as `images/justnews`.
    images: Vec<String>,
    /// Only these profiles.
    #[arg(long = "profile", value_parser = PROFILES)]
    profiles: Vec<String>,
    /// Plays the scene of each image: on `min`, and on the other profiles of those in `--everywhere`.
    #[arg(long)]
    boot: bool,
    /// Images that are booted on each profile.
    #[arg(long, default_values = ["images/juliasphere", "images/reddit-watcher"])]
    everywhere: Vec<String>,
}

impl Arguments {
    fn boots(&self, pair: &Pair) -> bool {
        self.boot && (pair.profile == "min" || self.everywhere.contains(&pair.image))
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let images = match arguments.images.as_slice() {
        [] => images::all()?,
        images => images.to_vec(),
    };
    let wanted = |profile: &&str| {
        arguments.profiles.is_empty() || arguments.profiles.iter().any(|p| p == profile)
    };
    let (mut pairs, mut searched) = (Vec::new(), Searched::default());
    for image in &images {
        for profile in PROFILES.into_iter().filter(wanted) {
            eprintln!("images: {image} for {profile}");
            let mut pair = images::build(image, profile, &mut searched)?;
            if arguments.boots(&pair) {
                images::boot(&mut pair);
                eprintln!("images: {image} for {profile}: {:?}", pair.boot);
            }
            pairs.push(pair);
        }
    }
    print!("{}", Table(&pairs));
    let (images, layers) = (pairs.len(), searched.layers());
    let secrets: Vec<_> = searched.findings().collect();
    println!(
        "{images} images of {layers} layers, {} secrets found",
        secrets.len()
    );
    secrets.iter().for_each(|secret| println!("{secret}"));
    let failed = |pair: &&Pair| matches!(&pair.boot, Some(Err(_)));
    for pair in pairs.iter().filter(failed) {
        println!("{} for {}: {:?}", pair.image, pair.profile, pair.boot);
    }
    Ok(
        match secrets.is_empty() && !pairs.iter().any(|pair| failed(&pair)) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
    )
}
