//! How a caller wants a root filesystem to be had.

use std::fmt;

use belljar_harness::Cancel;

/// Shows how far a long step has come.
pub trait Progress: Sync {
    /// A step begins: what it does, and its size in bytes if that is known.
    fn start(&self, what: &str, total: Option<u64>);
    /// So many bytes more are done.
    fn advance(&self, bytes: u64);
    /// The step has ended, well or not.
    fn finish(&self);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
}

/// How a caller wants a root filesystem to be had.
#[derive(Clone, Copy)]
pub struct ResolveOptions<'a> {
    /// Never use the network.
    pub offline: bool,
    /// Where progress is shown; [`Silent`] where nobody watches.
    pub progress: &'a dyn Progress,
    /// Where a choice made on the user's behalf is said, one line at a time.
    pub notice: &'a (dyn Fn(&str) + Sync),
    /// Stops a download or an import.
    pub cancel: &'a Cancel,
}

impl fmt::Debug for ResolveOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolveOptions").field("offline", &self.offline).finish_non_exhaustive()
    }
}

/// Ends the step when dropped, so that every way out of it does.
pub(super) struct Step<'a>(&'a dyn Progress);

impl<'a> Step<'a> {
    pub(super) fn start(progress: &'a dyn Progress, what: &str, total: Option<u64>) -> Self {
        progress.start(what, total);
        Self(progress)
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}
