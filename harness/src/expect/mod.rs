//! Expectations and the judge: from a case and what happened to a verdict.

mod diff;
mod judge;
mod stream;
pub mod text;

pub use diff::line_diff;
pub use judge::{Failure, Verdict, VerdictStatus, judge};
