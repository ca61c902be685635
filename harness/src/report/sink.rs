//! What every report is told.

use std::io;

use crate::HostFacts;
use crate::case::Case;
use crate::plan::Plan;
use crate::run::{CaseResult, Summary};

/// Something that is told about a run as it goes on, and writes about it.
pub trait Report {
    /// The run begins.
    ///
    /// # Errors
    /// When it cannot be written.
    fn begin(&mut self, plan: &Plan) -> io::Result<()> {
        let _ = plan;
        Ok(())
    }

    /// The case at `index` of the plan has ended.
    ///
    /// # Errors
    /// When it cannot be written.
    fn ended(&mut self, index: usize, case: &Case, result: &CaseResult) -> io::Result<()>;

    /// The run is over.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(&mut self, host: &HostFacts, summary: &Summary) -> io::Result<()>;
}
