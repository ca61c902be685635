//! Why a case did not pass, for people.

use std::fmt::{self, Write as _};

use super::style::Palette;
use crate::case::Case;
use crate::expect::text::{neutral, seconds, size, visible};
use crate::outcome::{Captured, Outcome, State};
use crate::run::{CaseResult, Status};

/// Lines of captured output that are shown of a case that did not pass.
const TAIL_LINES: usize = 20;
/// Bytes of captured output that are shown of a case that did not pass.
const TAIL_BYTES: usize = 8 * 1024;

/// The lines below a case: reasons, diffs, output, evidence. Nothing in them acts on
/// a terminal but our own colours.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a> {
    /// The case.
    pub case: &'a Case,
    /// What became of it.
    pub result: &'a CaseResult,
    /// The colours.
    pub palette: Palette,
    /// Whether the output of the script is shown in full, also of a case that passed.
    pub whole_output: bool,
    /// Whether what was measured and proved is shown.
    pub evidence: bool,
}

impl<'a> Details<'a> {
    /// What is told of a case that did not pass, without colours.
    pub fn plain(case: &'a Case, result: &'a CaseResult) -> Self {
        Self { case, result, palette: Palette::default(), whole_output: false, evidence: false }
    }
}

/// Why a case did not pass, in one line.
pub fn first_line(result: &CaseResult) -> String {
    let text = match (result.failures.first(), &result.reason) {
        (Some(failure), _) => format!("{}: {}", failure.expectation, failure.message),
        (None, Some(reason)) => match &result.remedy {
            Some(remedy) => format!("{reason}; {remedy}"),
            None => reason.clone(),
        },
        (None, None) => String::new(),
    };
    neutral(&text).replace('\n', " ")
}

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { result, palette, .. } = self;
        let unhappy = matches!(result.status, Status::Failed | Status::Error);
        if result.status == Status::Error {
            if let Some(reason) = &result.reason {
                block(f, &neutral(reason))?;
            }
            if let Some(remedy) = &result.remedy {
                block(f, &format!("to mend it: {}", neutral(remedy)))?;
            }
        }
        for failure in &result.failures {
            let bad = palette.bad;
            block(
                f,
                &format!("{bad}{}{bad:#}: {}", failure.expectation, neutral(&failure.message)),
            )?;
            if let Some(diff) = &failure.diff {
                self.diff(f, diff)?;
            }
        }
        if let Some(outcome) = &result.outcome {
            for (name, captured) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
                let has_diff =
                    result.failures.iter().any(|x| x.expectation == name && x.diff.is_some());
                if self.whole_output || (unhappy && !has_diff) {
                    self.output(f, name, captured)?;
                }
            }
            if self.evidence {
                self.observed(f, outcome)?;
            }
        }
        Ok(())
    }
}

impl Details<'_> {
    /// A diff is made of escaped text already.
    fn diff(&self, f: &mut fmt::Formatter<'_>, diff: &str) -> fmt::Result {
        for line in diff.lines() {
            let style = match line.as_bytes().first() {
                Some(b'-') => self.palette.removed,
                Some(b'+') => self.palette.added,
                Some(b' ') => anstyle::Style::new(),
                _ => self.palette.dim,
            };
            writeln!(f, "  {style}{line}{style:#}")?;
        }
        Ok(())
    }

    fn output(&self, f: &mut fmt::Formatter<'_>, name: &str, captured: &Captured) -> fmt::Result {
        if captured.total == 0 {
            return Ok(());
        }
        let shown = if self.whole_output { &captured.bytes[..] } else { tail(&captured.bytes) };
        let dim = self.palette.dim;
        let mut title = name.to_owned();
        let kept = size(captured.bytes.len() as u64);
        let total = size(captured.total);
        match (shown.len() < captured.bytes.len(), captured.truncated()) {
            (false, false) => {}
            (true, false) => {
                write!(title, ", the last {} of {total}", size(shown.len() as u64))?;
            }
            (false, true) => write!(title, ", the first {kept} of {total}")?,
            (true, true) => write!(title, ", the end of the first {kept} of {total}")?,
        }
        writeln!(f, "{dim}{title}:{dim:#}")?;
        let text = visible(shown);
        for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
            writeln!(f, "{dim}|{dim:#} {line}")?;
        }
        Ok(())
    }

    fn observed(&self, f: &mut fmt::Formatter<'_>, outcome: &Outcome) -> fmt::Result {
        let dim = self.palette.dim;
        let rootfs = &outcome.rootfs;
        write!(f, "{dim}rootfs {}", neutral(&rootfs.used))?;
        if rootfs.used != rootfs.asked {
            write!(f, " (asked: {})", neutral(&rootfs.asked))?;
        }
        if let Some(peak) = outcome.memory_peak {
            write!(f, ", memory {}", size(peak))?;
            if let Some(limit) = outcome.memory_limit {
                write!(f, " of {}", size(limit))?;
            }
        }
        if let Some(processes) = outcome.processes_peak {
            write!(f, ", processes {processes}")?;
        }
        if let Some(cpu) = outcome.cpu {
            write!(f, ", cpu {}", seconds(cpu))?;
        }
        writeln!(f, "{dim:#}")?;
        for evidence in &outcome.evidence {
            let unjudged = self.case.expect.unjudged.contains(&evidence.property);
            let (style, state) = match evidence.state {
                State::Held => (self.palette.good, "held"),
                State::Broken if unjudged => (self.palette.skip, "broken"),
                State::Broken => (self.palette.bad, "broken"),
                State::NotAsked => (self.palette.dim, "not asked"),
            };
            let property = evidence.property.name();
            let observed = neutral(&evidence.observed);
            let note = if unjudged { " (not judged)" } else { "" };
            writeln!(f, "{style}{state:9}{style:#} {property:17} {observed}{note}")?;
        }
        Ok(())
    }
}

/// Text of ours, which may have several lines.
fn block(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for line in text.lines() {
        writeln!(f, "{line}")?;
    }
    Ok(())
}

/// The end of `bytes`, from the start of a line if that is not too far back.
fn tail(bytes: &[u8]) -> &[u8] {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let by_lines = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, b)| **b == b'\n')
        .nth(TAIL_LINES - 1)
        .map_or(0, |(at, _)| at + 1);
    &bytes[by_lines.max(bytes.len().saturating_sub(TAIL_BYTES))..]
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn the_tail_starts_at_a_line() {
        let lines: Vec<_> = (1..=25).map(|n| n.to_string()).collect();
        let text = lines.join("\n") + "\n";
        let shown = std::str::from_utf8(tail(text.as_bytes())).unwrap();
        assert_eq!(shown.lines().count(), 20);
        assert!(shown.starts_with("6\n"), "{shown}");
        assert_eq!(tail(b"a\nb"), b"a\nb");
        assert_eq!(tail(b""), b"");
        assert_eq!(tail(&vec![b'x'; 100_000]).len(), 8 * 1024);
    }
}
