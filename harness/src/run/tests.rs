//! The scheduler against runners that pass, fail, panic, wait and refuse.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use super::{CaseResult, Event, RunOptions, Status, Summary, run};
use crate::case::Case;
use crate::outcome::{Ending, Outcome};
use crate::plan::{Plan, PlanOptions, plan};
use crate::runner::SetupError;
use crate::spec::{Asked, Spec};
use crate::testing::{Fake, case, host, lack, outcome};
use crate::{Cancel, HostFacts, Runner};

fn planned(cases: Vec<Case>) -> Plan {
    plan(cases, &host(), &PlanOptions::default())
}

fn numbered(count: usize) -> Plan {
    planned((0..count).map(|n| case(&format!("case-{n}"))).collect())
}

fn options(jobs: usize) -> RunOptions {
    RunOptions { jobs: NonZeroUsize::new(jobs).unwrap(), fail_fast: false }
}

/// Runs a plan and collects the results by name.
fn collect(
    plan: &Plan,
    runner: &dyn Runner,
    options: RunOptions,
    cancel: &Cancel,
) -> (BTreeMap<String, CaseResult>, Summary) {
    let mut results = BTreeMap::new();
    let summary = run(plan, runner, options, cancel, |event| {
        if let Event::Ended { case, result, index } = event {
            assert_eq!(plan.cases[index].case.name, case.name);
            assert!(results.insert(case.name.clone(), result.clone()).is_none(), "ended twice");
        }
    });
    assert_eq!(results.len(), plan.cases.len());
    (results, summary)
}

fn exits(code: i32) -> Outcome {
    Outcome { ending: Ending::Exit(code), ..outcome() }
}

#[test]
fn every_case_ends_once_and_is_counted() {
    for jobs in [1, 2, 8] {
        let runner = Fake(host(), |spec: &Spec, _: &Cancel| match spec.name.as_str() {
            "case-3" => Ok(exits(1)),
            "case-5" => Err(SetupError {
                remedy: Some("mend it".to_owned()),
                ..SetupError::new("clone3: operation not permitted")
            }),
            _ => Ok(outcome()),
        });
        let (results, summary) = collect(&numbered(50), &runner, options(jobs), &Cancel::new());
        assert_eq!((summary.passed, summary.failed, summary.errors), (48, 1, 1));
        assert_eq!((summary.skipped, summary.not_run, summary.interrupted), (0, 0, false));
        assert_eq!(results["case-3"].failures[0].expectation, "exit");
        let error = &results["case-5"];
        assert_eq!(error.status, Status::Error);
        assert_eq!(error.reason.as_deref(), Some("clone3: operation not permitted"));
        assert_eq!(error.remedy.as_deref(), Some("mend it"));
    }
}

#[test]
fn an_empty_plan_ends() {
    let runner = Fake(host(), |_: &Spec, _: &Cancel| Ok(outcome()));
    let (_, summary) = collect(&Plan::default(), &runner, options(4), &Cancel::new());
    assert_eq!(summary.passed, 0);
}

#[test]
fn one_job_keeps_the_order() {
    let plan = numbered(20);
    let runner = Fake(host(), |_: &Spec, _: &Cancel| Ok(outcome()));
    let mut seen = Vec::new();
    run(&plan, &runner, options(1), &Cancel::new(), |event| match event {
        Event::Started { index, .. } => seen.push(2 * index),
        Event::Ended { index, .. } => seen.push(2 * index + 1),
    });
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
}

#[test]
fn as_many_cases_run_at_a_time_as_there_are_jobs() {
    // Each of the four waits for the other three: fewer threads would never end.
    let barrier = Barrier::new(4);
    let running = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let runner = Fake(host(), |_: &Spec, _: &Cancel| {
        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        barrier.wait();
        running.fetch_sub(1, Ordering::SeqCst);
        Ok(outcome())
    });
    let (_, summary) = collect(&numbered(12), &runner, options(4), &Cancel::new());
    assert_eq!(summary.passed, 12);
    assert_eq!(most.into_inner(), 4);
}

#[test]
fn a_runner_that_panics_costs_its_case_only() {
    let runner = Fake(host(), |spec: &Spec, _: &Cancel| {
        assert_ne!(spec.name, "case-2", "the jar broke");
        Ok(outcome())
    });
    for jobs in [1, 3] {
        let (results, summary) = collect(&numbered(6), &runner, options(jobs), &Cancel::new());
        assert_eq!((summary.passed, summary.errors), (5, 1));
        let reason = results["case-2"].reason.as_deref().unwrap();
        assert!(reason.starts_with("belljar panicked: "), "{reason}");
        assert!(reason.contains("the jar broke"), "{reason}");
    }
}

#[test]
fn a_report_that_panics_does_not_hang_the_run() {
    let plan = numbered(100);
    let runner = Fake(host(), |_: &Spec, _: &Cancel| Ok(outcome()));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&plan, &runner, options(4), &Cancel::new(), |_| panic!("no report"));
    }));
    assert!(caught.is_err());
}

#[test]
fn a_raised_cancel_stops_what_runs_and_starts_nothing_more() {
    let cancel = Cancel::new();
    let (started, starts) = mpsc::channel();
    let started = Mutex::new(started);
    // Waits until it is told to stop, as a sandbox with `sleep infinity` does.
    let runner = Fake(host(), |_: &Spec, cancel: &Cancel| {
        let (raised, wait) = mpsc::channel();
        let raised = Mutex::new(raised);
        let guard = cancel.on_raise(move || {
            let _ = raised.lock().unwrap().send(());
        });
        started.lock().unwrap().send(()).unwrap();
        wait.recv().unwrap();
        drop(guard);
        Err(SetupError { interrupted: true, ..SetupError::new("interrupted") })
    });
    let raiser = {
        let cancel = cancel.clone();
        std::thread::spawn(move || {
            starts.recv().unwrap();
            starts.recv().unwrap();
            cancel.raise();
        })
    };
    let (results, summary) = collect(&numbered(10), &runner, options(2), &cancel);
    raiser.join().unwrap();
    assert!(summary.interrupted);
    assert_eq!((summary.stopped, summary.errors, summary.skipped, summary.not_run), (2, 2, 8, 8));
    assert_eq!(results["case-0"].reason.as_deref(), Some("interrupted"));
    assert_eq!(results["case-9"].reason.as_deref(), Some("not run: interrupted"));
    assert_eq!(results["case-9"].status, Status::Skipped);
}

#[test]
fn nothing_starts_after_a_failure_when_it_shall_not() {
    let runs = AtomicUsize::new(0);
    let runner = Fake(host(), |spec: &Spec, _: &Cancel| {
        runs.fetch_add(1, Ordering::SeqCst);
        Ok(exits(i32::from(spec.name == "case-1")))
    });
    let options = RunOptions { fail_fast: true, ..options(1) };
    let (results, summary) = collect(&numbered(10), &runner, options, &Cancel::new());
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!((summary.passed, summary.failed, summary.skipped, summary.not_run), (1, 1, 8, 8));
    assert!(!summary.interrupted);
    let reason = results["case-2"].reason.as_deref();
    assert_eq!(reason, Some("not run: an earlier case did not pass"));
}

#[test]
fn what_the_plan_decided_needs_no_runner() {
    let lacking = HostFacts { no_memory: Some(lack("no memory controller")), ..host() };
    let runner = Fake(lacking.clone(), |_: &Spec, _: &Cancel| panic!("nothing may run"));
    let mut skipped = case("skipped");
    skipped.skip = Some("not today".to_owned());
    let mut needs = case("needs");
    needs.spec.limits.memory = Asked::written(Some(64 << 20));
    let cases = vec![skipped, needs, case("plain")];

    let strict = plan(cases.clone(), &lacking, &PlanOptions::default());
    let (results, summary) = collect(&strict, &runner, options(1), &Cancel::new());
    assert_eq!((summary.skipped, summary.errors), (1, 2));
    assert_eq!(results["skipped"].reason.as_deref(), Some("not today"));
    assert!(results["plain"].remedy.as_deref().unwrap().contains("--memory none"));

    let renounced = PlanOptions { memory_none: true, ..PlanOptions::default() };
    let lenient = plan(cases[..2].to_vec(), &lacking, &renounced);
    let (_, summary) = collect(&lenient, &runner, options(1), &Cancel::new());
    assert_eq!((summary.skipped, summary.errors), (2, 0));

    let denied = PlanOptions { deny_skips: true, ..renounced };
    let denied = plan(cases[..2].to_vec(), &lacking, &denied);
    let (results, summary) = collect(&denied, &runner, options(1), &Cancel::new());
    assert_eq!((summary.skipped, summary.failed), (1, 1));
    assert_eq!(results["needs"].failures[0].expectation, "host");
}

#[test]
fn a_slow_report_does_not_let_results_pile_up() {
    let finished = Arc::new(AtomicUsize::new(0));
    let runner = {
        let finished = Arc::clone(&finished);
        Fake(host(), move |_: &Spec, _: &Cancel| {
            finished.fetch_add(1, Ordering::SeqCst);
            Ok(outcome())
        })
    };
    let plan = numbered(500);
    let mut seen = 0;
    run(&plan, &runner, options(2), &Cancel::new(), |event| {
        if matches!(event, Event::Ended { .. }) {
            seen += 1;
            // Four in the channel, one in each thread, and the one in hand.
            assert!(finished.load(Ordering::SeqCst) <= seen + 7);
        }
    });
    assert_eq!(seen, 500);
}
