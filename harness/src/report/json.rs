//! The whole run in one JSON document.

use std::io::{self, Write};

use serde::Serialize;

use super::{Record, Report};
use crate::case::Case;
use crate::run::{CaseResult, Summary};
use crate::{CgroupLayout, HostFacts};

/// Collects every case and writes the document at the end, the cases in the order
/// of the plan however they ended.
#[derive(Debug)]
pub struct JsonDocument<W> {
    out: W,
    cases: Vec<(usize, Record)>,
}

impl<W: Write> JsonDocument<W> {
    /// A document to `out`.
    pub fn new(out: W) -> Self {
        Self { out, cases: Vec::new() }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    belljar: &'a str,
    host: Host<'a>,
    summary: Counts,
    cases: Vec<&'a Record>,
}

#[derive(Serialize)]
struct Host<'a> {
    kernel: &'a str,
    cgroup: CgroupLayout,
    rootless: bool,
}

#[derive(Serialize)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    errors: usize,
    duration: f64,
}

impl<W: Write> Report for JsonDocument<W> {
    fn ended(&mut self, index: usize, case: &Case, result: &CaseResult) -> io::Result<()> {
        self.cases.push((index, Record::new(case, result)));
        Ok(())
    }

    fn finish(&mut self, host: &HostFacts, summary: &Summary) -> io::Result<()> {
        self.cases.sort_by_key(|(index, _)| *index);
        let document = Document {
            schema: 1,
            // Both packages carry the same version, always.
            belljar: env!("CARGO_PKG_VERSION"),
            host: Host { kernel: &host.kernel, cgroup: host.cgroup, rootless: host.rootless },
            summary: Counts {
                passed: summary.passed,
                failed: summary.failed,
                skipped: summary.skipped,
                errors: summary.errors,
                duration: summary.duration.as_secs_f64(),
            },
            cases: self.cases.iter().map(|(_, record)| record).collect(),
        };
        serde_json::to_writer_pretty(&mut self.out, &document)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}
