//! All tests, with the counts on the last line.

use anyhow::{Result, ensure};

use crate::cargo;

/// Counts of one or more test binaries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passed: u32,
    failed: u32,
}

/// Runs every test of the workspace; VM tests are part of it.
///
/// # Errors
/// A test failed, or none ran.
pub fn run() -> Result<()> {
    let mut counts = Counts::default();
    let arguments = ["test", "--workspace", "--locked", "--no-fail-fast"];
    let succeeded = cargo::watch(&arguments, |line| counts.add(line))?;
    println!("{} passed, {} failed", counts.passed, counts.failed);
    ensure!(succeeded && counts.failed == 0, "tests failed");
    ensure!(counts.passed > 0, "no test ran");
    Ok(())
}

impl Counts {
    /// Adds what a closing line of a test binary says: `test result: ok. 3 passed; 0 failed; …`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<&str> = result.split([' ', ';']).collect();
        for pair in words.windows(2) {
            match (pair[0].parse::<u32>(), pair[1]) {
                (Ok(count), "passed") => self.passed += count,
                (Ok(count), "failed") => self.failed += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_are_summed() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        counts.add("test a ... ok");
        counts.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured");
        assert_eq!(
            counts,
            Counts {
                passed: 15,
                failed: 2
            }
        );
    }
}
