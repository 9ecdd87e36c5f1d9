//! The `bedplate` program as a subprocess.

use std::{
    env,
    ffi::OsStr,
    fmt::Debug,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A call of the `bedplate` of this build, in the root of the workspace.
///
/// # Errors
/// It cannot be built.
pub fn command() -> Result<Command> {
    let mut command = Command::new(program()?);
    command.current_dir(workspace());
    if env::var_os("BEDPLATE_STORE").is_none() {
        command.env("BEDPLATE_STORE", workspace().join("target/test-store"));
    }
    Ok(command)
}

/// Runs `bedplate` with `arguments`; the output is captured.
///
/// # Errors
/// It cannot be started.
pub fn output(arguments: &[impl AsRef<OsStr> + Debug]) -> Result<Output> {
    command()?
        .args(arguments)
        .output()
        .with_context(|| format!("running bedplate {arguments:?}"))
}

/// Runs `bedplate` with `arguments`, which must succeed; returns its standard output.
///
/// # Errors
/// Another exit code; the message has both outputs.
pub fn succeed(arguments: &[impl AsRef<OsStr> + Debug]) -> Result<String> {
    let output = output(arguments)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "bedplate {arguments:?} ended with {}\nstdout:\n{}\nstderr:\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    Ok(text(&output.stdout))
}

/// Builds the program once per test process: `cargo test --package bedplate-tests` alone would
/// otherwise run a stale one.
fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn build() -> Result<PathBuf> {
    let test = env::current_exe()?;
    let directory = test.parent().context("a program in a directory")?;
    // A test runs in <target>/<profile>/deps, a program in <target>/<profile>.
    let profile = match directory.ends_with("deps") {
        true => directory.parent().context("a directory of the profile")?,
        false => directory,
    };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--package", "bedplate", "--locked"])
        .current_dir(workspace());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "building bedplate failed");
    Ok(profile.join("bedplate"))
}
