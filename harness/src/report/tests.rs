//! What the reports write, for runs that did not go well too.

use std::time::Duration;

use super::{
    JsonDocument, Jsonl, Pretty, PrettyOptions, Report, Verbosity, list_jsonl, list_pretty,
};
use crate::case::Case;
use crate::expect::judge;
use crate::outcome::{Captured, Ending, Outcome, State};
use crate::plan::{Plan, PlanOptions, plan};
use crate::run::{CaseResult, Status, Summary};
use crate::testing::{case, host, outcome};

fn captured(text: &[u8]) -> Captured {
    Captured { bytes: text.to_vec(), total: text.len() as u64 }
}

fn judged(case: &Case, outcome: Outcome) -> CaseResult {
    let failures = judge(case, &outcome).failures;
    CaseResult {
        status: if failures.is_empty() { Status::Passed } else { Status::Failed },
        reason: None,
        remedy: None,
        cut_off: false,
        failures,
        outcome: Some(outcome),
    }
}

fn not_run(status: Status, reason: &str, remedy: Option<&str>, cut_off: bool) -> CaseResult {
    CaseResult {
        status,
        reason: Some(reason.to_owned()),
        remedy: remedy.map(ToOwned::to_owned),
        cut_off,
        failures: Vec::new(),
        outcome: None,
    }
}

/// One case of every kind.
fn all_kinds() -> Vec<(Case, CaseResult)> {
    let passed = case("first::alpha");
    let mut wrong = case("first::wrong-output");
    wrong.expect.stdout.equals = Some(b"alpha\n".to_vec());
    let noisy =
        Outcome { stdout: captured(b"beta\n"), stderr: captured(b"\x1b[2Jgone\n"), ..outcome() };
    vec![
        (passed.clone(), judged(&passed, outcome())),
        (wrong.clone(), judged(&wrong, noisy)),
        (case("later"), not_run(Status::Skipped, "not today", None, false)),
        (case("refused"), not_run(Status::Error, "clone3: EPERM", Some("run `sysctl x=1`"), false)),
        (case("stopped"), not_run(Status::Error, "interrupted", None, true)),
        (case("never"), not_run(Status::Skipped, "not run: interrupted", None, true)),
    ]
}

fn tell(report: &mut dyn Report, results: &[(Case, CaseResult)]) {
    let plan: Plan =
        plan(results.iter().map(|r| r.0.clone()).collect(), &host(), &PlanOptions::default());
    let mut summary = Summary { duration: Duration::from_millis(12), ..Summary::default() };
    report.begin(&plan).unwrap();
    for (index, (case, result)) in results.iter().enumerate() {
        summary.count(result);
        report.ended(index, case, result).unwrap();
    }
    report.finish(&host(), &summary).unwrap();
}

fn pretty(options: PrettyOptions, results: &[(Case, CaseResult)]) -> String {
    let mut out = Vec::new();
    let rerun = |case: &Case| format!("belljar run test-cases --filter '={}'", case.name);
    tell(&mut Pretty::new(&mut out, options, rerun), results);
    String::from_utf8(out).unwrap()
}

#[test]
fn pretty_says_what_happened_and_how_to_rerun_it() {
    let text = pretty(PrettyOptions::default(), &all_kinds());
    let expected = r"pass  first::alpha           0.003s
FAIL  first::wrong-output    0.003s
      stdout: differs from what was expected, first in line 1
        --- expected stdout
        +++ stdout
        @@ -1 +1 @@
        -alpha
        +beta
      stderr:
      | \x1b[2Jgone
      rerun: belljar run test-cases --filter '=first::wrong-output'
skip  later                not today
ERROR refused
      clone3: EPERM
      to mend it: run `sysctl x=1`
      rerun: belljar run test-cases --filter '=refused'
stop  stopped              interrupted

FAIL  first::wrong-output
ERROR refused

1 passed, 1 failed, 1 skipped, 1 error, 1 stopped, 1 not run in 0.012s
";
    assert_eq!(text, expected);
}

#[test]
fn quiet_says_only_what_did_not_pass() {
    let options = PrettyOptions { verbosity: Verbosity::Quiet, ..PrettyOptions::default() };
    let text = pretty(options, &all_kinds());
    assert!(text.starts_with("FAIL  first::wrong-output"), "{text}");
    assert!(!text.contains("pass  ") && !text.contains("skip  "), "{text}");
    let text = pretty(options, &all_kinds()[..1]);
    assert_eq!(text, "1 passed, 0 failed, 0 skipped, 0 errors in 0.012s\n");
}

#[test]
fn verbose_shows_the_evidence() {
    let options = PrettyOptions { verbosity: Verbosity::Verbose, ..PrettyOptions::default() };
    let mut case = case("a");
    case.expect.unjudged = vec![crate::Property::Hostname];
    let mut got = outcome();
    got.evidence[0].state = State::Broken;
    got.evidence[1].observed = "bash\x1b]0;x".to_owned();
    got.evidence[11].state = State::NotAsked;
    let result = judged(&case, got);
    let text = pretty(options, &[(case, result)]);
    for line in [
        "      rootfs ubuntu:20.04 (asked: auto), memory 3M of 256M, processes 2, cpu 0.001s\n",
        "      broken    hostname          hostname as asked (not judged)\n",
        "      held      pid-namespace     bash\\u{1b}]0;x\n",
        "      not asked seccomp           seccomp as asked\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn uncaptured_output_is_shown_of_every_case() {
    let case = case("a");
    let many = "line\n".repeat(100);
    let result = judged(&case, Outcome { stdout: captured(many.as_bytes()), ..outcome() });
    let cases = [(case, result)];
    assert!(!pretty(PrettyOptions::default(), &cases).contains("line"));
    let options = PrettyOptions { no_capture: true, ..PrettyOptions::default() };
    assert_eq!(pretty(options, &cases).matches("      | line\n").count(), 100);
}

#[test]
fn colours_are_all_that_acts_on_the_terminal() {
    let options = PrettyOptions { color: true, ..PrettyOptions::default() };
    let mut kinds = all_kinds();
    kinds[2].1.reason = Some("\x1b[5mblink".to_owned());
    kinds[3].1.reason = Some("\x1b]0;title\x07".to_owned());
    let colored = pretty(options, &kinds);
    assert!(colored.contains("\x1b[1m\x1b[31mFAIL \x1b[0m"), "{colored:?}");
    let mut rest = colored.as_str();
    while let Some((_, after)) = rest.split_once('\x1b') {
        let end = after.find('m').unwrap();
        assert!(after[1..end].bytes().all(|b| b.is_ascii_digit() || b == b';'), "{after:?}");
        assert!(!after.starts_with("[5m"));
        rest = &after[end..];
    }
}

#[test]
fn cut_output_says_what_was_kept() {
    let mut case = case("a");
    case.expect.exit = vec![1];
    let mut got = outcome();
    got.stdout = Captured { bytes: b"begin\n".to_vec(), total: 3 << 20 };
    let result = judged(&case, got);
    let text = pretty(PrettyOptions::default(), &[(case, result)]);
    assert!(text.contains("stdout, the first 6 bytes of 3M:\n"), "{text}");
}

#[test]
fn the_document_has_the_promised_shape() {
    let mut case = case("memory::oom-kill");
    case.expect.exit.clear();
    case.expect.oom = true;
    let result = judged(
        &case,
        Outcome {
            ending: Ending::Signal(9),
            oom_kills: 1,
            stdout: captured(b"caf\xe9"),
            evidence: outcome().evidence,
            ..outcome()
        },
    );
    let mut out = Vec::new();
    tell(&mut JsonDocument::new(&mut out), &[(case, result)]);
    let got: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let isolation: Vec<_> = outcome()
        .evidence
        .iter()
        .map(|e| {
            serde_json::json!({
                "property": e.property.name(), "state": "held", "observed": e.observed
            })
        })
        .collect();
    let expected = serde_json::json!({
        "schema": 1, "belljar": env!("CARGO_PKG_VERSION"),
        "host": { "kernel": "6.18.44", "cgroup": "hybrid", "rootless": false },
        "summary": { "passed": 1, "failed": 0, "skipped": 0, "errors": 0, "duration": 0.012 },
        "cases": [{
            "name": "memory::oom-kill", "file": "test-cases/memory/oom-kill.sh",
            "status": "passed", "reason": null, "attempts": 1, "flaky": false, "duration": 0.0031,
            "rootfs": { "asked": "auto", "used": "ubuntu:20.04", "digest": "sha256:00ff" },
            "hostname": "oom-kill", "exit": { "code": null, "signal": 9 },
            "oom": true, "timed_out": false,
            "memory_limit": 268_435_456, "memory_peak": 3_145_728, "processes_peak": 2,
            "cpu": 0.0012,
            "stdout": "caf\u{fffd}", "stdout_base64": "Y2Fm6Q==",
            "stdout_bytes": 4, "stdout_truncated": false,
            "stderr": "", "stderr_bytes": 0, "stderr_truncated": false,
            "isolation": isolation, "changes": null, "failures": []
        }]
    });
    assert_eq!(got, expected);
}

#[test]
fn the_document_is_in_the_order_of_the_plan() {
    let mut out = Vec::new();
    let mut report = JsonDocument::new(&mut out);
    for (index, name) in [(2, "c"), (0, "a"), (1, "b")] {
        let case = case(name);
        let result = judged(&case, outcome());
        report.ended(index, &case, &result).unwrap();
    }
    report.finish(&host(), &Summary::default()).unwrap();
    let got: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let names: Vec<_> =
        got["cases"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_line_of_jsonl_is_a_case_of_the_document() {
    let kinds = all_kinds();
    let (mut lines, mut document) = (Vec::new(), Vec::new());
    tell(&mut Jsonl::new(&mut lines), &kinds);
    tell(&mut JsonDocument::new(&mut document), &kinds);
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let lines: Vec<serde_json::Value> = std::str::from_utf8(&lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(serde_json::Value::from(lines), document["cases"]);
    let cases = &document["cases"];
    assert_eq!(cases[1]["stderr"], "\u{1b}[2Jgone\n", "artefacts are raw");
    assert_eq!(cases[3]["status"], "error");
    assert_eq!(cases[3]["reason"], "clone3: EPERM; run `sysctl x=1`");
    assert_eq!(cases[3]["exit"], serde_json::Value::Null);
    assert_eq!(cases[2]["attempts"], 0);
}

#[test]
fn lists_are_names_or_objects() {
    let mut tagged = case("b::c");
    tagged.tags = vec!["slow".to_owned()];
    tagged.skip = Some("why".to_owned());
    let cases = [case("a"), tagged];
    let mut out = Vec::new();
    list_pretty(&cases, &mut out).unwrap();
    assert_eq!(out, b"a\nb::c\n");
    let mut out = Vec::new();
    list_jsonl(&cases, &mut out).unwrap();
    assert_eq!(
        std::str::from_utf8(&out).unwrap().lines().last().unwrap(),
        r#"{"name":"b::c","file":"test-cases/b/c.sh","tags":["slow"],"skip":"why"}"#
    );
}
