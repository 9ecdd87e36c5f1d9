//! Builds the programs that go into every appliance and hands them to `host.rs` as bytes.
//!
//! `init` and `bedplatectl` are static, so that they run in any root; `gpu-probe` is dynamic, for
//! it loads the driver's library, and a static glibc program crashes when it does (DESIGN 5).
//! A nested cargo with a target directory of its own does the work: no lock is shared with the
//! cargo that runs this script.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() -> io::Result<()> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let workspace = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("..");
    for input in ["init", "Cargo.lock", "Cargo.toml"] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(input).display()
        );
    }
    // out is <target>/<profile>/build/<package>/out: one nested directory serves all profiles.
    let nested = out.ancestors().nth(4).unwrap_or(&out).join("host-programs");
    let linked = [
        "--target",
        TARGET,
        "--package",
        "bedplate-init",
        "--package",
        "bedplatectl",
    ];
    cargo(&workspace, &nested, &linked, "-Ctarget-feature=+crt-static")?;
    cargo(&workspace, &nested, &["--package", "gpu-probe"], "")?;
    let built = nested.join(TARGET).join("host");
    for (program, from) in [
        ("init", &built),
        ("bedplatectl", &built),
        ("gpu-probe", &nested.join("host")),
    ] {
        fs::copy(from.join(program), out.join(program))?;
    }
    Ok(())
}

fn cargo(workspace: &Path, target: &Path, arguments: &[&str], flags: &str) -> io::Result<()> {
    let mut command = Command::new(variable("CARGO")?);
    command.args(["build", "--profile", "host", "--manifest-path"]);
    command
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .args(arguments);
    // What the outer cargo set for its own compilation must not reach this one.
    for inherited in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
    ] {
        command.env_remove(inherited);
    }
    let status = command.env("RUSTFLAGS", flags).status()?;
    let failed = || io::Error::other(format!("{command:?} ended with {status}"));
    status.success().then_some(()).ok_or_else(failed)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}
