//! `cargo xtask fuzz`: every target for a while, with the compiler that builds the product.
//!
//! libFuzzer finds its way by counters that LLVM puts into the code; these flags need no nightly
//! compiler. What they lack is the address sanitizer, for which safe code has little use.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::cargo;

/// Counters at every edge, and what is compared with what (LLVM, SanitizerCoverage).
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";
/// Where the build and the corpora are, below the workspace's target directory.
const TARGET: &str = "target/fuzz";
/// Flags are for the target alone, not for build scripts; so it is named.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Longest input in bytes: most formats are bounded well below.
const LONGEST: &str = "65536";

/// What is fuzzed, and for how long.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// These alone; all by default.
    targets: Vec<String>,
    /// Seconds for each.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Builds and runs the targets, one after another, and prints what each did.
///
/// # Errors
/// A target that does not build, or a finding: its input is kept and named.
pub fn run(arguments: &Arguments) -> Result<()> {
    let all = targets()?;
    let unknown = arguments.targets.iter().find(|name| !all.contains(name));
    ensure!(
        unknown.is_none(),
        "no target `{}`; there are {}",
        unknown.map_or("", |n| n),
        all.join(", ")
    );
    build()?;
    let chosen = if arguments.targets.is_empty() {
        &all
    } else {
        &arguments.targets
    };
    let found = chosen.iter().map(|name| fuzz(name, arguments.seconds));
    let findings = found.collect::<Result<Vec<bool>>>()?;
    let findings = findings.into_iter().filter(|clean| !clean).count();
    let minutes = f64::from(arguments.seconds) * chosen.len() as f64 / 60.0;
    println!(
        "{} targets, {minutes:.0} minutes, {findings} findings",
        chosen.len()
    );
    ensure!(findings == 0, "{findings} targets have findings");
    Ok(())
}

/// Whether the lock of the targets, which are a workspace of their own, still fits the product.
///
/// # Errors
/// It does not: `cargo update --workspace` in `tests/fuzz` makes it.
pub fn check_lock() -> Result<()> {
    let place = [
        "--manifest-path",
        "tests/fuzz/Cargo.toml",
        "--format-version",
        "1",
    ];
    let locked = cargo::output(&[&["metadata", "--locked"], &place[..]].concat());
    locked
        .context("the lock of tests/fuzz is out of date")
        .map(drop)
}

fn build() -> Result<()> {
    let manifest = [
        "--manifest-path",
        "tests/fuzz/Cargo.toml",
        "--target-dir",
        TARGET,
    ];
    let mut call = cargo::command(&[
        "build",
        "--release",
        "--locked",
        "--bins",
        "--target",
        TRIPLE,
    ]);
    let status = call.args(manifest).env("RUSTFLAGS", FLAGS).status()?;
    ensure!(
        status.success(),
        "building the fuzz targets ended with {status}"
    );
    Ok(())
}

fn targets() -> Result<Vec<String>> {
    let directory = Path::new("tests/fuzz/fuzz_targets");
    let entries = directory.read_dir().context("listing the fuzz targets")?;
    let names = entries.map(|entry| Ok(entry?.path().with_extension("")));
    let names: Vec<PathBuf> = names.collect::<Result<_>>()?;
    let names = names.iter().filter_map(|path| path.file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Whether `name` got through; its corpus is then what reaches something that nothing smaller does.
fn fuzz(name: &str, seconds: u32) -> Result<bool> {
    let place = |what: &str| env::current_dir().map(|here| here.join(TARGET).join(what).join(name));
    let (corpus, fresh, found) = (place("corpus")?, place("fresh")?, place("findings")?);
    for directory in [&corpus, &fresh, &found] {
        fs::create_dir_all(directory)?;
    }
    let program = Path::new(TARGET).join(TRIPLE).join("release").join(name);
    let call = |words: &[String]| -> Result<bool> {
        let mut command = Command::new(&program);
        let status = command
            .args(words)
            .arg(format!("-max_len={LONGEST}"))
            .status();
        Ok(status
            .with_context(|| format!("running `{name}`"))?
            .success())
    };
    println!("fuzz: {name} for {seconds} s");
    let directories = [&fresh, &corpus].map(|path| path.display().to_string());
    let [fresh_text, corpus_text] = directories.clone();
    let clean = call(&[
        format!("-max_total_time={seconds}"),
        format!("-artifact_prefix={}/", found.display()),
        "-print_final_stats=1".to_owned(),
        "-verbosity=0".to_owned(),
        fresh_text.clone(),
        corpus_text.clone(),
    ])?;
    if clean {
        call(&[
            "-merge=1".to_owned(),
            "-verbosity=0".to_owned(),
            corpus_text,
            fresh_text,
        ])?;
        fs::remove_dir_all(&fresh)?;
    }
    let kept = corpus.read_dir()?.count();
    println!(
        "fuzz: {name}: {kept} inputs kept{}",
        if clean { "" } else { ", FINDING" }
    );
    Ok(clean)
}
