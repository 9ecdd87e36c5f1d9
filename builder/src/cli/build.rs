//! `bedplate build`: all artifacts of an image.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::Result;

use super::{image::ImageArguments, source::SourceArguments};
use crate::{
    definition::Definition,
    pipeline::{self, Build},
    privilege,
    resolve::{Lock, Sources},
    sign::{BUNDLE, OCI},
};

/// Arguments of `bedplate build`.
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
    /// Print the path of one artifact and nothing else.
    #[arg(long, value_enum)]
    print: Option<Print>,
}

/// Where artifacts go.
#[derive(Debug, Clone, clap::Args)]
pub struct OutputArguments {
    /// Directory that gets `<image>/<profile>/<version>/`.
    #[arg(long, default_value = "out", value_name = "DIR")]
    out: PathBuf,
}

/// An artifact to name on stdout.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Print {
    Bundle,
    Directory,
    Disk,
    Oci,
    Uki,
}

impl OutputArguments {
    /// The directory of one build.
    pub fn directory(&self, definition: &Definition) -> PathBuf {
        let image = &definition.image;
        self.out
            .join(&image.name)
            .join(&definition.profile.name)
            .join(&image.version)
    }
}

/// Builds each profile that was asked for.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    privilege::acquire()?;
    let profiles = arguments.image.load(&arguments.profile)?;
    let sources = arguments
        .source
        .sources_of(&arguments.image, profiles.all())?;
    let lock = arguments
        .source
        .lock(&arguments.image, profiles.all(), &sources)?;
    for definition in profiles.wanted() {
        let build = build(definition, &lock, &sources, &arguments.output)?;
        match arguments.print {
            Some(print) => println!("{}", path(&build, print).display()),
            None => report(&build),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds one profile and says on stderr how long each stage took.
pub fn build(
    definition: &Definition,
    lock: &Lock,
    sources: &Sources,
    output: &OutputArguments,
) -> Result<Build> {
    let start = Instant::now();
    let done = |stage: &str| {
        eprintln!("{:>8.2} s  {stage}", start.elapsed().as_secs_f64());
    };
    let out = output.directory(definition);
    Ok(pipeline::build(definition, lock, sources, &out, &done)?)
}

fn path(build: &Build, print: Print) -> PathBuf {
    let directory: &Path = &build.directory;
    match print {
        Print::Bundle => directory.join(BUNDLE),
        Print::Directory => directory.to_owned(),
        Print::Disk => directory.join(&build.artifacts.disk.name),
        Print::Oci => directory.join(OCI),
        Print::Uki => directory.join(&build.artifacts.uki.name),
    }
}

fn report(build: &Build) {
    let artifacts = &build.artifacts;
    println!("{}", build.directory.display());
    println!(
        "  oci          {:>7} MiB  {}",
        layers_mib(build),
        build.image.manifest
    );
    for artifact in [
        &artifacts.root,
        &artifacts.verity,
        &artifacts.uki,
        &artifacts.disk,
    ] {
        println!(
            "  {:<12} {:>7} MiB  {}",
            artifact.name,
            artifact.size >> 20,
            artifact.digest
        );
    }
    let bundle = build.request.items.first().map(|item| item.digest);
    if let Some(digest) = bundle {
        println!("  bundle       {:>11}  {digest}", "");
    }
    if let Some(driver) = &build.driver {
        let cuda = driver.cuda.as_ref();
        let cuda = cuda.map_or(String::new(), |version| format!(", CUDA {version}"));
        println!("  driver       {:>11}  NVIDIA {}{cuda}", "", driver.version);
    }
    println!("  root hash    {:>11}  {}", "", artifacts.root_hash);
}

fn layers_mib(build: &Build) -> u64 {
    build
        .layers
        .iter()
        .map(|layer| layer.descriptor.size)
        .sum::<u64>()
        >> 20
}
