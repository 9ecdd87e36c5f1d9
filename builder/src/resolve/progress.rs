//! What the user sees of downloads: bars on a terminal, nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress is shown. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
}

impl Progress {
    /// Shown when stderr is a terminal.
    pub fn on_stderr() -> Self {
        if std::io::stderr().is_terminal() {
            Self {
                bars: MultiProgress::new(),
            }
        } else {
            Self::hidden()
        }
    }

    /// Shown nowhere.
    pub fn hidden() -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Self { bars }
    }

    /// A bar for `bytes` bytes of what `name` says; it goes away when dropped.
    pub fn bytes(&self, name: &str, bytes: u64) -> Bar {
        let template = "{msg:32!} [{bar:24}] {bytes:>10} / {total_bytes:<10} {bytes_per_sec:>12}";
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = self.bars.add(ProgressBar::new(bytes).with_style(style));
        bar.set_message(name.to_owned());
        Bar {
            bar,
            bars: self.bars.clone(),
        }
    }
}

/// One line of progress.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    bars: MultiProgress,
}

impl Bar {
    /// Counts `bytes` more.
    pub fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Counts from zero again.
    pub fn restart(&self) {
        self.bar.set_position(0);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
    }
}
