//! What the lines of test binaries say.

use std::fmt;

/// How a test that cannot run here says so, before its reason.
const SKIPPED: &str = "skipped: ";

/// Counts of one or more test binaries.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed, those that skipped included: libtest knows no other word.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// Tests that a binary did not run.
    pub ignored: u32,
    /// Reasons of tests that did nothing.
    pub skips: Vec<String>,
}

impl Counts {
    /// Adds what a line says: a closing line `test result: ok. 3 passed; 0 failed; …`, or a skip.
    pub fn add(&mut self, line: &str) {
        if let Some(reason) = line.strip_prefix(SKIPPED) {
            self.skips.push(reason.to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<&str> = result.split([' ', ';']).collect();
        for pair in words.windows(2) {
            match (pair[0].parse::<u32>(), pair[1]) {
                (Ok(count), "passed") => self.passed += count,
                (Ok(count), "failed") => self.failed += count,
                (Ok(count), "ignored") => self.ignored += count,
                _ => {}
            }
        }
    }

    /// Skips, and tests that were not run, for other reasons than these.
    pub fn skipped_but(&self, allowed: &[&str]) -> impl Iterator<Item = String> {
        let skips = self.skips.iter();
        let unasked = skips.filter(|reason| !allowed.iter().any(|word| reason.ends_with(word)));
        let ignored = (0..self.ignored).map(|_| "ignored".to_owned());
        unasked.cloned().chain(ignored)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed) = (self.passed, self.failed);
        let skipped = self.skips.len() + self.ignored as usize;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_are_summed_and_skips_are_kept() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        counts.add("test a ... ok");
        counts.add("skipped: gpu: no NVIDIA GPU");
        counts.add("skipped: sandbox: needs root for namespaces");
        counts.add("test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured");
        assert_eq!(counts.to_string(), "15 passed, 2 failed, 3 skipped");
        let unasked: Vec<_> = counts.skipped_but(&["no NVIDIA GPU"]).collect();
        assert_eq!(unasked, ["sandbox: needs root for namespaces", "ignored"]);
    }
}
