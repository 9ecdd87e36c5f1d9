//! What an upgrade did, for a person and for a program.

use std::{fs, time::Duration};

use bedplate_contract::BundleManifest;
use serde::Serialize;

use crate::{
    admission::Facts,
    progress::{mib, rate},
    render::text::{self, printable},
    stage::Tally,
};

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "upgrade", rename_all = "kebab-case")]
pub enum Report {
    /// A bundle is in the inactive slot, and the next boot tries it.
    Staged(Staged),
    /// What is staged is booted now.
    Applied {
        /// Its version.
        version: Option<String>,
        /// `a` or `b`.
        slot: String,
    },
    /// What was staged is so no longer.
    Cancelled {
        /// Entries that were removed; none: nothing was staged.
        entries: Vec<String>,
    },
}

/// A bundle that was staged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Staged {
    /// Image name.
    pub name: String,
    /// Version that is staged.
    pub version: String,
    /// Version that runs.
    pub running: String,
    /// `a` or `b`.
    pub slot: String,
    /// Bytes that came from the source, its documents left out.
    pub bytes_fetched: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
    /// Pieces of root image.
    pub pieces: u64,
    /// Pieces that were there already.
    pub pieces_reused: u64,
    /// From the first question to the last write.
    pub seconds: f64,
    /// Megabytes (10^6) of root image, tree and UKI per second.
    pub mb_per_s: f64,
    /// Most memory that the program had in use, in KiB.
    pub peak_rss_kib: u64,
}

impl Staged {
    /// The figures of one run.
    pub fn new(manifest: &BundleManifest, facts: &Facts, tally: Tally, time: Duration) -> Self {
        let sizes = [&manifest.root.image, &manifest.verity, &manifest.uki];
        let whole = sizes
            .iter()
            .fold(0, |sum: u64, c| sum.saturating_add(c.size));
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            running: facts.version.clone(),
            slot: facts.inactive.letter.to_owned(),
            bytes_fetched: tally.fetched,
            bytes_written: tally.written,
            pieces: tally.pieces,
            pieces_reused: tally.reused,
            seconds: (time.as_secs_f64() * 1000.0).round() / 1000.0,
            mb_per_s: (rate(whole, time) * 10.0).round() / 10.0,
            peak_rss_kib: peak_rss_kib(),
        }
    }
}

impl Report {
    /// One line of JSON.
    pub fn json(&self) -> String {
        // Strings and finite numbers always serialize.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Lines for a person.
    pub fn text(&self) -> String {
        match self {
            Self::Staged(staged) => staged.text(),
            Self::Applied { version, slot } => {
                let version = text::or_dash(version.as_deref());
                format!("{version} in slot {} is booted now\n", printable(slot))
            }
            Self::Cancelled { entries } if entries.is_empty() => "nothing was staged\n".to_owned(),
            Self::Cancelled { entries } => {
                let entries: Vec<_> = entries.iter().map(|entry| printable(entry)).collect();
                format!("taken back: {}\n", entries.join(", "))
            }
        }
    }
}

impl Staged {
    fn text(&self) -> String {
        let Self {
            name,
            version,
            slot,
            pieces,
            pieces_reused,
            seconds,
            mb_per_s,
            ..
        } = self;
        format!(
            "{name} {version} is staged in slot {slot}: fetched {}, wrote {}, {pieces_reused} of \
             {pieces} pieces were there, {seconds:.1} s, {mb_per_s} MB/s, {} resident at most\n",
            mib(self.bytes_fetched),
            mib(self.bytes_written),
            text::mib(self.peak_rss_kib)
        )
    }
}

/// `VmHWM` of this process in KiB; 0 where `/proc` is not mounted.
fn peak_rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_was_staged_is_told_with_figures() {
        let tally = Tally {
            fetched: 3 << 20,
            written: 5 << 20,
            pieces: 12,
            reused: 7,
        };
        let time = Duration::from_millis(2500);
        let mut staged = Staged::new(&sample::manifest(), &sample::facts(), tally, time);
        assert!(staged.peak_rss_kib > 0);
        staged.peak_rss_kib = 2048;
        staged.mb_per_s = 40.0;
        let report = Report::Staged(staged);
        assert_eq!(
            report.text(),
            "lab 1.0.1 is staged in slot b: fetched 3.0 MiB, wrote 5.0 MiB, 7 of 12 pieces were \
             there, 2.5 s, 40 MB/s, 2.0 MiB resident at most\n"
        );
        assert_eq!(
            report.json(),
            "{\"upgrade\":\"staged\",\"name\":\"lab\",\"version\":\"1.0.1\",\"running\":\"1.0.0\",\
             \"slot\":\"b\",\"bytes_fetched\":3145728,\"bytes_written\":5242880,\"pieces\":12,\
             \"pieces_reused\":7,\"seconds\":2.5,\"mb_per_s\":40.0,\"peak_rss_kib\":2048}\n"
        );
    }

    #[test]
    fn the_other_steps_are_told() {
        let cancelled = |entries: &[&str]| Report::Cancelled {
            entries: entries.iter().map(|entry| (*entry).to_owned()).collect(),
        };
        assert_eq!(cancelled(&[]).text(), "nothing was staged\n");
        assert_eq!(cancelled(&["a_2+3.efi"]).text(), "taken back: a_2+3.efi\n");
        let applied = Report::Applied {
            version: Some("1.0.1".to_owned()),
            slot: "b".to_owned(),
        };
        assert_eq!(applied.text(), "1.0.1 in slot b is booted now\n");
        assert_eq!(
            applied.json(),
            "{\"upgrade\":\"applied\",\"version\":\"1.0.1\",\"slot\":\"b\"}\n"
        );
    }
}
