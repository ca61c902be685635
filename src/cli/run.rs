//! `belljar run`: runs the cases under the given paths.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::harness::case::{self, Case, Overrides, values};
use crate::harness::libtest::EnvOptions;
use crate::harness::plan::{Filter, PlanOptions, TimeoutScale, plan};
use crate::harness::report::{
    JsonDocument, Jsonl, Pretty, PrettyOptions, Report, Verbosity, list_jsonl, list_pretty,
};
use crate::harness::run::{Event, Notices, RunOptions, Status, default_jobs};
use crate::harness::spec::RootfsRef;
use crate::harness::{Cancel, run as scheduler};
use clap::{Args, ValueEnum};

use super::args::Global;
use super::exit::Exit;
use super::jar;
use super::output::{UntilClosed, say, say_error};
use super::progress::Progress;
use crate::signals::Watch;

/// Run the cases under the given paths, each in a fresh sandbox, and judge them
///
/// A case is a *.sh file that runs as it is; a folder stands for all cases beneath it.
/// Every case is checked before any runs.
#[expect(clippy::doc_markdown, reason = "the comments are the help text")]
#[derive(Args, Debug)]
#[command(after_help = "\
Exit status: 0 all passed, 1 a case failed, 2 wrong usage, an invalid case or no case,
3 a sandbox could not be set up, 130 interrupted (143 by SIGTERM).")]
pub(crate) struct RunArgs {
    /// Case files, and folders of them
    #[arg(value_name = "PATH", default_value = "test-cases")]
    paths: Vec<PathBuf>,

    /// How many cases run at a time [default: as many as there are processors]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Only cases whose name contains EXPR, or is NAME for =NAME; several mean any of them
    #[arg(long, value_name = "EXPR")]
    filter: Vec<Filter>,

    /// Only cases with this tag; several mean any of them
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,

    /// List the selected cases instead of running them
    #[arg(long)]
    list: bool,

    /// Start no case after one that did not pass
    #[arg(long)]
    fail_fast: bool,

    /// Let cases fail that would be skipped because the host lacks what they need
    /// [env: BELLJAR_REQUIRE=1]
    #[arg(long)]
    deny_skips: bool,

    /// What is written to standard output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, help_heading = "Output")]
    format: Format,

    /// Also write all results to FILE, as one JSON document
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,

    /// Show all output of every script, also of those that pass
    #[arg(long, help_heading = "Output")]
    no_capture: bool,

    /// Show only what did not pass, and the counts
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    quiet: bool,

    /// Show what was measured and proved about every run
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,

    /// Run every case on this root filesystem: auto, host, ubuntu:20.04, or a folder or
    /// archive whose path contains a `/` [env: BELLJAR_ROOTFS]
    #[arg(long, value_name = "REF", value_parser = rootfs, help_heading = "Sandbox")]
    rootfs: Option<RootfsRef>,

    /// The memory ceiling of cases that write none, such as 512M, or `none`
    /// [env: BELLJAR_MEMORY]
    #[arg(long, value_name = "SIZE", value_parser = memory, help_heading = "Sandbox")]
    memory: Option<Ceiling<u64>>,

    /// The time-out of cases that write none, such as 90s, or `none` [env: BELLJAR_TIMEOUT]
    #[arg(long, value_name = "TIME", value_parser = timeout, help_heading = "Sandbox")]
    timeout: Option<Ceiling<std::time::Duration>>,

    /// For cases from strangers: refuse before anything runs what weakens the sandbox, and
    /// every root filesystem but that of --rootfs [env: BELLJAR_SEALED=1]
    #[arg(long, help_heading = "Sandbox")]
    sealed: bool,

    /// Multiply every time-out, for slow machines [env: BELLJAR_TIMEOUT_SCALE]
    #[arg(long, value_name = "FACTOR", help_heading = "Sandbox")]
    timeout_scale: Option<TimeoutScale>,
}

/// What is written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    #[default]
    Pretty,
    /// A JSON object per case, as they end
    Jsonl,
}

/// A limit and how it was written; its own type, since clap takes an `Option` for a
/// flag that may be absent.
#[derive(Clone, Debug)]
struct Ceiling<T> {
    value: Option<T>,
    text: String,
}

fn rootfs(text: &str) -> Result<RootfsRef, String> {
    RootfsRef::parse(text, Path::new(""))
}

fn memory(text: &str) -> Result<Ceiling<u64>, String> {
    let value = values::memory(text).map_err(|refusal| refusal.to_string())?;
    Ok(Ceiling { value, text: text.to_owned() })
}

fn timeout(text: &str) -> Result<Ceiling<std::time::Duration>, String> {
    let value = values::duration(text).map_err(|refusal| refusal.to_string())?;
    Ok(Ceiling { value, text: text.to_owned() })
}

/// Does `belljar run`.
pub(crate) fn execute(args: &RunArgs, global: &Global) -> Exit {
    prepared(args, global).unwrap_or_else(|(exit, message)| {
        say_error(message);
        exit
    })
}

/// What stops a run before it begins.
type Refused = (Exit, String);

fn prepared(args: &RunArgs, global: &Global) -> Result<Exit, Refused> {
    let usage = |message: String| (Exit::USAGE, message);
    let (overrides, options) = options(args).map_err(usage)?;
    let cases = match case::load(&args.paths, &overrides) {
        Ok(cases) => cases,
        Err(errors) => {
            // Its text says `error:` by itself, for each of them.
            say(&errors);
            return Ok(Exit::USAGE);
        }
    };
    if !cases.iter().any(|case| options.selection.wants(case)) {
        return Err(usage(nothing_selected(args, &cases)));
    }
    if args.list {
        return list(args, cases.iter().filter(|case| options.selection.wants(case)));
    }
    let json = match &args.json {
        Some(path) => Some(create(path).map_err(usage)?),
        None => None,
    };
    run(args, global, cases, &options, json)
}

/// Flags first, then the environment.
fn options(args: &RunArgs) -> Result<(Overrides, PlanOptions), String> {
    let env = EnvOptions::read(|name| std::env::var_os(name), Path::new(""))
        .map_err(|error| error.to_string())?;
    let (mut overrides, mut options) = (env.overrides, env.plan);
    if let Some(rootfs) = &args.rootfs {
        overrides.rootfs = Some(rootfs.clone());
    }
    if let Some(memory) = &args.memory {
        overrides.memory = Some(memory.value);
        options.memory_none = memory.value.is_none();
    }
    if let Some(timeout) = &args.timeout {
        overrides.timeout = Some(timeout.value);
    }
    if let Some(scale) = args.timeout_scale {
        options.timeout_scale = scale;
    }
    overrides.sealed |= args.sealed;
    options.deny_skips |= args.deny_skips;
    options.selection.filters.clone_from(&args.filter);
    options.selection.tags.clone_from(&args.tag);
    Ok((overrides, options))
}

fn nothing_selected(args: &RunArgs, cases: &[Case]) -> String {
    let mut wanted: Vec<String> = args.filter.iter().map(|f| format!("--filter {f}")).collect();
    wanted.extend(args.tag.iter().map(|tag| format!("--tag {tag}")));
    let count = match cases.len() {
        1 => "the only case".to_owned(),
        n => format!("none of {n} cases"),
    };
    let verb = if cases.len() == 1 { "is not selected" } else { "is selected" };
    format!("{count} {verb} by {}; `belljar run --list` shows their names", wanted.join(" "))
}

fn list<'a>(args: &RunArgs, cases: impl Iterator<Item = &'a Case>) -> Result<Exit, Refused> {
    let out = BufWriter::new(UntilClosed::new(io::stdout()));
    let written = match args.format {
        Format::Pretty => list_pretty(cases, out),
        Format::Jsonl => list_jsonl(cases, out),
    };
    match written {
        Ok(()) => Ok(Exit::SUCCESS),
        Err(error) => Err((Exit::USAGE, format!("cannot write the list: {error}"))),
    }
}

/// Created before anything runs, so that a wrong path costs nobody a whole run.
fn create(path: &Path) -> Result<BufWriter<File>, String> {
    match File::create(path) {
        Ok(file) => Ok(BufWriter::new(file)),
        Err(error) => Err(format!("cannot write the results to {}: {error}", path.display())),
    }
}

fn run(
    args: &RunArgs,
    global: &Global,
    cases: Vec<Case>,
    options: &PlanOptions,
    json: Option<BufWriter<File>>,
) -> Result<Exit, Refused> {
    let setup = |message: String| (Exit::SETUP, message);
    let mut progress = Progress::new(!args.quiet && io::stderr().is_terminal());
    let notices = Notices::new({
        let progress = progress.clone();
        move |line| progress.beside(|| say(format_args!("note: {line}")))
    });
    let cancel = Cancel::new();
    let watch = Watch::start(cancel.clone(), {
        let progress = progress.clone();
        move || {
            let text = "interrupted: stopping what runs (once more to stop at once)";
            progress.beside(|| say(text));
        }
    })
    .map_err(|error| setup(format!("cannot watch for signals: {error}")))?;

    let runner = match (jar::runner(global, &notices, &progress), watch.received()) {
        (_, Some(signal)) => return Ok(Exit::signal(signal)),
        (runner, None) => runner.map_err(setup)?,
    };
    let plan = plan(cases, runner.host(), options);
    for notice in &plan.notices {
        notices.say(notice);
    }

    let mut reports = Reports::new(args, global, json);
    let jobs = args.jobs.unwrap_or_else(default_jobs);
    progress.begin(plan.cases.len());
    reports.tell(|report| report.begin(&plan));
    let how = RunOptions { jobs, fail_fast: args.fail_fast };
    let summary = scheduler::run(&plan, &*runner, how, &cancel, |event| match event {
        Event::Started { index, case } => progress.started(index, &case.name),
        Event::Ended { index, case, result } => {
            progress.ended(index, matches!(result.status, Status::Failed | Status::Error));
            progress.beside(|| reports.tell(|report| report.ended(index, case, result)));
        }
    });
    progress.finish();
    reports.tell(|report| report.finish(runner.host(), &summary));
    // Whatever the runner keeps for the run is gone before the exit status is known.
    drop(runner);

    let unwritten = reports.problem.map(|error| format!("cannot write the report: {error}"));
    match (watch.received(), unwritten) {
        (Some(signal), _) => Ok(Exit::signal(signal)),
        (None, Some(message)) => Err((Exit::USAGE, message)),
        (None, None) => Ok(Exit::of_run(&summary)),
    }
}

/// All reports of a run, and the first that could not be written.
struct Reports {
    reports: Vec<Box<dyn Report>>,
    problem: Option<io::Error>,
}

impl Reports {
    fn new(args: &RunArgs, global: &Global, json: Option<BufWriter<File>>) -> Self {
        let out = BufWriter::new(UntilClosed::new(io::stdout()));
        let mut reports: Vec<Box<dyn Report>> = vec![match args.format {
            Format::Jsonl => Box::new(Jsonl::new(out)),
            Format::Pretty => {
                let look = PrettyOptions {
                    color: global.color.on(&io::stdout()),
                    verbosity: match (args.quiet, args.verbose) {
                        (true, _) => Verbosity::Quiet,
                        (_, true) => Verbosity::Verbose,
                        _ => Verbosity::Normal,
                    },
                    no_capture: args.no_capture,
                };
                let prefix = rerun_prefix(args, global);
                let rerun = move |case: &Case| {
                    format!("{prefix} --filter {}", shell_word(&format!("={}", case.name)))
                };
                Box::new(Pretty::new(out, look, rerun))
            }
        }];
        if let Some(file) = json {
            reports.push(Box::new(JsonDocument::new(file)));
        }
        Self { reports, problem: None }
    }

    /// A report that cannot be written does not silence the others.
    fn tell(&mut self, mut what: impl FnMut(&mut dyn Report) -> io::Result<()>) {
        for report in &mut self.reports {
            if let Err(error) = what(&mut **report) {
                self.problem.get_or_insert(error);
            }
        }
    }
}

/// The command that runs the same cases under the same conditions: the paths as they
/// were given, since names and folder defaults depend on them.
fn rerun_prefix(args: &RunArgs, global: &Global) -> String {
    let program = std::env::args_os().next().map_or_else(|| "belljar".into(), PathBuf::from);
    let mut words = vec![program.display().to_string(), "run".to_owned()];
    words.extend(args.paths.iter().map(|path| path.display().to_string()));
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if let Some(rootfs) = &args.rootfs {
        flag("--rootfs", rootfs.to_string());
    }
    if let Some(memory) = &args.memory {
        flag("--memory", memory.text.clone());
    }
    if let Some(timeout) = &args.timeout {
        flag("--timeout", timeout.text.clone());
    }
    if let Some(scale) = args.timeout_scale {
        flag("--timeout-scale", scale.to_string());
    }
    // What the environment says it says at the next time as well.
    let from_env = std::env::var_os("BELLJAR_STORE").map(PathBuf::from);
    if let Some(store) = global.store.as_ref().filter(|store| from_env.as_ref() != Some(store)) {
        flag("--store", store.display().to_string());
    }
    if global.offline {
        words.push("--offline".to_owned());
    }
    for (given, flag) in [(args.deny_skips, "--deny-skips"), (args.sealed, "--sealed")] {
        if given {
            words.push(flag.to_owned());
        }
    }
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell (and zsh, which expands a leading `=`) reads it back.
fn shell_word(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:+,@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn words_survive_a_shell() {
        for word in ["test-cases", "=a::b", "a b", "it's", "", "$HOME", "a\nb", "é*", "a=[x]"] {
            let script = format!("printf %s {}", shell_word(word));
            let out = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), word);
        }
        assert_eq!(shell_word("memory::oom-kill"), "memory::oom-kill");
        assert_eq!(shell_word("=a"), "'=a'");
    }
}
