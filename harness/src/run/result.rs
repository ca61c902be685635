//! What became of each case, and of all of them.

use std::time::Duration;

use serde::Serialize;

use crate::expect::Failure;
use crate::outcome::Outcome;

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It ran, and every expectation held.
    Passed,
    /// It ran and an expectation did not hold, or its skip was denied.
    Failed,
    /// It did not run.
    Skipped,
    /// Its sandbox could not be set up, or the run was interrupted meanwhile.
    Error,
}

/// What became of one case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// What became of it.
    pub status: Status,
    /// Why it was skipped, or why it could not be set up.
    pub reason: Option<String>,
    /// What to do about an error, if that is known.
    pub remedy: Option<String>,
    /// Whether the end of the run, not the case or the host, is why it has no verdict.
    pub cut_off: bool,
    /// What did not hold.
    pub failures: Vec<Failure>,
    /// What was observed, if it ran.
    pub outcome: Option<Outcome>,
}

impl CaseResult {
    /// A result without an outcome.
    pub(super) fn without_run(status: Status, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: Some(reason.into()),
            remedy: None,
            cut_off: false,
            failures: Vec::new(),
            outcome: None,
        }
    }
}

/// The counts of a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that did not run, for whatever reason.
    pub skipped: usize,
    /// Cases without a sandbox.
    pub errors: usize,
    /// Of `errors`, those that were running when the run was interrupted.
    pub stopped: usize,
    /// Of `skipped`, those that never started because the run ended before.
    pub not_run: usize,
    /// Whether somebody asked the run to stop.
    pub interrupted: bool,
    /// Wall clock of the run.
    pub duration: Duration,
}

impl Summary {
    /// Counts one result.
    pub fn count(&mut self, result: &CaseResult) {
        match result.status {
            Status::Passed => self.passed += 1,
            Status::Failed => self.failed += 1,
            Status::Skipped => {
                self.skipped += 1;
                self.not_run += usize::from(result.cut_off);
            }
            Status::Error => {
                self.errors += 1;
                self.stopped += usize::from(result.cut_off);
            }
        }
    }
}
