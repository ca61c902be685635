//! One JSON object per case and line, as the cases end.

use std::io::{self, Write};

use super::{Record, Report};
use crate::HostFacts;
use crate::case::Case;
use crate::run::{CaseResult, Summary};

/// Writes a [`Record`] per line, and flushes after each.
#[derive(Debug)]
pub struct Jsonl<W>(W);

impl<W: Write> Jsonl<W> {
    /// A report to `out`.
    pub fn new(out: W) -> Self {
        Self(out)
    }
}

impl<W: Write> Report for Jsonl<W> {
    fn ended(&mut self, _index: usize, case: &Case, result: &CaseResult) -> io::Result<()> {
        // One write per line: readers of a pipe never see half of one.
        let mut line = serde_json::to_vec(&Record::new(case, result))?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.flush()
    }

    fn finish(&mut self, _host: &HostFacts, _summary: &Summary) -> io::Result<()> {
        self.0.flush()
    }
}
