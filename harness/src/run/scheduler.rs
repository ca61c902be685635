//! The scheduler: threads that take one case after the other from the plan.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use super::result::{CaseResult, Status, Summary};
use crate::case::Case;
use crate::expect::{Failure, VerdictStatus, judge};
use crate::plan::{Decision, Plan, Planned};
use crate::runner::SetupError;
use crate::{Cancel, Runner};

/// How a plan is worked off.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// How many cases run at a time.
    pub jobs: NonZeroUsize,
    /// Whether no case starts after one that did not pass.
    pub fail_fast: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { jobs: default_jobs(), fail_fast: false }
    }
}

/// As many jobs as this process may use processors.
pub fn default_jobs() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Something that happens during a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// A case starts. Cases are taken in the order of the plan.
    Started {
        /// Its place in the plan.
        index: usize,
        /// The case.
        case: &'a Case,
    },
    /// A case has ended. Cases end in any order, each exactly once, also those
    /// that never started.
    Ended {
        /// Its place in the plan.
        index: usize,
        /// The case.
        case: &'a Case,
        /// What became of it.
        result: &'a CaseResult,
    },
}

enum Message {
    Started(usize),
    Ended(usize, Box<CaseResult>),
}

/// Works `plan` off and tells `on_event`, in the calling thread, what happens.
///
/// When `cancel` is raised no further case starts, and those that run are stopped by
/// the runner. A runner that panics costs its case an error, not the run.
pub fn run(
    plan: &Plan,
    runner: &dyn Runner,
    options: RunOptions,
    cancel: &Cancel,
    mut on_event: impl FnMut(Event<'_>),
) -> Summary {
    let start = Instant::now();
    let mut summary = Summary::default();
    let jobs = options.jobs.get().min(plan.cases.len()).max(1);
    // Bounded, so that results with all their output do not pile up behind a slow report.
    let (sender, receiver) = sync_channel(2 * jobs);
    let queue = Queue { plan, next: AtomicUsize::new(0), stop: AtomicBool::new(false) };

    std::thread::scope(|scope| {
        // Moved in, so that the workers come to an end if `on_event` panics.
        let receiver = receiver;
        for _ in 0..jobs {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || queue.work(runner, options, cancel, &sender));
        }
        drop(sender);
        for message in receiver {
            match message {
                Message::Started(index) => {
                    on_event(Event::Started { index, case: &plan.cases[index].case });
                }
                Message::Ended(index, result) => {
                    summary.count(&result);
                    let case = &plan.cases[index].case;
                    on_event(Event::Ended { index, case, result: &result });
                }
            }
        }
    });

    summary.interrupted = cancel.is_raised();
    summary.duration = start.elapsed();
    summary
}

/// Runs one planned case and judges it; see [`run`].
pub fn run_case(planned: &Planned, runner: &dyn Runner, cancel: &Cancel) -> CaseResult {
    match &planned.decision {
        Decision::Run => {}
        Decision::SkippedByAuthor(reason) | Decision::SkippedByHost(reason) => {
            return CaseResult::without_run(Status::Skipped, reason.clone());
        }
        Decision::SkipDenied(reason) => {
            let message = format!("{reason} (it would be skipped, but skips are denied)");
            return CaseResult {
                failures: vec![Failure::new("host", message)],
                ..CaseResult::without_run(Status::Failed, reason.clone())
            };
        }
        Decision::Unenforceable(lack) => {
            return CaseResult {
                remedy: Some(lack.remedy.clone()),
                ..CaseResult::without_run(Status::Error, lack.what.clone())
            };
        }
    }
    let case = &planned.case;
    let judged = catch_unwind(AssertUnwindSafe(|| {
        runner.run(&case.spec, cancel).map(|outcome| (judge(case, &outcome), outcome))
    }));
    match judged {
        Ok(Ok((verdict, outcome))) => CaseResult {
            status: match verdict.status {
                VerdictStatus::Passed => Status::Passed,
                VerdictStatus::Failed => Status::Failed,
            },
            reason: None,
            remedy: None,
            cut_off: false,
            failures: verdict.failures,
            outcome: Some(outcome),
        },
        Ok(Err(SetupError { interrupted: true, .. })) => {
            CaseResult { cut_off: true, ..CaseResult::without_run(Status::Error, "interrupted") }
        }
        Ok(Err(error)) => CaseResult {
            remedy: error.remedy,
            ..CaseResult::without_run(Status::Error, error.message)
        },
        Err(panic) => CaseResult {
            remedy: Some("this is a bug in belljar: please report it".to_owned()),
            ..CaseResult::without_run(Status::Error, format!("belljar panicked: {}", said(&*panic)))
        },
    }
}

struct Queue<'a> {
    plan: &'a Plan,
    next: AtomicUsize,
    stop: AtomicBool,
}

impl Queue<'_> {
    /// Takes cases until there are none left. Nobody listens any more when a message
    /// cannot be sent, so that is the end too.
    fn work(
        &self,
        runner: &dyn Runner,
        options: RunOptions,
        cancel: &Cancel,
        sender: &SyncSender<Message>,
    ) {
        loop {
            let index = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(planned) = self.plan.cases.get(index) else { return };
            let result = if cancel.is_raised() {
                cut_off("not run: interrupted")
            } else if self.stop.load(Ordering::SeqCst) {
                cut_off("not run: an earlier case did not pass")
            } else {
                if planned.decision == Decision::Run
                    && sender.send(Message::Started(index)).is_err()
                {
                    return;
                }
                run_case(planned, runner, cancel)
            };
            if options.fail_fast && matches!(result.status, Status::Failed | Status::Error) {
                self.stop.store(true, Ordering::SeqCst);
            }
            if sender.send(Message::Ended(index, Box::new(result))).is_err() {
                return;
            }
        }
    }
}

fn cut_off(reason: &str) -> CaseResult {
    CaseResult { cut_off: true, ..CaseResult::without_run(Status::Skipped, reason) }
}

/// What a panic said; nearly always a string.
fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}
