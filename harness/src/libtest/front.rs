//! The main function of a test binary.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};

use super::env::EnvOptions;
use crate::case::{self, Case, CaseError};
use crate::plan::{PlanOptions, depends_on_host, plan};
use crate::report::{Details, first_line};
use crate::run::{CaseResult, Notices, Status, run_case};
use crate::runner::SetupError;
use crate::{Cancel, Runner};

/// What a test binary that could not even begin exits with, as libtest does.
const FAILED: u8 = 101;

/// A runner as test threads share it, or why there is none.
type Made = Result<Box<dyn Runner + Send>, SetupError>;

/// The whole main function of a test binary: every case under `root` is a test.
///
/// `root` is taken from the working directory, which is the package's folder under
/// `cargo test` and `cargo nextest` alike. Arguments are those of libtest, options
/// come from [`EnvOptions`], and `RUST_TEST_THREADS` counts as it does for libtest.
///
/// `runner` is called once at most, when the first case runs; when cases are merely
/// listed, only if what the host lacks decides which of them are ignored. What is
/// said to the [`Notices`] goes to standard error. When `cancel` is raised, what runs
/// is stopped, and what did not start fails.
pub fn main(
    root: &Path,
    cancel: &Cancel,
    runner: impl Fn(&Notices) -> Result<Box<dyn Runner + Send>, SetupError> + Send + Sync + 'static,
) -> ExitCode {
    let mut args = Arguments::from_args();
    let options = EnvOptions::read(|name| std::env::var_os(name), Path::new(""));
    let front = options.map_err(|error| error.to_string()).and_then(|options| {
        set_threads(&mut args, std::env::var_os("RUST_TEST_THREADS"))?;
        Ok(Front::new(root, &args, options, cancel, runner))
    });
    match front.and_then(|front| front.run(&args)) {
        Ok(conclusion) => conclusion.exit_code(),
        Err(message) => {
            say(&format!("Error: {message}"));
            ExitCode::from(FAILED)
        }
    }
}

/// libtest-mimic knows the flag only, and waits forever for zero threads.
pub(super) fn set_threads(args: &mut Arguments, var: Option<OsString>) -> Result<(), String> {
    if args.test_threads.is_none() {
        if let Some(text) = var {
            let threads = text.to_str().and_then(|text| text.parse().ok()).filter(|n| *n > 0);
            args.test_threads = Some(threads.ok_or_else(|| {
                format!(
                    "the environment variable RUST_TEST_THREADS is `{}`, but should be a number \
                     above zero",
                    text.to_string_lossy()
                )
            })?);
        }
    }
    if args.test_threads == Some(0) {
        return Err("--test-threads should be a number above zero".to_owned());
    }
    Ok(())
}

/// What all trials share.
struct Shared {
    options: EnvOptions,
    /// How a case that runs is planned; which are ignored is up to `options`.
    plan: PlanOptions,
    cancel: Cancel,
    notices: Notices,
    make: Box<dyn Fn(&Notices) -> Made + Send + Sync>,
    made: OnceLock<Made>,
    /// Whether one test was asked for by its exact name, as nextest does.
    exact: bool,
}

impl Shared {
    fn runner(&self) -> Result<&dyn Runner, &SetupError> {
        match self.made.get_or_init(|| (self.make)(&self.notices)) {
            Ok(runner) => Ok(&**runner),
            Err(error) => Err(error),
        }
    }
}

pub(super) struct Front {
    root: PathBuf,
    shared: Arc<Shared>,
}

impl Front {
    pub(super) fn new(
        root: &Path,
        args: &Arguments,
        options: EnvOptions,
        cancel: &Cancel,
        make: impl Fn(&Notices) -> Made + Send + Sync + 'static,
    ) -> Self {
        let mut plan = options.plan.clone();
        if args.ignored || args.include_ignored {
            // Whoever asks for ignored tests wants to see why they do not run.
            plan.memory_none = false;
        }
        Self {
            root: root.to_owned(),
            shared: Arc::new(Shared {
                options,
                plan,
                cancel: cancel.clone(),
                notices: Notices::new(|line| say(&format!("note: {line}"))),
                make: Box::new(make),
                made: OnceLock::new(),
                exact: args.exact && args.filter.is_some(),
            }),
        }
    }

    pub(super) fn run(self, args: &Arguments) -> Result<Conclusion, String> {
        let trials = self.trials(args)?;
        Ok(libtest_mimic::run(args, trials))
    }

    /// The trials that `args` can mean.
    pub(super) fn trials(&self, args: &Arguments) -> Result<Vec<Trial>, String> {
        let overrides = &self.shared.options.overrides;
        let wanted = args.filter.as_ref().filter(|_| args.exact && !args.list);
        if let Some(name) = wanted {
            let found = case::find(&self.root, name, overrides);
            return Ok(found.map(|found| self.trial(name, found, args)).into_iter().collect());
        }
        let listed = case::list_for(&self.root, overrides).map_err(|error| error.to_string())?;
        let mut seen = BTreeMap::new();
        for listed in listed {
            seen.entry(listed.name.clone()).or_insert_with(Vec::new).push(listed);
        }
        // libtest-mimic would run both of one name, and nextest would take them for one.
        Ok(seen
            .into_iter()
            .map(|(name, same)| match same.as_slice() {
                [one] => self.trial(&name, one.load(overrides), args),
                several => {
                    let files: Vec<_> =
                        several.iter().map(|l| l.file.display().to_string()).collect();
                    let message =
                        format!("several files make the case `{name}`: {}", files.join(", "));
                    failing(&name, message, self.shared.exact)
                }
            })
            .collect())
    }

    fn trial(&self, name: &str, found: Result<Case, CaseError>, args: &Arguments) -> Trial {
        let mut case = match found {
            Ok(case) => case,
            Err(error) => return failing(name, error.to_string(), self.shared.exact),
        };
        let ignored = case.skip.is_some() || self.ignored_for_host(&case);
        if args.ignored || args.include_ignored {
            case.skip = None;
        }
        let shared = Arc::clone(&self.shared);
        let body = move || run_trial(case, &shared);
        Trial::ignorable_test(name, body).with_ignored_flag(ignored)
    }

    /// Whether the host lacks what this case needs, which has to be known beforehand:
    /// nextest takes a test that skips itself for one that passed.
    fn ignored_for_host(&self, case: &Case) -> bool {
        let options = &self.shared.options.plan;
        if options.deny_skips || !depends_on_host(case, options) {
            return false;
        }
        // Without a runner the case is no skip: it fails when it runs, and says why.
        self.shared.runner().is_ok_and(|runner| runner.host().no_memory.is_some())
    }
}

fn failing(name: &str, message: String, exact: bool) -> Trial {
    Trial::test(name, move || {
        if exact {
            announce(&message);
        }
        Err(Failed::from(message))
    })
}

fn run_trial(case: Case, shared: &Shared) -> Result<Completion, Failed> {
    if shared.cancel.is_raised() {
        return Err(Failed::from("interrupted"));
    }
    let runner = match shared.runner() {
        Ok(runner) => runner,
        Err(error) => {
            let message = match &error.remedy {
                Some(remedy) => format!("{error}\nto mend it: {remedy}"),
                None => error.to_string(),
            };
            if shared.exact {
                announce(&message);
            }
            return Err(Failed::from(message));
        }
    };
    let plan = plan(vec![case], runner.host(), &shared.plan);
    for notice in &plan.notices {
        shared.notices.say(notice);
    }
    let planned = &plan.cases[0];
    let result = run_case(planned, runner, &shared.cancel);
    match result.status {
        Status::Passed => Ok(Completion::Completed),
        Status::Skipped => Ok(Completion::Ignored { reason: result.reason }),
        Status::Failed | Status::Error => {
            if shared.exact {
                announce(&first_line(&result));
            }
            Err(Failed::from(told(&planned.case, &result)))
        }
    }
}

/// nextest makes the message of a `JUnit` report from this line.
fn announce(message: &str) {
    let line = message.lines().next().unwrap_or_default();
    say(&format!("Error: {}", line.strip_prefix("error: ").unwrap_or(line)));
}

/// Unlike `eprintln!` it does not panic when nobody listens.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn told(case: &Case, result: &CaseResult) -> String {
    let details = Details::plain(case, result).to_string();
    let file = case.file.display();
    format!("{details}case:  {file}\nrerun: {}", rerun(&case.name))
}

/// The command that runs one test of this binary again.
fn rerun(name: &str) -> String {
    let mut command = "cargo test".to_owned();
    if let Ok(package) = std::env::var("CARGO_PKG_NAME") {
        command.push_str(" -p ");
        command.push_str(&package);
    }
    if let Some(target) = std::env::current_exe().ok().as_deref().and_then(target_of) {
        command.push_str(" --test ");
        command.push_str(target);
    }
    format!("{command} -- --exact '{name}'")
}

/// The test target that cargo built this file from: its name less the hash.
pub(super) fn target_of(exe: &Path) -> Option<&str> {
    let (target, hash) = exe.file_name()?.to_str()?.rsplit_once('-')?;
    (hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(target)
}
