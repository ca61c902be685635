//! The line at the bottom of a terminal that says how far a run is.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::rootfs::Bar;

/// A progress line on standard error; nothing where that is no terminal.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// The line, and above it those of downloads.
    lines: MultiProgress,
    bar: ProgressBar,
    running: BTreeMap<usize, String>,
    unhappy: usize,
}

/// Names of running cases that are shown.
const MOST_NAMES: usize = 4;

impl Progress {
    /// A line for a run that has not been planned yet.
    pub(crate) fn new(wanted: bool) -> Self {
        let lines = MultiProgress::with_draw_target(if wanted {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let bar = lines.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        Self { lines, bar, running: BTreeMap::new(), unhappy: 0 }
    }

    /// The run begins with this many cases.
    pub(crate) fn begin(&self, cases: usize) {
        self.bar.set_length(cases as u64);
        if !self.bar.is_hidden() {
            self.bar.enable_steady_tick(Duration::from_millis(250));
        }
    }

    /// Runs `print`, which may write to the terminal, with the line out of the way.
    pub(crate) fn beside<R>(&self, print: impl FnOnce() -> R) -> R {
        self.lines.suspend(print)
    }

    /// Where a download shows how far it is: above the line.
    pub(crate) fn downloads(&self) -> Bar {
        Bar::among(self.lines.clone())
    }

    /// A case has started.
    pub(crate) fn started(&mut self, index: usize, name: &str) {
        if !self.bar.is_hidden() {
            self.running.insert(index, name.to_owned());
            self.message();
        }
    }

    /// A case has ended.
    pub(crate) fn ended(&mut self, index: usize, unhappy: bool) {
        if !self.bar.is_hidden() {
            self.running.remove(&index);
            self.unhappy += usize::from(unhappy);
            self.message();
            self.bar.inc(1);
        }
    }

    /// The run is over: the line goes away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn message(&self) {
        let mut parts = Vec::new();
        if self.unhappy > 0 {
            parts.push(format!("{} not passed", self.unhappy));
        }
        parts.extend(self.running.values().take(MOST_NAMES).cloned());
        if self.running.len() > MOST_NAMES {
            parts.push(format!("and {} more", self.running.len() - MOST_NAMES));
        }
        self.bar.set_message(parts.join(", "));
    }
}
