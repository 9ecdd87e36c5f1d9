//! The wall clock: never before the build of the image, nor before the last time that this machine knew.
//!
//! A machine without a battery wakes up in 1970 or 2001. Certificates are then not valid yet, and
//! a bundle that expired years ago is taken. Whoever knows better, an NTP client, sets it forward later.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use bedplate_contract::layout;
use bedplate_sys::clock;

use crate::{console, durable, stage1::chain};

/// Event of a clock that was behind: `shown`, `set`, both in seconds since 1970, and `by`.
const RAISED: &str = "clock.raised";
/// Event of a time that could not be kept: `error`.
const NOT_KEPT: &str = "clock.failed";

/// Milliseconds between two times that are kept: as much as a power cut may cost.
pub const KEEP_MS: u64 = 3_600_000;

/// Milliseconds after the build past which no clock is believed: an RTC of 1970 is read as 2070.
const AHEAD_MS: u64 = 25 * 365 * 24 * 3_600_000;

/// The last time that was known, in milliseconds since 1970, as text.
const KEPT: &str = "clock";

/// What says how late it is at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    /// When the image was built, in milliseconds since 1970.
    Built(u64),
    /// The time kept on the state partition.
    Kept,
}

/// Sets the clock to `floor` if it shows less; says so, for the status too.
///
/// # Errors
/// The kernel does not set it, in words.
pub fn raise(floor: Floor) -> Result<Option<String>, String> {
    let (least, by) = match floor {
        Floor::Built(ms) => (ms, "the build of the image"),
        Floor::Kept => (read(&kept()).unwrap_or(0), "the last time that was known"),
    };
    let shown = clock::wall_ms();
    if shown >= least {
        return Ok(None);
    }
    clock::set_wall_ms(least).map_err(|error| format!("set the clock: {error}"))?;
    let line = console::event(RAISED).with("shown", shown / 1000);
    console::emit(&line.with("set", least / 1000).with("by", by));
    let days = (least - shown) / 86_400_000;
    Ok(Some(format!(
        "the clock was {days} days behind {by}, and was set to that"
    )))
}

/// Why the clock is not believed, if it shows a time long after the build.
pub fn ahead(built_ms: u64) -> Option<String> {
    let years = clock::wall_ms().checked_sub(built_ms)? / (AHEAD_MS / 25);
    (years >= 25).then(|| format!("the clock shows {years} years after the build of the image"))
}

/// Keeps what the clock shows, unless it is not believed.
///
/// Power cut before the rename leaves the time kept before, an hour older. A disk that does not answer
/// holds this up, not the loop: see [`keep_beside`].
pub fn keep(built_ms: u64) {
    if ahead(built_ms).is_some() {
        return;
    }
    let text = format!("{}\n", clock::wall_ms());
    if let Err(error) = durable::write(&kept(), text.as_bytes(), 0o444) {
        console::emit(&console::event(NOT_KEPT).with("error", chain(&error)));
    }
}

/// As [`keep`], in a thread of its own; nothing while the one before has not ended.
pub fn keep_beside(built_ms: u64) {
    static RUNS: AtomicBool = AtomicBool::new(false);
    if RUNS.swap(true, Ordering::AcqRel) {
        return;
    }
    let run = move || {
        keep(built_ms);
        RUNS.store(false, Ordering::Release);
    };
    if thread::Builder::new().spawn(run).is_err() {
        // Out of memory: the next hour may have some.
        RUNS.store(false, Ordering::Release);
    }
}

fn kept() -> PathBuf {
    Path::new(layout::STATE_DIR).join(KEPT)
}

fn read(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_right_is_left_alone() {
        assert_eq!(raise(Floor::Built(0)), Ok(None));
        assert_eq!(raise(Floor::Built(1_735_689_600_000)), Ok(None));
    }

    #[test]
    fn a_clock_decades_ahead_is_told() {
        let now = clock::wall_ms();
        assert_eq!(ahead(now - AHEAD_MS / 2), None);
        assert_eq!(ahead(now + 1000), None);
        let told = ahead(now - AHEAD_MS - 1000).unwrap();
        assert_eq!(
            told,
            "the clock shows 25 years after the build of the image"
        );
    }

    #[test]
    fn what_was_kept_is_read_and_other_text_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEPT);
        assert_eq!(read(&path), None);
        for (text, expected) in [
            ("1700000000000\n", Some(1_700_000_000_000)),
            ("later", None),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(&path), expected);
        }
    }
}
