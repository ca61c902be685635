//! The report for a person.

use std::fmt;
use std::io::{self, Write};

use super::Report;
use super::details::Details;
use super::style::Palette;
use crate::HostFacts;
use crate::case::Case;
use crate::expect::text::neutral;
use crate::plan::Plan;
use crate::run::{CaseResult, Status, Summary};

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only what did not pass, and the counts.
    Quiet,
    /// A line per case.
    #[default]
    Normal,
    /// And what was measured and proved of each.
    Verbose,
}

/// How a [`Pretty`] report looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrettyOptions {
    /// Whether there are colours.
    pub color: bool,
    /// How much is said.
    pub verbosity: Verbosity,
    /// Whether the output of every script is shown, in full.
    pub no_capture: bool,
}

type Rerun = Box<dyn Fn(&Case) -> String>;

/// Writes a line per case as it ends, with reasons, differences, output and the
/// command that reruns it below those that did not pass; then the counts.
pub struct Pretty<W> {
    out: W,
    options: PrettyOptions,
    palette: Palette,
    rerun: Rerun,
    width: usize,
    selected: usize,
    unhappy: Vec<(Status, String)>,
}

/// Columns that the names get at most.
const MOST_COLUMNS: usize = 60;

impl<W: Write> Pretty<W> {
    /// A report to `out`; `rerun` gives the command that reruns a case.
    pub fn new(out: W, options: PrettyOptions, rerun: impl Fn(&Case) -> String + 'static) -> Self {
        Self {
            out,
            options,
            palette: Palette::new(options.color),
            rerun: Box::new(rerun),
            width: 0,
            selected: 0,
            unhappy: Vec::new(),
        }
    }

    fn line(&mut self, case: &Case, result: &CaseResult) -> io::Result<()> {
        let (style, word) =
            if result.cut_off { (self.palette.skip, "stop") } else { self.word(result.status) };
        let dim = self.palette.dim;
        write!(self.out, "{style}{word:5}{style:#} ")?;
        match (&result.outcome, &result.reason) {
            (Some(outcome), _) => {
                let time = column_seconds(outcome.duration);
                let width = self.width;
                writeln!(self.out, "{:width$}  {dim}{time:>8}{dim:#}", case.name)
            }
            (None, Some(reason)) if result.status == Status::Skipped || result.cut_off => {
                let width = self.width;
                let reason = neutral(reason).replace('\n', " ");
                writeln!(self.out, "{:width$}  {dim}{reason}{dim:#}", case.name)
            }
            _ => writeln!(self.out, "{}", case.name),
        }
    }

    fn word(&self, status: Status) -> (anstyle::Style, &'static str) {
        match status {
            Status::Passed => (self.palette.good, "pass"),
            Status::Failed => (self.palette.bad, "FAIL"),
            Status::Skipped => (self.palette.skip, "skip"),
            Status::Error => (self.palette.bad, "ERROR"),
        }
    }
}

impl<W: Write> Report for Pretty<W> {
    fn begin(&mut self, plan: &Plan) -> io::Result<()> {
        let longest = plan.cases.iter().map(|p| p.case.name.chars().count()).max();
        self.width = longest.unwrap_or(0).min(MOST_COLUMNS);
        self.selected = plan.cases.len();
        Ok(())
    }

    fn ended(&mut self, _index: usize, case: &Case, result: &CaseResult) -> io::Result<()> {
        // What never started is counted at the end, not listed.
        if result.cut_off && result.status == Status::Skipped {
            return Ok(());
        }
        let unhappy = matches!(result.status, Status::Failed | Status::Error) && !result.cut_off;
        if self.options.verbosity > Verbosity::Quiet || unhappy || self.options.no_capture {
            self.line(case, result)?;
            let details = Details {
                case,
                result,
                palette: self.palette,
                whole_output: self.options.no_capture,
                evidence: self.options.verbosity == Verbosity::Verbose,
            };
            let details = if result.cut_off { String::new() } else { details.to_string() };
            for line in details.lines() {
                writeln!(self.out, "      {line}")?;
            }
        }
        if unhappy {
            let dim = self.palette.dim;
            writeln!(self.out, "      {dim}rerun:{dim:#} {}", (self.rerun)(case))?;
            self.unhappy.push((result.status, case.name.clone()));
        }
        self.out.flush()
    }

    fn finish(&mut self, _host: &HostFacts, summary: &Summary) -> io::Result<()> {
        if self.options.verbosity > Verbosity::Quiet {
            writeln!(self.out)?;
        }
        // Said once more where they would have to be looked for.
        if !self.unhappy.is_empty() && self.selected > 1 {
            for (status, name) in std::mem::take(&mut self.unhappy) {
                let (style, word) = self.word(status);
                writeln!(self.out, "{style}{word:5}{style:#} {name}")?;
            }
            writeln!(self.out)?;
        }
        let Palette { good, bad, skip, dim, .. } = self.palette;
        let plain = anstyle::Style::new();
        let unless_none = |count: usize, style| if count == 0 { plain } else { style };
        write!(self.out, "{good}{} passed{good:#}", summary.passed)?;
        let bad_if = unless_none(summary.failed, bad);
        write!(self.out, ", {bad_if}{} failed{bad_if:#}", summary.failed)?;
        let skipped = summary.skipped - summary.not_run;
        let skip_if = unless_none(skipped, skip);
        write!(self.out, ", {skip_if}{skipped} skipped{skip_if:#}")?;
        let errors = summary.errors - summary.stopped;
        let bad_if = unless_none(errors, bad);
        let noun = if errors == 1 { "error" } else { "errors" };
        write!(self.out, ", {bad_if}{errors} {noun}{bad_if:#}")?;
        if summary.stopped > 0 {
            write!(self.out, ", {skip}{} stopped{skip:#}", summary.stopped)?;
        }
        if summary.not_run > 0 {
            write!(self.out, ", {skip}{} not run{skip:#}", summary.not_run)?;
        }
        if summary.interrupted {
            write!(self.out, ", {bad}interrupted{bad:#}")?;
        }
        writeln!(self.out, " {dim}in {}{dim:#}", column_seconds(summary.duration))?;
        self.out.flush()
    }
}

/// Always three decimals, so that a column of them lines up.
fn column_seconds(duration: std::time::Duration) -> String {
    format!("{}.{:03}s", duration.as_secs(), duration.subsec_millis())
}

impl<W> fmt::Debug for Pretty<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pretty").field("options", &self.options).finish_non_exhaustive()
    }
}
