//! `belljar doctor`: what this host offers and lacks.

use std::io::{self, BufWriter, Write};

use super::args::Global;
use super::exit::Exit;
use super::output::{UntilClosed, say_error};
use crate::doctor::{Report, State, examine};

/// Say what this host offers and lacks for sandboxes, and what mends it
///
/// Everything is tried rather than read off a version, at last by running a sandbox.
/// Exits with 1 if a case could not run here.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Write one JSON document instead
    #[arg(long)]
    json: bool,
}

/// Does `belljar doctor`.
pub(crate) fn execute(args: &DoctorArgs, global: &Global) -> Exit {
    let report = examine(global.store.as_deref());
    let mut out = BufWriter::new(UntilClosed::new(io::stdout()));
    let color = !args.json && global.color.on(&io::stdout());
    let written = if args.json { json(&report, &mut out) } else { text(&report, color, &mut out) };
    if let Err(error) = written.and_then(|()| out.flush()) {
        say_error(format_args!("cannot write what was found: {error}"));
        return Exit::USAGE;
    }
    if report.runs { Exit::SUCCESS } else { Exit::FAILED }
}

fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

fn text(report: &Report, color: bool, out: &mut impl Write) -> io::Result<()> {
    let paint = |code: &str, text: &str| {
        if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let width = report.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    for check in &report.checks {
        let state = match check.state {
            State::Ok => paint("32", "ok   "),
            State::Lack if check.blocks => paint("31;1", "lack "),
            State::Lack => paint("33", "lack "),
            State::Unknown => paint("2", "?    "),
        };
        writeln!(out, "{state} {:width$}  {}", check.name, check.found)?;
        for (label, text) in [("so:  ", &check.consequence), ("mend:", &check.remedy)] {
            if let Some(text) = text {
                writeln!(out, "      {:width$}  {label} {text}", "")?;
            }
        }
    }
    if let Some(trial) = &report.trial {
        writeln!(out, "\nproved of a sandbox on `{}`:", trial.rootfs)?;
        for one in &trial.evidence {
            let state = match one.state {
                crate::harness::State::Held => paint("32", "held     "),
                crate::harness::State::Broken => paint("31;1", "broken   "),
                crate::harness::State::NotAsked => paint("2", "not asked"),
            };
            writeln!(out, "  {state}  {:18}  {}", one.property.name(), one.observed)?;
        }
    }
    let lacks = report.checks.iter().filter(|check| check.state == State::Lack).count();
    let verdict = match (report.runs, lacks) {
        (true, 0) => "cases can run here, and nothing is lacking".to_owned(),
        (true, n) => format!("cases can run here; lacking: {n}, see above"),
        (false, _) => "cases cannot run here: mend what is lacking above, from the top".to_owned(),
    };
    writeln!(out, "\n{verdict}")
}
